"""What users call to read entities without searching; ``Collection`` has these methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from elanus.api.context import Filter, Partitions
from elanus.api.handle import Handle
from elanus.api.options import check_page
from elanus.engine.reading import AsOf
from elanus.errors import InvalidArgumentError
from elanus.query.aggregates import (
    aggregate,
    check_facet_fields,
    check_group_fields,
    facet,
    parse_aggregates,
)
from elanus.query.entities import EntityRequest, count_entities, get_entities, query_entities
from elanus.query.ordering import order_keys
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
        *,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Return entities by primary key.

        Args:
            ids: One key or a list of keys.
            output: Fields to return; None: all but vectors; ``["*"]``: all.
            as_of: A moment in the past, as in ``search``.

        Returns:
            Dicts in the order of ``ids``; missing keys are left out. The primary key is always
            part of them.
        """
        keys: list[PrimaryKey] = list(primary_keys(self._engine.schema.primary, as_ids(ids)))
        sources = self._engine.snapshot(as_of).sources
        return get_entities(self._engine.schema, sources, keys, self._context.entity_output(output))

    def query(
        self,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
        order_by: str | Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        partitions: Partitions = None,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Return the entities that pass a filter, in the order of their primary key or another.

        Args:
            filter: Expression, dict or tree; None: all entities.
            output: Fields to return; None: all but vectors; ``["*"]``: all.
            limit: Most entities; None: no bound.
            offset: Entities to leave out at the front.
            order_by: ``"year"``, ``"year desc"``, or several, the most important first: scalar
                fields. Nulls come last, NaN before them; equals stand in the order of their
                primary key.
            params: Values for ``{name}`` templates in a filter text.
            root: JSON field whose keys the names in the filter are.
            partitions: Name of a partition, or several, to read; None reads all.
            as_of: A moment in the past, as in ``search``.

        Returns:
            Dicts; the primary key is always part of them.

        Raises:
            InvalidArgumentError: A number is out of range, or ``order_by`` names no such field.
            FilterError: The filter cannot be read.
        """
        for name, value in (("limit", limit), ("offset", offset)):
            if value is not None and (not isinstance(value, int | np.integer) or value < 0):
                raise InvalidArgumentError(f"{name} must be an integer >= 0, got {value!r}")
        bound = self._context.bind(filter, params=params, root=root, partitions=partitions)
        order = order_keys(self._engine.schema, order_by)
        request = EntityRequest(self._context.entity_output(output), bound, limit, offset, order)
        return query_entities(self._engine.schema, self._engine.snapshot(as_of).sources, request)

    def count(
        self,
        filter: Filter | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        partitions: Partitions = None,
        as_of: AsOf | None = None,
    ) -> int:
        """Return how many entities pass the filter; without one, how many there are."""
        bound = self._context.bind(filter, params=params, root=root, partitions=partitions)
        return count_entities(self._engine.snapshot(as_of).sources, bound)

    def aggregate(
        self,
        metrics: str | Sequence[str] = "count(*)",
        *,
        group_by: str | Sequence[str] = (),
        filter: Filter | None = None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        partitions: Partitions = None,
        as_of: AsOf | None = None,
    ) -> list[dict[str, Any]]:
        """Return what the entities that pass a filter come to, by group.

        Args:
            metrics: ``"count(*)"``, and ``count``, ``min``, ``max``, ``sum`` and ``avg`` of a
                field, such as ``"max(price)"``. Nulls take part in ``count(*)`` only.
            group_by: Scalar fields; none makes one group of everything.
            filter: As in ``query``.
            params: As in ``query``.
            root: As in ``query``.
            partitions: As in ``query``.
            as_of: As in ``query``.

        Returns:
            A dict for each group, in the order of its values, nulls last: the fields of
            ``group_by``, and each metric under its text. None where a group has no value.

        Raises:
            InvalidArgumentError: A metric or a field cannot be asked for.
            FilterError: The filter cannot be read.
        """
        asked = parse_aggregates(self._engine.schema, metrics)
        fields = check_group_fields(self._engine.schema, group_by)
        bound = self._context.bind(filter, params=params, root=root, partitions=partitions)
        return aggregate(self._engine.snapshot(as_of).sources, bound, fields, asked)

    def facets(
        self,
        fields: str | Sequence[str],
        *,
        filter: Filter | None = None,
        limit: int = 10,
        partitions: Partitions = None,
        as_of: AsOf | None = None,
    ) -> dict[str, list[tuple[Any, int]]]:
        """Return the commonest values of fields among the entities that pass a filter.

        Args:
            fields: Scalar fields, or arrays, of which each element counts.
            filter: As in ``query``.
            limit: Most values of a field.
            partitions: As in ``query``.
            as_of: As in ``query``.

        Returns:
            For each field values and the number of entities that have them, the commonest first.

        Raises:
            InvalidArgumentError: A field cannot be counted, or ``limit`` is below 1.
            FilterError: The filter cannot be read.
        """
        names = check_facet_fields(self._engine.schema, fields)
        check_page(limit, 0)
        bound = self._context.bind(filter, partitions=partitions)
        sources = self._engine.snapshot(as_of).sources
        return {name: facet(sources, bound, name, limit) for name in names}
