"""When are two documents the same, and what are their entities called?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from elanus.sync.documents import Chunk, SourceDocument
from elanus.types import DataType, PrimaryKey

_DIGEST_BYTES = 16


def content_hash(text: str, metadata: Mapping[str, Any] | None = None) -> str:
    """Return what tells a text with its metadata from others: 32 hexadecimal digits."""
    return _digest((text, _canonical(metadata)))


def document_hash(document: SourceDocument, version: str) -> str:
    """Return what changes with the content of a document, or with how it is cut."""
    parts = [version, _canonical(document.metadata)]
    if document.chunks is None:
        parts += ["text", document.text or ""]
    else:
        parts.append("chunks")
        for chunk in document.chunks:
            if isinstance(chunk, Chunk):
                parts += [chunk.text, _canonical(chunk.metadata), _canonical(chunk.id)]
                parts.append(_canonical(chunk.embedded_text))
            else:
                parts += [chunk, "", "", ""]
    return _digest(parts)


def embedded_hash(chunk: Chunk) -> str | None:
    """Return what tells texts apart that are embedded in place of a chunk's own, or None."""
    return None if chunk.embedded_text is None else _digest((chunk.embedded_text,))


def stored_fingerprint(fingerprint: str | None, version: str) -> str | None:
    """Return the form in which a fingerprint is stored; another version is another one."""
    return None if fingerprint is None else _digest((version, fingerprint))


def chunk_keys(
    source: str, document: SourceDocument, chunks: Sequence[Chunk], dtype: DataType
) -> list[PrimaryKey]:
    """Return the primary keys of the chunks of a document.

    A chunk keeps its key when others come and go around it, and equal chunks are told apart by
    counting them. A document that is one piece keeps its own id.

    Args:
        source: Name of the source.
        document: The document.
        chunks: Its chunks.
        dtype: Type of the key, VARCHAR or INT64.
    """
    if document.chunks is None and len(chunks) == 1 and chunks[0].text == document.text:
        whole = chunks[0].id if chunks[0].id is not None else document.id
        if dtype is DataType.VARCHAR:
            return [whole]
    seen: dict[str, int] = {}
    keys: list[PrimaryKey] = []
    for chunk in chunks:
        if chunk.id is not None:
            keys.append(chunk.id)
            continue
        count = seen[chunk.text] = seen.get(chunk.text, -1) + 1
        digest = _digest((source, document.id, chunk.text, str(count)))
        # 63 bits, so that the number is not negative.
        keys.append(digest if dtype is DataType.VARCHAR else int(digest[:16], 16) >> 1)
    return keys


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        # The length keeps "ab", "c" and "a", "bc" apart.
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


def _canonical(value: object) -> str:
    if not value and value != 0:
        return ""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """Return a value that JSON does not have in a form that it has."""
    if isinstance(value, np.ndarray):
        raw = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [str(value.dtype), list(value.shape), raw]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    return repr(value)
