"""Which documents of a collection are from a source, as their own lineage says?

The lineage is that of ``sync``: whoever writes documents one by one, as an indexing API of a
framework does, records the same as a sync, and a sync goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elanus.documents.handle import CollectionHandle
from elanus.documents.protocols import DocumentCollection
from elanus.documents.requests import Selection
from elanus.documents.rows import from_pk, tenant_prefix
from elanus.documents.selection import pks_of, selection_to_filter
from elanus.errors import SchemaError
from elanus.filter import Compare, CompareOp, JsonPath, Literal
from elanus.sync.hashing import stored_fingerprint
from elanus.sync.lineage import (
    LINEAGE_FIELD,
    Lineage,
    StoredSource,
    has_lineage,
    lineage_field,
    stored_source,
)

INCOMPLETE = "incomplete"
"""Stands for the fingerprint of a document that is to be written again."""
_ID = "$id"


def add_lineage_field(collection: DocumentCollection) -> DocumentCollection:
    """Return the collection, which has a field for lineages now."""
    if not has_lineage(collection.schema):
        try:
            collection.add_field(lineage_field())
        except SchemaError:
            # Another thread may be first.
            if not has_lineage(collection.schema):
                raise
    return collection


class SourceRecords:
    """The documents of one source in a collection, or in one tenant's part of it.

    Args:
        handle: The collection.
        tenant: Whose documents, or None.
        source: Name of the source.
    """

    def __init__(self, handle: CollectionHandle, tenant: str | None, source: str) -> None:
        self._handle = handle
        self._tenant = tenant
        self.source = source if tenant is None else tenant_prefix(tenant) + source

    def lineage(self, id_: str, document: str | None) -> Lineage:
        """Return what a document says that is written now.

        Args:
            id_: The document's id, which changes with its content.
            document: Of which source document it is a part; None: one of its own.
        """
        model = self._handle.options.model or None
        return Lineage(self.source, document or id_, id_, 0, 1, model=model)

    def get(self, ids: Sequence[str]) -> dict[str, Lineage | None]:
        """Return the lineage of those documents that are there; None of those without."""
        opened = self._handle.open()
        if opened is None or not ids:
            return {}
        pks = pks_of(ids, opened.layout, self._tenant)
        key = opened.layout.names.id
        output = [key, LINEAGE_FIELD] if LINEAGE_FIELD in opened.schema else [key]
        found: dict[str, Lineage | None] = {}
        for entity in opened.collection.get(pks, output):
            value = entity.get(LINEAGE_FIELD)
            found[entity[key]] = None if value is None else Lineage.from_json(value)
        return {id_: found[pk] for id_, pk in zip(ids, pks, strict=True) if pk in found}

    def all(self) -> dict[str, Lineage]:
        """Return the lineage of every document of the source."""
        opened = self._handle.open()
        if opened is None or LINEAGE_FIELD not in opened.schema:
            return {}
        mine = Compare(CompareOp.EQ, JsonPath(LINEAGE_FIELD, ("source",)), Literal(self.source))
        key = opened.layout.names.id
        bound = self._tenant if opened.layout.partition_key else None
        rows = opened.collection.query(mine, [key, LINEAGE_FIELD])
        return {from_pk(r[key], bound): Lineage.from_json(r[LINEAGE_FIELD]) for r in rows}

    def documents(self) -> StoredSource:
        """Return what is stored of each document of the source."""
        return stored_source(self.all().values())

    def fingerprint_of(self, document: str) -> str | None:
        """Return what ``mark`` noted of a document; None where nothing of it is stored.

        ``INCOMPLETE`` where that cannot be said: parts are missing, or some were never marked.
        """
        parts = self._parts([document], [LINEAGE_FIELD]).get(document)
        if not parts:
            return None
        found = [one and Lineage.from_json(one) for one in (p.get(LINEAGE_FIELD) for p in parts)]
        first = found[0]
        is_whole = first is not None and len(found) == first.places
        is_ours = all(one is not None and one.source == self.source for one in found)
        same = {one.hash for one in found if one is not None}
        return first.hash if first and is_whole and is_ours and len(same) == 1 else INCOMPLETE

    def mark(self, fingerprints: Mapping[str, str]) -> None:
        """Note the state of documents in all that has their id as ``ref_doc_id``, in one commit.

        A sync with the same fingerprints takes these documents for unchanged.

        Args:
            fingerprints: What changes with the content, by document.
        """
        model = self._handle.options.model or None
        self.set(
            {
                part[_ID]: Lineage(
                    self.source,
                    document,
                    fingerprints[document],
                    place,
                    len(parts),
                    stored_fingerprint(fingerprints[document], ""),
                    model,
                )
                for document, parts in self._parts(list(fingerprints), []).items()
                for place, part in enumerate(parts)
            }
        )

    def set(self, lineages: Mapping[str, Lineage | None]) -> None:
        """Write what documents that are there say of themselves, in one commit."""
        opened = self._handle.open()
        if opened is None or not lineages:
            return
        collection = add_lineage_field(opened.collection)
        pks = pks_of(list(lineages), opened.layout, self._tenant)
        collection.upsert(
            [
                {opened.layout.names.id: pk, LINEAGE_FIELD: None if one is None else one.to_json()}
                for pk, one in zip(pks, lineages.values(), strict=True)
            ],
            partial=True,
        )

    def _parts(
        self, documents: Sequence[str], fields: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Return what is stored of documents, by document, each with its id under ``_ID``."""
        opened = self._handle.open()
        if opened is None or not documents:
            return {}
        names = opened.layout.names
        wanted = Selection(ref_doc_ids=documents)
        condition = selection_to_filter(wanted, opened.layout, opened.schema, self._tenant)
        bound = self._tenant if opened.layout.partition_key else None
        output = [names.id, names.ref_doc_id, *(f for f in fields if f in opened.schema)]
        parts: dict[str, list[dict[str, Any]]] = {}
        for row in opened.collection.query(condition, output):
            part = {**row, _ID: from_pk(row[names.id], bound)}
            parts.setdefault(row[names.ref_doc_id], []).append(part)
        return parts
