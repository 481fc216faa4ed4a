"""What do all parts of ``Collection`` hold?"""

from __future__ import annotations

from typing import NoReturn, Self

from elanus.api.context import FilterReader, RequestContext
from elanus.api.options import ReadOptions, SearchOptions
from elanus.engine.reading import AsOf, CollectionReader
from elanus.engine.snapshot import Snapshot
from elanus.engine.views import FieldViews
from elanus.kernels.cancel import CancelToken
from elanus.schema.collection import Schema


class Handle:
    """The engine of a collection, and what reading requests remembers of it."""

    def __init__(self, engine: CollectionReader) -> None:
        self._engine = engine
        self._known_context = self._context_of(engine.fields)

    @property
    def schema(self) -> Schema:
        """The fields as they are now."""
        return self._engine.schema

    @property
    def seen_schema(self) -> Schema:
        """The fields as this handle saw them last: of a server without asking it again."""
        return self.schema

    @property
    def identifier(self) -> str:
        """What tells the collection from any other, also from one that had its name before."""
        return self._engine.path.rpartition("/")[2]

    def __eq__(self, other: object) -> bool:
        """Handles of one collection are equal; one that was made anew under its name is another."""
        return isinstance(other, Handle) and self._engine is other._engine

    def __hash__(self) -> int:
        return hash(id(self._engine))

    def __copy__(self) -> Self:
        """Return this handle: what is open is not copied."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return this handle, also inside of settings that a framework copies."""
        return self

    def __reduce__(self) -> NoReturn:
        name = self._engine.name.rpartition("/")[2]
        raise TypeError(
            f"collection {name!r} cannot be pickled, since an open folder belongs to one process; "
            f"send its path and name, and open it over there: "
            f"elanus.connect(path, read_only=True).collection({name!r})"
        )

    def _context_of(self, fields: FieldViews) -> RequestContext:
        engine = self._engine
        schema = fields.schema
        filters = FilterReader(schema, lambda: engine.settings)
        return RequestContext(fields, filters, lambda: engine.settings, schema.partition_key)

    @property
    def _context(self) -> RequestContext:
        """What was remembered, as long as it is of the schema as it is now."""
        return self._context_at(None)

    def _context_at(self, consistency: str | None, timezone: str | None = None) -> RequestContext:
        """Return what was remembered, for a read that is as recent as a level asks for, and whose
        moments are those of a time zone."""
        context, fields = self._known_context, self._engine.fields_at(consistency)
        if context.fields is not fields:
            context = self._known_context = self._context_of(fields)
        return context if timezone is None else context.in_timezone(timezone)

    def _state(
        self,
        options: ReadOptions | SearchOptions,
        token: CancelToken | None = None,
        as_of: AsOf | None = None,
    ) -> tuple[RequestContext, Snapshot]:
        """Return what a read sees, and what it is bound to: the fields that it has, which may not
        be those of now."""
        as_of = options.get("as_of") if as_of is None else as_of
        snapshot = self._engine.snapshot(
            as_of,
            consistency=options.get("consistency"),
            at_least=options.get("at_least"),
            token=token,
        )
        context = self._known_context
        if context.fields is not snapshot.fields:
            context = self._context_of(snapshot.fields)
            if as_of is None:
                self._known_context = context
        if as_of is not None:
            context = context.at(snapshot.seq)
        timezone = options.get("timezone")
        return (context if timezone is None else context.in_timezone(timezone)), snapshot
