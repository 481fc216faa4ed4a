"""How does a collection look to somebody who may see a part of it?

Through a ``RestrictedCollection`` a filter decides which rows there are. It is applied to the
sources of every snapshot, below everything that reads, so that no kind of read can forget it, and
to every write under the writer lock. What is not written here out loud is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from elanus.engine.definition.backfill import MadeVectors
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.kept_states.past import HeldState
from elanus.engine.reading import AsOf, CollectionReader, CollectionView
from elanus.engine.snapshot import Snapshot
from elanus.engine.stats import CollectionStats, IndexDescription
from elanus.engine.views import FieldViews
from elanus.engine.writing.bulk_load import BulkLoad
from elanus.engine.writing.load_request import LoadRequest
from elanus.engine.writing.write_bounds import BoundsOf, WriteBounds
from elanus.errors import FilterError, InternalError, NotAllowedError
from elanus.filter import BoundFilter, FieldRef, In, Literal, Node, compile_filter, to_text
from elanus.kernels.bitset import Bitset
from elanus.kernels.cancel import CancelToken
from elanus.query.sources import RestrictedSource, SearchSource, allowed_rows
from elanus.schema.collection import Schema
from elanus.schema.validation import Entities
from elanus.types import PrimaryKey

Filters = tuple[BoundFilter, ...]

MAX_PARTS = 64
"""Restrictions under which a snapshot remembers what it shows."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a handle is bound by; trees, so that they hold for the schema as it is at any time.

    Attributes:
        visible: Rows are there that pass it; others are not, for reads and for writes.
        check: Entities must pass it as they are written.
    """

    visible: Node
    check: Node

    def __str__(self) -> str:
        return f"{to_text(self.visible)} | {to_text(self.check)}"

    def rows(self, schema: Schema) -> Filters:
        """Return what rows must pass to be there, for a schema.

        Raises:
            NotAllowedError: The schema has no such fields any more: then there is nothing to see.
        """
        return _bound(self.visible, schema)

    def bounds(self, schema: Schema) -> WriteBounds:
        """Return what a write is bound by; errors are those of ``rows``."""
        return WriteBounds(_bound(self.visible, schema), _bound(self.check, schema))


def _bound(tree: Node, schema: Schema) -> Filters:
    try:
        # Without casts: what a restriction means must not hang on which indexes there are.
        bound = compile_filter(tree, schema)
    except FilterError:
        # What it says is not for whoever holds the handle.
        raise NotAllowedError(
            "what this handle is restricted to does not fit the schema any more, so nothing may be "
            "seen: ask whoever handed it to you"
        ) from None
    if bound is None:
        raise InternalError("a restriction that restricts nothing")
    return (bound,)


def shown(whole: Snapshot, filters: Filters) -> Snapshot:
    """Return a snapshot with the rows that pass the filters; the same one as long as it is kept.

    It is kept with the whole one, so that no handle holds what no reader needs any more.
    """
    found = whole.parts.get(filters)
    if found is None:
        parts = [_part(source, filters) for source in whole.sources]
        found = Snapshot(whole.seq, tuple([p for p in parts if p.num_alive]), whole.fields)
        if len(whole.parts) >= MAX_PARTS:
            whole.parts.clear()
        whole.parts[filters] = found
    return found


def _part(source: SearchSource, filters: Filters) -> SearchSource:
    bits = allowed_rows(source, filters).bits
    # Also where every row passes: what tells of other rows must not tell here.
    return RestrictedSource(source, Bitset.full(source.num_rows) if bits is None else bits)


class RestrictedCollection(CollectionReader):
    """A collection as a restriction shows it.

    Args:
        whole: The collection.
        restriction: What to show of it.
    """

    def __init__(self, whole: CollectionReader, restriction: Restriction) -> None:
        # Nothing of the base class is set up: what is not replaced here has nothing to work with.
        self._whole = whole
        self._restriction = restriction
        self._bound: tuple[Schema, Filters] | None = None
        self.restricted_to = f"{whole.restricted_to}{restriction}\n"

    def rows(self, schema: Schema) -> Filters:
        """Return what rows must pass to be there; the same filters for the same schema."""
        bound = self._bound
        if bound is None or bound[0] is not schema:
            bound = self._bound = schema, self._restriction.rows(schema)
        return bound[1]

    # --- what tells nothing of rows ---------------------------------------------------------

    @property
    def name(self) -> str:  # type: ignore[override]
        """As it is now: the collection may be renamed."""
        return self._whole.name

    @property
    def path(self) -> str:
        return self._whole.path

    @property
    def live_view(self) -> CollectionView:
        raise self._refused()

    @property
    def schema(self) -> Schema:
        return self._whole.schema

    @property
    def fields(self) -> FieldViews:
        return self._whole.fields

    def fields_at(self, consistency: str | None) -> FieldViews:
        return self._whole.fields_at(consistency)

    @property
    def properties(self) -> dict[str, Any]:
        return self._whole.properties

    @property
    def retention_s(self) -> float:
        return self._whole.retention_s

    @property
    def settings(self) -> CollectionSettings:
        return self._whole.settings

    @property
    def index_types(self) -> dict[str, str]:
        return self._whole.index_types

    def load(self) -> None:
        self._whole.load()

    def wait_idle(self) -> None:
        self._whole.wait_idle()

    # --- what reads and writes rows ---------------------------------------------------------

    def snapshot(
        self,
        as_of: AsOf | None = None,
        *,
        consistency: str | None = None,
        at_least: int | None = None,
        token: CancelToken | None = None,
    ) -> Snapshot:
        """Return what is visible now, or was at a moment in the past, and passes the filter."""
        whole = self._whole.snapshot(as_of, consistency=consistency, at_least=at_least, token=token)
        return shown(whole, self.rows(whole.fields.schema))

    def hold(self, *, consistency: str | None = None, at_least: int | None = None) -> HeldState:
        return self._whole.hold(consistency=consistency, at_least=at_least)

    def insert(
        self,
        entities: Entities,
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        bounds = self._bounds_of(bounds_of)
        return self._whole.insert(entities, partition=partition, bounds_of=bounds)

    def upsert(
        self,
        entities: Entities,
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        bounds = self._bounds_of(bounds_of)
        return self._whole.upsert(entities, partition=partition, bounds_of=bounds)

    def upsert_parts(
        self,
        entities: Entities,
        operations: Mapping[str, str],
        *,
        partition: str | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> list[PrimaryKey]:
        bounds = self._bounds_of(bounds_of)
        return self._whole.upsert_parts(entities, operations, partition=partition, bounds_of=bounds)

    def delete(self, pks: Sequence[PrimaryKey]) -> int:
        if not pks:
            return 0
        primary = self._whole.schema.primary.name
        keys = compile_filter(In(FieldRef(primary), Literal(tuple(pks))), self._whole.schema)
        return self.delete_matching(() if keys is None else (keys,))

    def delete_matching(self, filters: tuple[BoundFilter, ...]) -> int:
        return self._whole.delete_matching((*filters, *self.rows(self._whole.schema)))

    def _bounds_of(self, outer: BoundsOf | None) -> BoundsOf:
        """Return the bounds of a write: those of this handle, and of one that it was made from."""

        def bounds(schema: Schema) -> WriteBounds:
            own = self._restriction.bounds(schema)
            if outer is None:
                return own
            others = outer(schema)
            return WriteBounds((*own.visible, *others.visible), (*own.check, *others.check))

        return bounds

    def list_indexes(self) -> list[IndexDescription]:
        """Return the indexes that were chosen; whether all rows have them, of the visible ones."""
        rows = sum(source.num_alive for source in self.snapshot().sources)
        shown = []
        for one in self._whole.list_indexes():
            done = rows if one.indexed_rows >= one.total_rows else 0
            pending = rows if one.pending_rows else 0
            params = dict(one.params)
            shown.append(IndexDescription(one.name, one.type, params, done, rows, pending))
        return shown

    def close(self, *, flush: bool) -> None:
        """Do nothing: the collection belongs to its database."""

    # --- what tells of all rows, or changes more than rows ----------------------------------

    def stats(self) -> CollectionStats:
        raise self._refused()

    def release(self) -> None:
        raise self._refused()

    def sync_turn(self) -> AbstractContextManager[object]:
        raise self._refused()

    def begin_load(self, request: LoadRequest) -> BulkLoad:
        raise self._refused()

    def fill_vectors(self, made: MadeVectors) -> int:
        raise self._refused()

    def _refused(self) -> NotAllowedError:
        return NotAllowedError(
            "a restricted handle reads entities, and inserts, upserts and deletes them; everything "
            "else is for the collection itself: ask whoever handed it to you"
        )
