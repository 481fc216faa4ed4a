"""Where do the values of ``BaseStore`` live? Bytes, and whole documents, by key."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from typing import Unpack

from langchain_core.documents import Document
from langchain_core.stores import BaseStore

import elanus
from elanus.documents import metadata_to_json
from langchain_elanus.extras.table import PlaceOptions, TableUser

Pairs = Sequence[tuple[str, bytes]]


class ElanusByteStore(TableUser, BaseStore[str, bytes]):
    """Bytes by key, durable: for ``CacheBackedEmbeddings``, ``MultiVectorRetriever`` and others.

    Args:
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        *,
        collection_name: str = "langchain_bytes",
        uri: str | os.PathLike[str] = "./elanus_data",
        **options: Unpack[PlaceOptions],
    ) -> None:
        fields = [
            elanus.Field("key", elanus.VARCHAR, primary=True),
            # Base64: no field type holds arbitrary bytes.
            elanus.Field("value", elanus.VARCHAR),
        ]
        TableUser.__init__(self, fields, collection_name, uri, **options)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        rows = self._table.get(keys, ["value"])
        return [base64.b64decode(rows[k]["value"]) if k in rows else None for k in keys]

    def mset(self, key_value_pairs: Pairs) -> None:
        """Set values, all of them or none; of equal keys the last wins."""
        self._table.upsert(
            [{"key": k, "value": base64.b64encode(v).decode("ascii")} for k, v in key_value_pairs]
        )

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete keys; those that are not there are none the worse."""
        self._table.delete(keys)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``, sorted, of one snapshot."""
        yield from self._table.keys(prefix or "")


class ElanusDocumentStore(TableUser, BaseStore[str, Document]):
    """Whole documents by key: the ``docstore`` of parent-document and multi-vector retrievers.

    Text and metadata are fields of their own, so that ``collection`` can be filtered by them.

    Args:
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        *,
        collection_name: str = "langchain_documents",
        uri: str | os.PathLike[str] = "./elanus_data",
        **options: Unpack[PlaceOptions],
    ) -> None:
        fields = [
            elanus.Field("key", elanus.VARCHAR, primary=True),
            elanus.Field("text", elanus.VARCHAR),
            elanus.Field("metadata", elanus.JSON),
            elanus.Field("document_id", elanus.VARCHAR, nullable=True),
        ]
        TableUser.__init__(self, fields, collection_name, uri, **options)

    def mget(self, keys: Sequence[str]) -> list[Document | None]:
        """Return the document of each key, None where there is none."""
        rows = self._table.get(keys, ["text", "metadata", "document_id"])
        return [
            Document(
                id=rows[k]["document_id"],
                page_content=rows[k]["text"],
                metadata=rows[k]["metadata"],
            )
            if k in rows
            else None
            for k in keys
        ]

    def mset(self, key_value_pairs: Sequence[tuple[str, Document]]) -> None:
        """Set documents, all of them or none; of equal keys the last wins.

        Raises:
            EntityError: Metadata has no JSON form; names key and row. Nothing was written.
        """
        self._table.upsert(
            [
                {
                    "key": key,
                    "text": document.page_content,
                    "metadata": metadata_to_json(document.metadata, row),
                    "document_id": document.id,
                }
                for row, (key, document) in enumerate(key_value_pairs)
            ]
        )

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete keys; those that are not there are none the worse."""
        self._table.delete(keys)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``, sorted, of one snapshot."""
        yield from self._table.keys(prefix or "")
