"""What users call to read entities without searching; ``Collection`` has these methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, Unpack

import numpy as np

from elanus.api.context import Filter, RequestContext
from elanus.api.handle import Handle
from elanus.api.options import ReadOptions, check_page, check_read_options
from elanus.errors import InvalidArgumentError
from elanus.filter import BoundFilter, FieldRef, In, Literal
from elanus.query.aggregates import (
    aggregate,
    facet,
    facet_places,
    group_places,
    parse_aggregates,
)
from elanus.query.entities import EntityRequest, count_entities, get_entities, query_entities
from elanus.query.filter_plan import FilterPlan, explain_filters
from elanus.query.ordering import order_keys
from elanus.query.sources import SearchSource
from elanus.schema.validation import primary_keys
from elanus.types import PrimaryKey

Ids: TypeAlias = PrimaryKey | Sequence[PrimaryKey]


def as_ids(ids: Ids) -> list[PrimaryKey]:
    """Return one key or several as a list."""
    return [ids] if isinstance(ids, str | int | np.integer) else list(ids)


class Reads(Handle):
    """The part of ``Collection`` that returns entities and what they come to."""

    def get(
        self,
        ids: Ids,
        output: Sequence[str] | None = None,
        **options: Unpack[ReadOptions],
    ) -> list[dict[str, Any]]:
        """Return entities by primary key.

        Args:
            ids: One key or a list of keys.
            output: Fields to return; None: all but vectors; ``["*"]``: all.
            **options: See ``ReadOptions``.

        Returns:
            Dicts in the order of ``ids``; missing keys are left out. The primary key is always
            part of them.
        """
        context, sources = self._reading("get", options)
        primary = context.schema.primary
        keys: list[PrimaryKey] = list(primary_keys(primary, as_ids(ids)))
        within = context.bind(partitions=options.get("partitions"))
        if within:
            wanted = context.bind(In(FieldRef(primary.name), Literal(tuple(keys))))
            request = EntityRequest((primary.name,), (*wanted, *within))
            inside = {e[primary.name] for e in query_entities(context.schema, sources, request)}
            keys = [key for key in keys if key in inside]
        return get_entities(context.schema, sources, keys, context.entity_output(output))

    def query(
        self,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        order_by: str | Sequence[str] = (),
        per_element: bool = False,
        **options: Unpack[ReadOptions],
    ) -> list[dict[str, Any]]:
        """Return the entities that pass a filter, in the order of their primary key or another.

        Args:
            filter: Expression, dict or tree; None: all entities.
            output: Fields to return; None: all but vectors; ``["*"]``: all.
            limit: Most entities; None: no bound.
            offset: Entities to leave out at the front.
            order_by: ``"year"``, ``"year desc"``, or several, the most important first: scalar
                fields. Nulls come last, NaN before them; ``"year desc nulls first"`` puts nulls to
                the front. Equals stand in the order of their primary key.
            per_element: Where an ``element_filter`` is one of the conditions that must all hold,
                each element that meets it is a result of its own: its entity, with the place of the
                element, from 0, under ``"$offset"``. Limit and offset count elements then. With
                none, or those of several arrays, results are entities.
            **options: Values of templates, partitions, time and consistency; see ``ReadOptions``.

        Returns:
            Dicts; the primary key is always part of them.

        Raises:
            InvalidArgumentError: A number is out of range, or ``order_by`` names no such field.
            FilterError: The filter cannot be read, or names no partition key where it must.
        """
        for name, value in (("limit", limit), ("offset", offset)):
            if value is not None and (not isinstance(value, int | np.integer) or value < 0):
                raise InvalidArgumentError(f"{name} must be an integer >= 0, got {value!r}")
        context, sources = self._reading("query", options)
        bound = _bound(context, filter, options)
        context.check_isolated(bound)
        order = order_keys(context.schema, order_by)
        fields = context.entity_output(output)
        request = EntityRequest(fields, bound, limit, offset, order, per_element)
        return query_entities(context.schema, sources, request)

    def count(
        self,
        filter: Filter | None = None,
        **options: Unpack[ReadOptions],
    ) -> int:
        """Return how many entities pass the filter; without one, how many there are."""
        context, sources = self._reading("count", options)
        return count_entities(sources, _bound(context, filter, options))

    def explain(self, filter: Filter, **options: Unpack[ReadOptions]) -> tuple[FilterPlan, ...]:
        """Return how a filter of ``query``, ``count`` or ``search`` is answered; ``print`` it.

        Args:
            filter: As in ``query``.
            **options: Values of templates, partitions (a filter of their own), time and
                consistency; see ``ReadOptions``.

        Returns:
            A plan for each filter: on each source its conditions in the order in which they were
            answered, by an index or by columns, and how many rows each let through.

        Raises:
            FilterError: The filter cannot be read.
        """
        context, sources = self._reading("explain", options)
        return explain_filters(sources, _bound(context, filter, options))

    def aggregate(
        self,
        metrics: str | Sequence[str] = "count(*)",
        *,
        group_by: str | Sequence[str] = (),
        filter: Filter | None = None,
        **options: Unpack[ReadOptions],
    ) -> list[dict[str, Any]]:
        """Return what the entities that pass a filter come to, by group.

        Args:
            metrics: ``"count(*)"``, and ``count``, ``min``, ``max``, ``sum`` and ``avg`` of a
                field or a path, such as ``"max(price)"`` and ``'avg(meta["year"])'``. Nulls take
                part in ``count(*)`` only.
            group_by: Scalar fields, paths of JSON fields and dynamic fields; none makes one group
                of everything.
            filter: As in ``query``.
            **options: Values of templates, partitions, time and consistency; see ``ReadOptions``.

        Returns:
            A dict for each group, in the order of its values, nulls last: what ``group_by`` names,
            and each metric under its text. None where a group has no value. At a path values
            of several types come as false, true, numbers, texts; ``min`` and ``max`` go by that
            order, ``sum`` and ``avg`` take numbers alone, and arrays and objects are like null
            but for ``count``, which counts what is there.

        Raises:
            InvalidArgumentError: A metric or a field cannot be asked for.
            FilterError: The filter cannot be read.
        """
        context, sources = self._reading("aggregate", options)
        asked = parse_aggregates(context.schema, metrics)
        places = group_places(context.schema, group_by)
        bound = _bound(context, filter, options)
        return aggregate(context.schema, sources, bound, places, asked)

    def facets(
        self,
        fields: str | Sequence[str],
        *,
        filter: Filter | None = None,
        limit: int = 10,
        **options: Unpack[ReadOptions],
    ) -> dict[str, list[tuple[Any, int]]]:
        """Return the commonest values of fields among the entities that pass a filter.

        Args:
            fields: Scalar fields, paths of JSON fields such as ``meta["source"]``, dynamic fields,
                or arrays, of which each element counts, also at a path.
            filter: As in ``query``.
            limit: Most values of a field.
            **options: Values of templates, partitions, time and consistency; see ``ReadOptions``.

        Returns:
            For each field, under its text, values and the number of entities that have them, the
            commonest first.

        Raises:
            InvalidArgumentError: A field cannot be counted, or ``limit`` is below 1.
            FilterError: The filter cannot be read.
        """
        context, sources = self._reading("facets", options)
        places = facet_places(context.schema, fields)
        check_page(limit, 0)
        bound = _bound(context, filter, options)
        return {p.name: facet(context.schema, sources, bound, p, limit) for p in places}

    def _reading(
        self, call: str, options: ReadOptions
    ) -> tuple[RequestContext, Sequence[SearchSource]]:
        """Check the options of a read; return what it is bound to, and what it reads."""
        check_read_options(options, call)
        context, snapshot = self._state(options)
        return context, snapshot.sources


def _bound(
    context: RequestContext, filter: Filter | None, options: ReadOptions
) -> tuple[BoundFilter, ...]:
    return context.bind(
        filter,
        params=options.get("params"),
        root=options.get("root"),
        partitions=options.get("partitions"),
    )
