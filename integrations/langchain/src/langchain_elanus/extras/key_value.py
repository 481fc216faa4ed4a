"""Where do the values of ``BaseStore`` live? Bytes, and whole documents, by key."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeVar, Unpack

from langchain_core.documents import Document
from langchain_core.stores import BaseStore

import elanus
from elanus.documents import PlaceOptions, metadata_to_json
from langchain_elanus.extras.table import TableUser

_V = TypeVar("_V")


class _KeyValues(TableUser, BaseStore[str, _V]):
    """Values by key. A subclass says what a row holds beside its key.

    Args:
        collection_name: Name of the collection; None: that of the class.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    _NAME: ClassVar[str]
    _FIELDS: ClassVar[Sequence[elanus.Field]]

    def __init__(
        self,
        *,
        collection_name: str | None = None,
        uri: str | os.PathLike[str] = "./elanus_data",
        **options: Unpack[PlaceOptions],
    ) -> None:
        fields = [elanus.Field("key", elanus.VARCHAR, primary=True), *self._FIELDS]
        TableUser.__init__(self, fields, collection_name or self._NAME, uri, **options)

    def mget(self, keys: Sequence[str]) -> list[_V | None]:
        """Return the value of each key, None where there is none."""
        rows = self._table.get(keys, [field.name for field in self._FIELDS])
        return [self._value(rows[key]) if key in rows else None for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, _V]]) -> None:
        """Set values, all of them or none; of equal keys the last wins.

        Raises:
            EntityError: A document's metadata has no JSON form; names key and row. Nothing was
                written.
        """
        pairs = enumerate(key_value_pairs)
        self._table.upsert([{"key": key, **self._row(value, n)} for n, (key, value) in pairs])

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete keys; those that are not there are none the worse."""
        self._table.delete(keys)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``, sorted, of one snapshot."""
        yield from self._table.keys(prefix or "")

    def _row(self, value: _V, number: int) -> dict[str, Any]:
        raise NotImplementedError

    def _value(self, row: dict[str, Any]) -> _V:
        raise NotImplementedError


class ElanusByteStore(_KeyValues[bytes]):
    """Bytes by key, durable: for ``CacheBackedEmbeddings``, ``MultiVectorRetriever`` and others.

    Args:
        collection_name: Name of the collection; ``"langchain_bytes"``.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    _NAME = "langchain_bytes"
    # Base64: no field type holds arbitrary bytes.
    _FIELDS = (elanus.Field("value", elanus.VARCHAR),)

    def _row(self, value: bytes, number: int) -> dict[str, Any]:
        return {"value": base64.b64encode(value).decode("ascii")}

    def _value(self, row: dict[str, Any]) -> bytes:
        return base64.b64decode(row["value"])


class ElanusDocumentStore(_KeyValues[Document]):
    """Whole documents by key: the ``docstore`` of parent-document and multi-vector retrievers.

    Text and metadata are fields of their own, so that ``collection`` can be filtered by them.

    Args:
        collection_name: Name of the collection; ``"langchain_documents"``.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    _NAME = "langchain_documents"
    _FIELDS = (
        elanus.Field("text", elanus.VARCHAR),
        elanus.Field("metadata", elanus.JSON),
        elanus.Field("document_id", elanus.VARCHAR, nullable=True),
    )

    def _row(self, value: Document, number: int) -> dict[str, Any]:
        return {
            "text": value.page_content,
            "metadata": metadata_to_json(value.metadata, number),
            "document_id": value.id,
        }

    def _value(self, row: dict[str, Any]) -> Document:
        return Document(id=row["document_id"], page_content=row["text"], metadata=row["metadata"])
