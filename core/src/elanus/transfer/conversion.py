"""Which rows of a chunk fit the schema?

A chunk is converted as a whole, column by column. Only when that fails it is halved, again and
again, until the rows at fault stand alone: a few bad rows cost a few conversions more, and good
ones never a loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.errors import EntityError, InvalidArgumentError
from elanus.schema.batches import Column, ColumnBatch, concat_columns
from elanus.schema.collection import DYNAMIC_FIELD, Schema, did_you_mean
from elanus.schema.converters import MISSING, convert_column
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.transfer.chunks import Chunk, RowFault, Values
from elanus.transfer.values import NESTED, parse_nested
from elanus.types import DataType, Int64Array


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a chunk.

    Attributes:
        batch: The rows that fit. The column of an automatic primary key is missing when the
            source has none.
        places: Their places within the chunk, int64, ascending.
        faults: The others.
    """

    batch: ColumnBatch
    places: Int64Array
    faults: tuple[RowFault, ...]


class Converter:
    """Turns chunks into batches of one schema.

    Args:
        schema: What rows must fit.
        columns: Field of each column of the source that is called otherwise; None leaves a column
            out.
        keeps_keys: Whether an ``auto_id`` primary key may be given.
    """

    def __init__(
        self, schema: Schema, columns: Mapping[str, str | None], *, keeps_keys: bool
    ) -> None:
        self._schema = schema
        self._columns = dict(columns)
        self._keeps_keys = keeps_keys
        self._nested = [f for f in schema.value_fields if f.dtype in NESTED]
        for name, target in self._columns.items():
            if target is not None and target not in schema and not schema.dynamic:
                hint = did_you_mean(target, [f.name for f in schema.fields])
                raise InvalidArgumentError(
                    f"columns: {name!r} is to become {target!r}, but there is no such field{hint}"
                )

    def convert(self, chunk: Chunk) -> Converted:
        """Return the rows of a chunk as columns.

        Raises:
            EntityError: A whole column cannot be stored, whatever its rows hold.
        """
        faults = list(chunk.faults)
        parts: list[tuple[ColumnBatch, int]] = []
        whole = self._renamed(chunk)
        self._convert_range(chunk, whole, (0, len(chunk)), parts, faults)
        places = [np.arange(start, start + len(batch)) for batch, start in parts]
        joined = np.concatenate([np.empty(0, dtype=np.int64), *places])
        if not parts:
            parts.append((ColumnBatch(0, {}), 0))
        first = parts[0][0]
        columns = {
            name: concat_columns([batch.columns[name] for batch, _ in parts]) for name in first
        }
        return Converted(ColumnBatch(len(joined), columns), joined, tuple(faults))

    def _convert_range(
        self,
        chunk: Chunk,
        whole: _Rows,
        span: tuple[int, int],
        parts: list[tuple[ColumnBatch, int]],
        faults: list[RowFault],
    ) -> None:
        start, stop = span
        if start == stop:
            return
        try:
            parts.append((self._to_batch(whole, start, stop), start))
        except EntityError as error:
            if error.row is None:
                raise _whole_column(chunk, error) from error
            if stop - start > 1:
                middle = (start + stop) // 2
                self._convert_range(chunk, whole, (start, middle), parts, faults)
                self._convert_range(chunk, whole, (middle, stop), parts, faults)
                return
            faults.append(_fault(chunk, start, error, whole.entity(start)))

    def _renamed(self, chunk: Chunk) -> _Rows:
        if chunk.entities is not None:
            if not self._columns:
                return _Rows(chunk.entities, None)
            return _Rows([self._renamed_entity(entity) for entity in chunk.entities], None)
        given = chunk.columns or {}
        unknown = self._columns.keys() - given.keys()
        if unknown:
            hint = did_you_mean(min(unknown), list(given))
            raise InvalidArgumentError(
                f"columns: {chunk.source} has no column {min(unknown)!r}{hint}"
            )
        renamed: dict[str, Values] = {}
        for name, values in given.items():
            target = self._columns.get(name, name)
            if target is None:
                continue
            if target in renamed:
                raise InvalidArgumentError(
                    f"columns: two columns of {chunk.source} would become {target!r}; leave one "
                    f"out with columns={{{name!r}: None}}"
                )
            self._check_column(chunk, name, target)
            renamed[target] = values
        return _Rows(None, renamed)

    def _renamed_entity(self, entity: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(entity, Mapping):
            return entity
        renamed = {}
        for name, value in entity.items():
            target = self._columns.get(name, name)
            if target is not None:
                renamed[target] = value
        return renamed

    def _check_column(self, chunk: Chunk, name: str, target: str) -> None:
        """Refuse a column that the schema has no place for.

        Raises:
            EntityError: Says the way out.
        """
        way_out = f"leave it out with columns={{{name!r}: None}}"
        if target not in self._schema:
            if self._schema.dynamic:
                return
            names = [f.name for f in self._schema.fields if f.source is None]
            raise EntityError(
                f"{chunk.source}: column {name!r} is no field of the schema"
                f"{did_you_mean(target, names)} Rename it with columns={{{name!r}: ...}}, "
                f"{way_out}, or make the schema dynamic",
                field=target,
            )
        field = self._schema.field(target)
        if field.source is not None:
            raise EntityError(
                f"{chunk.source}: field {target!r} is computed from "
                f"{field.source.field!r} and cannot be given; {way_out}",
                field=target,
            )

    def _to_batch(self, rows: _Rows, start: int, stop: int) -> ColumnBatch:
        if rows.entities is not None:
            batch = entities_to_batch(self._schema, self._decoded(rows.entities[start:stop]))
        else:
            batch = self._from_columns(rows, start, stop)
        primary = self._schema.primary
        if primary.auto_id and not self._keeps_keys and primary.name in batch.columns:
            raise EntityError(
                f"field {primary.name!r} is made by the engine (auto_id); leave it out with "
                f"columns={{{primary.name!r}: None}}, or keep the keys of the source with "
                f"on_conflict='replace'",
                field=primary.name,
            )
        return batch

    def _decoded(self, entities: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return rows in which vectors and arrays are no JSON text any more."""
        decoded = list(entities)
        for field in self._nested:
            values = [
                entity.get(field.name, MISSING) if isinstance(entity, Mapping) else MISSING
                for entity in decoded
            ]
            is_sparse = field.dtype is DataType.SPARSE_FLOAT_VECTOR
            if not is_sparse and not any(isinstance(value, str | bytes) for value in values):
                continue
            for place, value in enumerate(parse_nested(field, values)):
                if value is not values[place]:
                    decoded[place] = {**decoded[place], field.name: value}
        return decoded

    def _from_columns(self, rows: _Rows, start: int, stop: int) -> ColumnBatch:
        given = {name: values.slice(start, stop) for name, values in rows.given.items()}
        num_rows = stop - start
        columns: dict[str, Column] = {}
        parts: dict[str, Column] = {}
        for struct in self._schema.structs:
            if struct.name in given:
                parts |= given[struct.name].parts(struct)
        for field in self._schema.value_fields:
            if field.name in parts:
                columns[field.name] = parts[field.name]
            elif field.name == DYNAMIC_FIELD:
                extra = {n: v for n, v in given.items() if n not in self._schema}
                columns[field.name] = _dynamic_column(field, extra, num_rows)
            elif field.name in given:
                columns[field.name] = given[field.name].column(field)
            elif not (field.primary and field.auto_id):
                columns[field.name] = _absent_column(field, num_rows)
        return ColumnBatch(num_rows, columns)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a chunk under the names of the schema."""

    entities: Sequence[Mapping[str, Any]] | None
    columns: Mapping[str, Values] | None

    @property
    def given(self) -> Mapping[str, Values]:
        return self.columns or {}

    def entity(self, place: int) -> Any:
        """Return one row for the file of errors."""
        if self.entities is not None:
            return self.entities[place]
        return {
            name: values.slice(place, place + 1).pylist()[0] for name, values in self.given.items()
        }


def _absent_column(field: Field, num_rows: int) -> Column:
    try:
        return convert_column(field, None, num_rows)
    except EntityError as error:
        raise EntityError(
            f"the source has no column for field {field.name!r}, which is {field.dtype.name}, not "
            f"nullable, and has no default; name the column that holds it with "
            f"columns={{'its name': {field.name!r}}}",
            field=field.name,
        ) from error


def _dynamic_column(field: Field, extra: Mapping[str, Values], num_rows: int) -> Column:
    """Join the columns that the schema does not declare into one JSON column."""
    if not extra:
        return convert_column(field, [None] * num_rows, num_rows)
    lists = {name: values.pylist() for name, values in extra.items()}
    whole = lists.pop(DYNAMIC_FIELD, None)
    merged: list[Any] = []
    # One dict per row: JSON has no columnar form.
    for row in range(num_rows):
        part = {name: values[row] for name, values in lists.items() if values[row] is not None}
        if whole is not None:
            part = {**_as_object(field, whole[row], row), **part}
        merged.append(part or None)
    return convert_column(field, merged, num_rows)


def _as_object(field: Field, value: Any, row: int) -> Mapping[str, Any]:
    if value in (None, ""):
        return {}
    (parsed,) = parse_nested(field, [value])
    if not isinstance(parsed, Mapping | None):
        raise EntityError(
            f"field {field.name!r}: expected a JSON object", field=field.name, row=row
        )
    return parsed or {}


def _fault(chunk: Chunk, place: int, error: EntityError, entity: Any) -> RowFault:
    # The number in the message counts within the part that was converted.
    message = str(error).rsplit(" (row ", 1)[0]
    row = int(chunk.rows[place])
    return RowFault(chunk.source, row, chunk.line(place), error.field, message, entity)


def _whole_column(chunk: Chunk, error: EntityError) -> EntityError:
    text = str(error)
    message = text if chunk.source in text else f"{chunk.source}: {text}"
    return EntityError(message, field=error.field)
