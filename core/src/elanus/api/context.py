"""What does reading requests remember of a collection?

Programs ask the same few things again: filter texts and lists of output fields are bound once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.views import FieldViews
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import BoundFilter, Node, RandomSample, compile_filter
from elanus.filter.names import Casts
from elanus.filter.templates import FilterTemplates
from elanus.query.partitions import within_partitions
from elanus.query.plain import PlainRequest
from elanus.query.profile import PROFILE, SearchProfile
from elanus.query.projection import resolve_output
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.functions import BM25
from elanus.types import DataType

Filter = str | Mapping[str, Any] | Node
"""A filter as text, as a Mongo-like dict, or as a tree of ``elanus.filter``."""

Partitions = Sequence[str] | str | None
"""Names of partitions to read; None: all of them."""

MAX_KNOWN_OUTPUTS = 64
"""Lists of output fields that a collection remembers."""
MAX_KNOWN_ZONES = 64
"""Time zones for which a collection remembers the same."""
MAX_KNOWN_FILTERS = 256
"""Filter texts whose bound form a collection remembers."""


class FilterReader:
    """Reads filters for one schema and remembers texts: programs ask the same few again.

    Safe from many threads.

    Args:
        schema: What names and types are bound to.
        settings: Returns the settings of now; their indexes may cast values of JSON.
    """

    def __init__(self, schema: Schema, settings: Callable[[], CollectionSettings]) -> None:
        self._schema = schema
        self._settings = settings
        self._known: dict[tuple[str, str | None, Casts], BoundFilter | None] = {}
        self._templates = FilterTemplates(schema)
        self._casts: tuple[CollectionSettings | None, Casts] = None, frozenset()

    def bind(
        self,
        *filters: Filter | None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
    ) -> tuple[BoundFilter, ...]:
        """Return the filters that restrict anything, bound to the schema.

        Raises:
            FilterError: A filter cannot be read, or does not fit the schema.
        """
        bound = [self._bind(f, params, root) for f in filters if f is not None]
        return tuple([b for b in bound if b is not None])

    def _bind(
        self, source: Filter, params: Mapping[str, Any] | None, root: str | None
    ) -> BoundFilter | None:
        casts = self._current_casts()
        if not isinstance(source, str):
            return compile_filter(source, self._schema, params=params, root=root, casts=casts)
        if params:
            return self._read(source, params, root, casts)
        key = (source, root, casts)
        if key not in self._known:
            made = self._read(source, None, root, casts)
            if len(self._known) >= MAX_KNOWN_FILTERS:
                self._known.clear()
            self._known[key] = made
            return made
        return self._known.get(key)

    def _read(
        self, source: str, params: Mapping[str, Any] | None, root: str | None, casts: Casts
    ) -> BoundFilter | None:
        filled = self._templates.filled(source, params, root, casts)
        if filled is not None:
            return filled
        return compile_filter(source, self._schema, params=params, root=root, casts=casts)

    def _current_casts(self) -> Casts:
        settings, (seen, casts) = self._settings(), self._casts
        if settings is not seen:
            casts = settings.casts(self._schema)
            self._casts = settings, casts
        return casts


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What reading a request needs to know about its collection.

    Attributes:
        fields: What the engine derives from the schema.
        filters: Reads filters.
        settings: Returns the settings as they are now.
        partition_key: Field that reads may have to name one value of; None when there is none.
        within: Filters by partition that were made.
        outputs: Lists of output fields that were read.
        plain: Searches that differ in their query alone, or in that and their filter.
        asked: Of those that differ in their filter as well, which were asked once.
        zones: The same for other time zones.
    """

    fields: FieldViews
    filters: FilterReader
    settings: Callable[[], CollectionSettings]
    partition_key: str | None
    within: dict[frozenset[int], BoundFilter] = dataclass_field(default_factory=dict)
    outputs: dict[tuple[str, ...] | None, tuple[str, ...]] = dataclass_field(default_factory=dict)
    plain: dict[Hashable, PlainRequest] = dataclass_field(default_factory=dict)
    asked: dict[Hashable, None] = dataclass_field(default_factory=dict)
    zones: dict[str, RequestContext] = dataclass_field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.fields.schema

    @property
    def profile(self) -> SearchProfile | None:
        """How searches are done that do not say it; None: as usual."""
        stored = self.settings().properties.get(PROFILE)
        return None if stored is None else SearchProfile.from_json(stored)

    def function_of(self, field: Field) -> BM25 | None:
        """Return what texts for a field are scored by, as the profile has it."""
        profile = self.profile
        return field.bm25 if profile is None else profile.function(field)

    def in_timezone(self, timezone: str) -> RequestContext:
        """Return the same for a read whose moments are those of another time zone.

        Raises:
            SchemaError: No such zone.
        """
        found = self.zones.get(timezone)
        if found is None:
            schema = self.schema.in_timezone(timezone)
            fields = replace(self.fields, schema=schema)
            reader = FilterReader(schema, self.settings)
            found = RequestContext(fields, reader, self.settings, self.partition_key)
            if len(self.zones) >= MAX_KNOWN_ZONES:
                self.zones.clear()
            self.zones[timezone] = found
        return found

    def at(self, seq: int) -> RequestContext:
        """Return the same for a read of the past, when other partitions may have had the names."""
        settings = self.settings()
        past = settings.at(seq)
        if past is settings:
            return self
        return RequestContext(self.fields, self.filters, lambda: past, self.partition_key)

    def check_isolated(self, filters: tuple[BoundFilter, ...]) -> None:
        """Refuse a read of a collection with a partition key that must name one, and does not.

        Raises:
            FilterError: The property ``partitionkey.isolation`` is set, and the filters allow
                several values of the key.
        """
        key = self.partition_key
        if key is None or not self.settings().is_isolated:
            return
        if not any(bound.has_one_value_of(key) for bound in filters):
            raise FilterError(
                f"the collection keeps the values of {key!r} apart (partitionkey.isolation): "
                f"expected a filter that names exactly one, such as {key} == "
                f"{self._example(key)}, alone or with 'and'; got "
                + (" and ".join(f"({bound})" for bound in filters) or "none")
            )

    def _example(self, key: str) -> str:
        return "'a'" if self.schema.field(key).dtype is DataType.VARCHAR else "1"

    def bind(
        self,
        *filters: Filter | None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        partitions: Partitions = None,
    ) -> tuple[BoundFilter, ...]:
        """Return what restricts a request, bound to the schema.

        Raises:
            FilterError: A filter cannot be read, or does not fit the schema.
            NotFoundError: No such partition.
        """
        bound = self.filters.bind(*filters, params=params, root=root)
        return bound if partitions is None else (*bound, *self._within(partitions))

    def _within(self, partitions: Sequence[str] | str) -> tuple[BoundFilter, ...]:
        names = [partitions] if isinstance(partitions, str) else list(partitions)
        if not names:
            raise InvalidArgumentError(
                "partitions: expected names, got an empty list; leave it out to read all of them"
            )
        settings = self.settings()
        numbers = frozenset(settings.partition(name) for name in names)
        if not self.schema.partitioned:
            # Of a state from before there were any, all is in the default one.
            return () if 0 in numbers else self.filters.bind("false")
        found = self.within.get(numbers)
        if found is None:
            found = within_partitions(self.schema, numbers)
            if len(self.within) >= MAX_KNOWN_FILTERS:
                self.within.clear()
            self.within[numbers] = found
        return (found,)

    def output(self, output: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names to project; the answers to recent requests are remembered.

        Raises:
            InvalidArgumentError: An unknown field, or one that cannot be read back.
        """
        if output is not None and not isinstance(output, list | tuple):
            return resolve_output(self.schema, output)
        key = None if output is None else tuple(output)
        found = self.outputs.get(key)
        if found is None:
            found = resolve_output(self.schema, output)
            if len(self.outputs) >= MAX_KNOWN_OUTPUTS:
                self.outputs.clear()
            self.outputs[key] = found
        return found

    def entity_output(self, output: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names to project of whole entities: the primary key is always one."""
        names = self.output(output)
        primary = self.schema.primary.name
        return names if primary in names else (primary, *names)


def restricting_tree(
    context: RequestContext,
    filter: Filter,
    *,
    params: Mapping[str, Any] | None = None,
    root: str | None = None,
) -> Node:
    """Return the tree of a filter that a handle is to be bound by.

    Raises:
        FilterError: It cannot be read.
        InvalidArgumentError: It is empty, or chooses at random.
    """
    bound = compile_filter(filter, context.schema, params=params, root=root)
    if bound is None:
        raise InvalidArgumentError(
            "restricted: expected a filter, got an empty one; without a filter use the collection"
        )
    left = [bound.tree]
    while left:
        node = left.pop()
        if isinstance(node, RandomSample):
            raise InvalidArgumentError("restricted: random_sample would show other rows each time")
        left.extend(node.children())
    return bound.tree
