"""How are some fields of an entity changed, and the others left as they are?

What is given is checked before the write is queued. What it leaves open is read under the writer
lock, so that no other write comes between reading and writing, and the whole entity goes to the
log: replaying it needs nothing but the log.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from elanus.engine.views import FieldViews
from elanus.errors import EntityError, InvalidArgumentError
from elanus.query.sources import SearchSource
from elanus.schema.batches import Column, ColumnBatch, FixedColumn, StringColumn, concat_batches
from elanus.schema.collection import DYNAMIC_FIELD, PARTITION_FIELD, Schema, did_you_mean
from elanus.schema.converters import MISSING, convert_column, matrix_rows
from elanus.schema.fields import Field
from elanus.schema.structs import stored_parts
from elanus.schema.validation import Entities, given_to_batch, primary_keys
from elanus.types import DataType, Int64Array, PrimaryKey


class ArrayOp(StrEnum):
    """What becomes of the elements that are given for an ARRAY field."""

    APPEND = "append"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class PartialEntities:
    """Parts of entities, checked, in groups that give the same fields.

    Attributes:
        schema: What they were checked against.
        groups: Keys, and a column for each field that is given.
        operations: What becomes of the elements given for a field.
    """

    schema: Schema
    groups: tuple[tuple[list[PrimaryKey], ColumnBatch], ...]
    operations: Mapping[str, ArrayOp]

    @property
    def pks(self) -> list[PrimaryKey]:
        """The keys of all entities, in the order of ``completed``."""
        return [pk for pks, _ in self.groups for pk in pks]

    def completed(self, sources: Sequence[SearchSource]) -> ColumnBatch:
        """Return whole entities: what is given, and the rest as it is now.

        Raises:
            EntityError: An entity is new and lacks a field, or an array becomes too long.
        """
        return concat_batches([self._completed(pks, given, sources) for pks, given in self.groups])

    def _completed(
        self, pks: list[PrimaryKey], given: ColumnBatch, sources: Sequence[SearchSource]
    ) -> ColumnBatch:
        there, places = _rows_there(sources, pks)
        order = np.argsort(np.concatenate([*(p for _, _, p in there), places]), kind="stable")
        columns: dict[str, Column] = {}
        for field in self.schema.stored_fields:
            name = field.name
            changed = given.columns.get(name)
            merges = name == DYNAMIC_FIELD or name in self.operations
            if changed is not None and not merges:
                columns[name] = changed
                continue
            parts = [source.column(name).take(rows) for source, rows, _ in there]
            if len(places):
                new = None if changed is None else changed.take(places)
                parts.append(self._absent(field, pks, places) if new is None else new)
            found = _joined(parts, order)
            if changed is not None:
                found = self._merged(field, found, changed, frozenset(places.tolist()))
            columns[name] = found
        return ColumnBatch(len(pks), columns)

    def _absent(self, field: Field, pks: Sequence[PrimaryKey], places: Int64Array) -> Column:
        """Return what new entities have in a field that they do not give."""
        if field.name == PARTITION_FIELD:
            # Of a partition that is named the number is among what is given.
            return FixedColumn(np.zeros(len(places), dtype=np.int32))
        try:
            return convert_column(field, [MISSING] * len(places), len(places))
        except EntityError:
            raise EntityError(
                f"field {field.name!r}: expected {field.dtype.name}, got nothing, and entity "
                f"{pks[int(places[0])]!r} is not there yet; give all fields of new entities",
                field=field.name,
            ) from None

    def _merged(
        self, field: Field, found: Column, changed: Column, new_places: frozenset[int]
    ) -> Column:
        """Return what was there with what is given; new entities had nothing."""
        before = _values(found) if field.dtype is DataType.JSON else found.to_pylist()
        after = _values(changed) if field.dtype is DataType.JSON else changed.to_pylist()
        before = [None if place in new_places else old for place, old in enumerate(before)]
        pairs = zip(before, after, strict=True)
        if field.name == DYNAMIC_FIELD:
            merged: list[Any] = [{**(old or {}), **(new or {})} or None for old, new in pairs]
        elif self.operations[field.name] is ArrayOp.APPEND:
            merged = [[*(old or ()), *(new or ())] for old, new in pairs]
        else:
            merged = [[v for v in old or () if v not in (new or ())] for old, new in pairs]
            field = replace(field, max_capacity=None)
        if field.max_length is not None:
            # What is given has been checked; what is there may be from before the limit.
            field = replace(field, max_length=None)
        return convert_column(field, merged, len(merged))


def prepare_partial(
    fields: FieldViews,
    entities: Entities,
    operations: Mapping[str, str],
    partition: int | None,
) -> PartialEntities:
    """Check parts of entities. Of a key given several times the last value of each field counts.

    Raises:
        EntityError: A value does not fit, or an entity has no key.
        InvalidArgumentError: An operation that does not exist, or of a field that is no array.
    """
    schema = fields.schema
    parsed = _parse_operations(schema, operations)
    primary = schema.primary
    parts: dict[PrimaryKey, dict[str, Any]] = {}
    for row, entity in enumerate(_rows_of(entities)):
        if primary.name not in entity:
            raise EntityError(
                f"field {primary.name!r}: missing (row {row}); a part of an entity names it",
                field=primary.name,
                row=row,
            )
        (pk,) = primary_keys(primary, [entity[primary.name]])
        if parsed and pk in parts:
            raise EntityError(
                f"primary key {pk!r} is given twice (row {row}); with array operations the order "
                f"would matter",
                field=primary.name,
                row=row,
            )
        parts.setdefault(pk, {}).update(entity)
    by_fields: dict[frozenset[str], list[PrimaryKey]] = {}
    for pk, part in parts.items():
        by_fields.setdefault(frozenset(part), []).append(pk)
    groups = []
    for pks in by_fields.values():
        batch = given_to_batch(fields.given, [parts[pk] for pk in pks])
        if fields.given is not schema:
            batch = fields.embedders.completed(batch)
        fields.check_texts(batch.columns)
        if partition is not None and schema.partitioned:
            numbers = convert_column(
                schema.field(PARTITION_FIELD), [partition] * len(pks), len(pks)
            )
            batch = ColumnBatch(len(pks), {**batch.columns, PARTITION_FIELD: numbers})
        groups.append((pks, batch))
    return PartialEntities(schema, tuple(groups), parsed)


def _parse_operations(schema: Schema, operations: Mapping[str, str]) -> dict[str, ArrayOp]:
    parsed = {}
    for name, operation in operations.items():
        if schema.field(name).dtype is not DataType.ARRAY:
            raise InvalidArgumentError(
                f"array_ops: field {name!r} is {schema.field(name).dtype.name}, expected an ARRAY"
            )
        try:
            parsed[name] = ArrayOp(str(operation).lower())
        except ValueError:
            raise InvalidArgumentError(
                f"array_ops: {name!r}: no operation {operation!r}"
                f"{did_you_mean(operation, [*map(str, ArrayOp)])}"
            ) from None
        field = schema.field(name)
        if field.struct is not None or field.is_vector_list:
            if parsed[name] is ArrayOp.REMOVE:
                raise InvalidArgumentError(
                    f"array_ops: {name!r}: vectors and structs cannot be removed by value; give "
                    f"the whole list"
                )
            parsed |= dict.fromkeys([part.name for part in stored_parts(field)], ArrayOp.APPEND)
    return parsed


def _rows_of(entities: Entities) -> Iterable[Mapping[str, Any]]:
    if not isinstance(entities, Mapping):
        return entities
    columns = {n: matrix_rows(c) if hasattr(c, "tocsr") else c for n, c in entities.items()}
    names = list(columns)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise EntityError(f"columns differ in length: {sorted(lengths)}")
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _rows_there(
    sources: Sequence[SearchSource], pks: Sequence[PrimaryKey]
) -> tuple[list[tuple[SearchSource, Int64Array, Int64Array]], Int64Array]:
    """Return where entities are (source, rows, their places among the keys), and which are not."""
    missing = np.ones(len(pks), dtype=np.bool_)
    there = []
    for source in sources:
        rows = source.find_pks(pks)
        places = np.flatnonzero(rows >= 0).astype(np.int64)
        if len(places):
            there.append((source, rows[places], places))
            missing[places] = False
    return there, np.flatnonzero(missing).astype(np.int64)


def _joined(parts: Sequence[Column], order: Int64Array) -> Column:
    batches = [ColumnBatch(len(part), {"": part}) for part in parts]
    return concat_batches(batches).columns[""].take(order)


def _values(column: Column) -> list[Any]:
    if not isinstance(column, StringColumn):
        return column.to_pylist()
    return column.json_at(np.arange(len(column), dtype=np.int64))


def unique_keys(entities: Entities, primary: Field) -> list[PrimaryKey]:
    """Return the key of each part of an entity as given, repeats included."""
    return list(
        itertools.chain.from_iterable(
            primary_keys(primary, [entity[primary.name]]) for entity in _rows_of(entities)
        )
    )
