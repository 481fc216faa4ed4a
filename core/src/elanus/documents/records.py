"""Which documents of a collection are from a source, as their own lineage says?

The lineage is that of ``sync``: whoever writes documents one by one, as an indexing API of a
framework does, records the same as a sync, and a sync goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from elanus.documents.handle import CollectionHandle
from elanus.documents.protocols import DocumentCollection
from elanus.documents.rows import from_pk, tenant_prefix
from elanus.documents.selection import pks_of
from elanus.errors import SchemaError
from elanus.filter import Compare, CompareOp, JsonPath, Literal
from elanus.sync.lineage import LINEAGE_FIELD, Lineage, has_lineage, lineage_field


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
