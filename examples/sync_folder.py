"""Let a collection follow a folder of files: only what changed is read and embedded.

Prints:
    handbook: 2 added, 0 changed, 0 unchanged, 0 deleted; 3 chunks embedded
    handbook: 0 added, 1 changed, 0 unchanged, 1 deleted; 1 chunks embedded
    Keys rotate every week. (keys.md, part 1 of 2)
"""

import tempfile
from pathlib import Path

import elanus
from elanus.sync import FolderSource


def paragraphs(text: str) -> list[str]:
    return text.split("\n\n")


folder = Path(tempfile.mkdtemp())
(folder / "keys.md").write_text("Keys rotate every month.\n\nOld keys stay valid for a day.")
(folder / "moving.md").write_text("Copy the folder to move the store.")

with elanus.connect(":memory:") as db:
    documents = db.documents("handbook", embedder="hash", language="english")
    source = FolderSource(folder, name="handbook")
    print(documents.sync(source, chunker=paragraphs))

    (folder / "keys.md").write_text("Keys rotate every week.\n\nOld keys stay valid for a day.")
    (folder / "moving.md").unlink()
    print(documents.sync(source, chunker=paragraphs))

    best = documents.search("how often do keys rotate", limit=1)[0]
    lineage = db.collection("handbook").lineage(best.id)[0]
    assert lineage is not None
    print(f"{best.text} ({lineage.document}, part {lineage.place + 1} of {lineage.places})")
