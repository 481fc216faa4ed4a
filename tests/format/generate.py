"""Write the golden files of the current format: ``python tests/format/generate.py <name>``.

Identifiers, salts and times are random; everything else is the same each time. Files of a released
version are never written again: a new version gets a new name.
"""

import json
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support.golden import expected_answers, write_database  # noqa: E402

LEFT_OUT = ("LOCK", "BALLAST")
"""Who wrote last, and space held back for a full disk: nothing that a reader needs."""


def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made the file and when."""
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "golden"
        write_database(database)
        with tarfile.open(HERE / f"{name}.tar.xz", "w:xz", preset=9) as archive:
            for path in sorted(database.rglob("*")):
                if path.name not in LEFT_OUT:
                    archive.add(path, path.relative_to(database), recursive=False, filter=plain)
    answers = json.dumps(expected_answers(), indent=1, ensure_ascii=False)
    (HERE / f"{name}.json").write_text(answers + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
