"""What do all formats agree on?

A ``Reader`` yields ``Chunk`` objects: consecutive rows, either as dicts or as columns of
``Values``, with the place of each row and the position behind the chunk, from which reading can go
on later. A ``Writer`` takes column batches. A chunk is small: one of them and what becomes of it
are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from elanus.schema.batches import Column, ColumnBatch
from elanus.schema.fields import Field
from elanus.types import Int64Array

DEFAULT_BATCH_ROWS = 8_192
"""Rows of a chunk unless they are wide."""
CHUNK_BYTES = 16 << 20
"""About how large a chunk may be: wide rows come in smaller chunks."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows of a source, as JSON values.

    Attributes:
        file: Which file of the source, from 0.
        row: How many rows of that file lie before it.
        offset: What the format needs to find it: a byte, a row group, ...
    """

    file: int = 0
    row: int = 0
    offset: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"file": self.file, "row": self.row, "offset": self.offset}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Position:
        """Return what ``to_json`` wrote."""
        return cls(int(stored["file"]), int(stored["row"]), stored["offset"])


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that cannot be stored.

    Attributes:
        source: File, or what the rows came from.
        row: Its number there, from 0, header lines aside; None when it is not known any more.
        line: Line of a text file, from 1; None elsewhere.
        field: Field at fault; None when the whole row is.
        message: What is wrong.
        entity: The row, as far as it could be read.
    """

    source: str
    row: int | None
    line: int | None
    field: str | None
    message: str
    entity: Any = None

    @property
    def place(self) -> str:
        """Where the row is, for people."""
        return place_of(self.source, self.row, self.line)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def place_of(source: str, row: int | None, line: int | None) -> str:
    """Return where a row is, for people."""
    if line is not None:
        return f"{source}, line {line}"
    return source if row is None else f"{source}, row {row}"


class Values(Protocol):
    """The values of one column of a chunk."""

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> Values:
        """Return some of the rows, without a copy where possible."""
        ...

    def column(self, field: Field) -> Column:
        """Return the values as a column of a field.

        Raises:
            EntityError: They do not fit; ``row`` is None when the whole column does not.
        """
        ...

    def parts(self, field: Field) -> dict[str, Column]:
        """Return the values as the columns of a struct field, like ``column``."""
        ...

    def pylist(self) -> list[Any]:
        """Return the values as Python objects, None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of a source.

    Attributes:
        source: File, or what the rows come from.
        rows: Number of each row in its source, int64, ascending.
        after: The position behind the chunk.
        entities: The rows as dicts, or
        columns: the rows as columns; one of the two is None.
        lines: Line of each row in a text file, int64.
        faults: Rows that could not even be read; they are in none of the above.
        size_bytes: How many bytes of the source they are, for the progress.
    """

    source: str
    rows: Int64Array
    after: Position
    entities: Sequence[Mapping[str, Any]] | None = None
    columns: Mapping[str, Values] | None = None
    lines: Int64Array | None = None
    faults: tuple[RowFault, ...] = ()
    size_bytes: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def line(self, place: int) -> int | None:
        """Return the line of the row at a place of this chunk."""
        return None if self.lines is None else int(self.lines[place])


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to read; None where it is not known.

    Attributes:
        rows: Rows.
        size_bytes: Bytes of all files.
    """

    rows: int | None = None
    size_bytes: int | None = None


class Reader(Protocol):
    """One open source."""

    @property
    def extent(self) -> Extent:
        """How much there is to read."""
        ...

    def chunks(self, start: Position, batch_rows: int) -> Iterator[Chunk]:
        """Yield the rows from a position on, at most ``batch_rows`` at a time."""
        ...

    def close(self) -> None:
        """Close the files. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """What an export writes.

    Attributes:
        fields: The columns of every batch, in order.
        location: The file under its final name, for messages.
    """

    fields: tuple[Field, ...]
    location: str = field(default="")


class Writer(Protocol):
    """A file that is being written."""

    def write(self, batch: ColumnBatch) -> None:
        """Append rows.

        Raises:
            InvalidArgumentError: The format cannot hold a value; says which can.
        """
        ...

    def close(self) -> None:
        """Write what is outstanding and close the file. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
