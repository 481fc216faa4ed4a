"""What is a source, and what does it say of its documents?

Three forms come to the same: an iterable of documents, a folder (``FolderSource``), and whatever
has a ``name`` and ``documents()``. A source lists entries; a document is read only if its entry
does not say by a fingerprint that it is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

from elanus.errors import ElanusError, InvalidArgumentError
from elanus.types import PrimaryKey

_KEYS = ("id", "text", "chunks", "metadata")


class UnreadableDocumentError(ElanusError):
    """A document cannot be turned into text; the message is the reason. Readers raise it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document, which becomes one entity.

    Attributes:
        text: Its text.
        metadata: Further values of the entity, beside those of its document.
        id: Primary key; None makes one of source, document and text.
        embedded_text: What a model is given in place of the text, such as the text below its
            headings; None: the text. A field that was declared with a model takes the text.
    """

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: PrimaryKey | None = None
    embedded_text: str | None = None


Chunker: TypeAlias = Callable[[str], Iterable[str | Chunk]]
"""Cuts the text of a document."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as its source has it now.

    Attributes:
        id: What it is called in its source.
        text: Its text, which a chunker may cut. Without one, the document is one entity, whose
            key is the id where keys are VARCHAR.
        chunks: Its parts, where they are known; then ``text`` is not used.
        metadata: Values that all its entities share.
    """

    id: str
    text: str | None = None
    chunks: Sequence[str | Chunk] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise InvalidArgumentError(f"id: expected a non-empty string, got {self.id!r}")
        if (self.text is None) == (self.chunks is None):
            raise InvalidArgumentError(f"document {self.id!r}: give either text or chunks")
        if self.text is not None and not isinstance(self.text, str):
            raise InvalidArgumentError(
                f"document {self.id!r}: text: expected a string, got {type(self.text).__name__}"
            )


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document in the list of its source.

    Attributes:
        id: What it is called there.
        read: Returns the document. Raises ``UnreadableDocumentError``, ``OSError`` or
            ``UnicodeError`` if that fails.
        fingerprint: What changes whenever the content does and is cheap to have, such as an
            ETag, or size and time of the last change; None: the document has to be read.
    """

    id: str
    read: Callable[[], SourceDocument]
    fingerprint: str | None = None


@runtime_checkable
class Source(Protocol):
    """Where documents come from."""

    @property
    def name(self) -> str:
        """Which source this is: only what was stored under this name is replaced or deleted."""

    def documents(self) -> Iterable[DocumentEntry]:
        """List every document that there is now, each once."""


@dataclass(frozen=True, slots=True)
class GivenDocuments:
    """Documents that were handed over as an iterable; read one by one, once."""

    name: str
    given: Iterable[SourceDocument | Mapping[str, Any]]

    def documents(self) -> Iterator[DocumentEntry]:
        for place, value in enumerate(self.given):
            document = as_document(value, place)
            yield DocumentEntry(document.id, partial(_itself, document))


def _itself(document: SourceDocument) -> SourceDocument:
    return document


def as_document(value: object, place: int) -> SourceDocument:
    """Return a document that was given as such or as a mapping.

    Raises:
        InvalidArgumentError: It is neither, or has other keys.
    """
    if isinstance(value, SourceDocument):
        return value
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(
            f"documents[{place}]: expected a SourceDocument or a dict, got {type(value).__name__}"
        )
    unknown = sorted(set(map(str, value)) - set(_KEYS))
    if unknown or "id" not in value:
        raise InvalidArgumentError(
            f"documents[{place}]: expected the keys {', '.join(_KEYS)}, got "
            f"{', '.join(map(str, value)) or 'none'}; further values belong into 'metadata'"
        )
    return SourceDocument(**{str(key): given for key, given in value.items()})


def chunks_of(document: SourceDocument, chunker: Chunker | None) -> list[Chunk]:
    """Return the parts of a document that have text.

    Raises:
        InvalidArgumentError: A part is neither a string nor a ``Chunk``.
    """
    parts: Iterable[object]
    if document.chunks is not None:
        parts = document.chunks
    elif chunker is not None:
        parts = chunker(document.text or "")
    else:
        parts = (document.text,)
    chunks = [part if isinstance(part, Chunk) else _chunk(part, n) for n, part in enumerate(parts)]
    return [chunk for chunk in chunks if chunk.text.strip()]


def _chunk(part: object, place: int) -> Chunk:
    if not isinstance(part, str):
        raise InvalidArgumentError(
            f"chunk {place}: expected a string or a Chunk, got {type(part).__name__}"
        )
    return Chunk(part)
