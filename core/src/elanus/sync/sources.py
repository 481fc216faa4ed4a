"""Which source did the user mean?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from elanus.errors import InvalidArgumentError
from elanus.sync.documents import GivenDocuments, Source
from elanus.sync.folder import FolderSource, Reader


def as_source(documents: Any, name: str | None, reader: Reader | None = None) -> Source:
    """Return what a user gave as a source.

    Args:
        documents: An iterable of documents, the path of a folder, or a source.
        name: What it is called; an iterable needs a name.
        reader: Of a folder.

    Raises:
        InvalidArgumentError: It is something else, or name and documents do not fit.
    """
    if isinstance(documents, str | os.PathLike):
        return FolderSource(Path(documents), reader, name=name or "")
    if reader is not None:
        raise InvalidArgumentError("reader: only for the path of a folder")
    if isinstance(documents, Source):
        if name is not None and name != documents.name:
            raise InvalidArgumentError(
                f"source: {type(documents).__name__} is named {documents.name!r}, got {name!r}"
            )
        return documents
    if not name:
        raise InvalidArgumentError(
            "source: give the documents a name; the next sync of this name replaces and deletes "
            "what this one stored"
        )
    if not isinstance(documents, Iterable) or isinstance(documents, Mapping | bytes):
        raise InvalidArgumentError(
            f"documents: expected an iterable, a path or a Source, got {type(documents).__name__}"
        )
    return GivenDocuments(name, documents)
