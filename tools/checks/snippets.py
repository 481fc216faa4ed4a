"""Does the code in README and guide do what the page says?

The convention: every ```python block of `README.md`, of the distributions' READMEs and of
`docs/guide/*.md` runs, top to bottom in one namespace per page, in an empty folder. A ```text
block that is the next block after one holds what it prints; `...` in it stands for anything. A
comment `<!-- not run: reason -->` on the line above a block (blank lines aside) keeps it from
being run.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.bootstrap.inputs import find_distributions
from tools.checks.markdown import parse
from tools.checks.sources import ROOT, name_of

TIMEOUT_S = 300
RUNNER = Path(__file__).with_name("snippet_runner.py")

_NOT_RUN = re.compile(r"^\s*<!--\s*not run:\s*(\S.*?)\s*-->\s*$")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One block to run; ``expected`` is None where the page shows no output."""

    line: int
    code: str
    expected: str | None


def snippets_of(text: str) -> list[Snippet]:
    """Return the blocks of a page that run, in order."""
    page = parse(text)
    prose = {number: line for number, line in page.prose if line.strip()}
    found = []
    for index, block in enumerate(page.blocks):
        above = [number for number in prose if number < block.line - 1]
        last = prose[max(above)] if above else ""
        comment_is_next = above and not any(
            max(above) < other.line < block.line for other in page.blocks
        )
        if block.language != "python" or (comment_is_next and _NOT_RUN.match(last)):
            continue
        after = page.blocks[index + 1] if index + 1 < len(page.blocks) else None
        shown = after is not None and after.language == "text"
        found.append(Snippet(block.line, block.code, after.code if after and shown else None))
    return found


def pages() -> list[Path]:
    """Return the pages whose code runs."""
    readmes = [
        folder / "README.md" for folder in [ROOT, *(one.folder for one in find_distributions(ROOT))]
    ]
    found = [*readmes, *sorted((ROOT / "docs" / "guide").glob("*.md"))]
    return [file for file in found if file.exists()]


def run_page(file: Path, text: str) -> str | None:
    """Run a page's blocks in a process and an empty folder of their own.

    Returns:
        What went wrong, with the page's line numbers, or None.
    """
    snippets = snippets_of(text)
    if not snippets:
        return None
    task = json.dumps({"page": file.name, "snippets": [asdict(one) for one in snippets]})
    environ = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(RUNNER)],
            check=False,
            input=task,
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    return None if done.returncode == 0 else done.stderr.strip()


def check_snippets() -> list[str]:
    """Return the pages whose code fails or prints something else than the page shows."""
    failures = ((file, run_page(file, file.read_text("utf-8"))) for file in pages())
    return [f"{name_of(file)}: {failure}" for file, failure in failures if failure]
