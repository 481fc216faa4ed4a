"""How are files and tables imported into a collection and exported from it?

Here the parts meet: readers and writers of ``transfer``, the bulk load of the engine, the file of
errors and the progress.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypedDict

from elanus.api.import_target import Import, ImportTarget
from elanus.engine.reading import AsOf
from elanus.engine.writing.load_request import Conflict, LoadRequest, OnConflict
from elanus.errors import (
    AlreadyExistsError,
    EntityError,
    EntityExistsError,
    InvalidArgumentError,
    StorageError,
)
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.schema.evolution import as_given
from elanus.schema.fields import Field
from elanus.transfer.chunks import (
    CHUNK_BYTES,
    DEFAULT_BATCH_ROWS,
    Chunk,
    Extent,
    Output,
    Position,
    RowFault,
)
from elanus.transfer.conversion import Converter
from elanus.transfer.csv_table import CsvLayout
from elanus.transfer.fault_log import FaultLog
from elanus.transfer.files import ERRORS_SUFFIX, PathLike, format_of
from elanus.transfer.formats import Source, load_arrow_module, open_source, open_writer
from elanus.transfer.progress import Progress, open_progress
from elanus.types import Int64Array

USUAL_LIST = 64
"""Vectors of a list, about, for the rows of a chunk."""
ARROW_BATCH_ROWS = 131_072
"""Rows of a record batch of ``to_arrow``: nothing is copied, so they may be many."""


class ImportOptions(TypedDict, total=False):
    """Further options of ``Collection.import_data``.

    Attributes:
        format: Of files: ``jsonl``, ``json``, ``csv``, ``tsv``, ``parquet``, ``arrow``,
            ``arrow-stream``, ``npz`` or ``npy``; by default their names say it.
        delimiter: What stands between the cells of CSV files; by default a comma.
        null_cell: Text of a cell of CSV files that stands for no value, beside ``\\N``; pymilvus
            writes ``""`` unless told otherwise (its ``nullkey``). By default an empty cell is an
            empty text in a VARCHAR field, and no value elsewhere.
        batch_rows: Most rows that are converted at once.
        errors_file: Where rows go that cannot be stored, as JSON lines. By default beside the
            first file, with ``.errors.jsonl`` added to its name, once ``max_errors`` is above 0.
        max_errors: How many such rows are left out before the import stops; 0 by default.
        progress: Show it on stderr; by default when stderr is a terminal. A function is told of
            every chunk instead: how many rows were read, and which share of the source they are,
            0 to 1, or None; what it raises ends the import.
        resume: Go on with an equal import of the same files that ended early; True by default.
        partition: Partition that the entities belong to; by default the default one.
        properties: A function that is told how many entities become visible, and returns
            properties of your own that the collection gets at the same moment: a program that
            ended early can tell by them whether its import did. Not through a server.
    """

    format: str | None
    delimiter: str | None
    null_cell: str | None
    batch_rows: int | None
    errors_file: PathLike | None
    max_errors: int
    progress: bool | Callable[[int, float | None], None] | None
    resume: bool
    partition: str | None
    properties: Callable[[int], Mapping[str, Any]] | None


class ExportOptions(TypedDict, total=False):
    """Further options of ``Collection.export_data``.

    Attributes:
        format: As for ``import_data``; by default the name of the file says it.
        batch_rows: Most rows that are written at once.
        overwrite: Replace a file of this name; False by default.
        progress: Show it on stderr; by default when stderr is a terminal.
        params: Values for ``{name}`` templates in a filter text.
        as_of: A moment in the past, as in ``Collection.search``.
    """

    format: str | None
    batch_rows: int | None
    overwrite: bool
    progress: bool | None
    params: Mapping[str, Any] | None
    as_of: AsOf | None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did.

    Attributes:
        rows: Entities that are in the collection because of it.
        skipped: Rows left out because their primary key is taken (``on_conflict="skip"``).
        failed: Rows that could not be stored.
        errors: The first of them, as text.
        errors_file: Where all of them are; None when there is none.
        resumed_from: Rows of the source that an earlier try had read; None without one.
        seconds: How long it took.
    """

    rows: int
    skipped: int
    failed: int
    errors: tuple[str, ...]
    errors_file: str | None
    resumed_from: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export did.

    Attributes:
        rows: Entities in the file.
        path: The file.
        size_bytes: Its length.
        seconds: How long it took.
    """

    rows: int
    path: str
    size_bytes: int
    seconds: float


# --- import ---------------------------------------------------------------------------------


def run_import(
    target: ImportTarget,
    source: Any,
    *,
    on_conflict: str,
    columns: Mapping[str, str | None],
    options: ImportOptions,
) -> ImportResult:
    """Import a source into a collection; see ``Collection.import_data``.

    Args:
        target: The collection.
        source: As the user gave it.
        on_conflict: As the user gave it.
        columns: Field of each column that is called otherwise.
        options: The rest.
    """
    started = time.monotonic()
    job = _ImportJob.prepare(target.schema, source, _parse_conflict(on_conflict), columns, options)
    load = target.begin_import(job.request())
    try:
        if load.is_committed:
            # An earlier call made the rows visible and ended before it could say so.
            job.resume(load.resumed or {})
            load.forget()
        else:
            job.run(load)
            load.finish()
    finally:
        job.close()
        load.close()
    return job.result(load, time.monotonic() - started)


@dataclass(slots=True)
class _ImportJob:
    """One import while it runs."""

    schema: Schema
    source: Source
    on_conflict: OnConflict
    converter: Converter
    columns: Mapping[str, str | None]
    options: ImportOptions
    max_errors: int
    batch_rows: int
    log: FaultLog
    position: Position = field(default_factory=Position)
    read: int = 0
    resumed_from: int | None = None
    current: tuple[Chunk, Int64Array] | None = None
    progress: Progress | None = None

    @classmethod
    def prepare(
        cls,
        schema: Schema,
        source: Any,
        on_conflict: OnConflict,
        columns: Mapping[str, str | None],
        options: ImportOptions,
    ) -> _ImportJob:
        """Check the arguments and open the source."""
        max_errors = _at_least("max_errors", options.get("max_errors", 0), 0)
        rows = options.get("batch_rows")
        batch_rows = (
            default_batch_rows(schema) if rows is None else _at_least("batch_rows", rows, 1)
        )
        given = as_given(schema)
        converter = Converter(given, columns, keeps_keys=on_conflict is OnConflict.REPLACE)
        layout = CsvLayout.of(options.get("delimiter"), options.get("null_cell"))
        opened = open_source(source, schema, options.get("format"), layout)
        log = FaultLog(_errors_path(opened, options, max_errors))
        return cls(
            schema, opened, on_conflict, converter, columns, options, max_errors, batch_rows, log
        )

    def request(self) -> LoadRequest:
        """Return what the engine is asked."""
        identity = None
        if self.source.identity is not None:
            identity = {
                "files": self.source.identity,
                "format": self.options.get("format"),
                **_given(self.options, "delimiter", "null_cell"),
                "columns": dict(self.columns),
                "on_conflict": str(self.on_conflict),
                "partition": self.options.get("partition"),
            }
        return LoadRequest(
            self.on_conflict,
            identity,
            self.options.get("resume", True),
            self.conflicts,
            self.to_json,
            self.options.get("partition"),
            properties=self.options.get("properties"),
        )

    def run(self, load: Import) -> None:
        """Read the source to its end."""
        if load.resumed is not None:
            self.resume(load.resumed)
        reader = self.source.reader
        self.progress = open_progress(
            self.options.get("progress"), f"import {self.source.name}", reader.extent, self.read
        )
        for chunk in reader.chunks(self.position, self.batch_rows):
            converted = self.converter.convert(chunk)
            self.fail(converted.faults)
            self.current = (chunk, converted.places)
            self.position = chunk.after
            self.read += len(chunk) + len(chunk.faults)
            load.add(converted.batch)
            self.progress.advance(len(chunk) + len(chunk.faults), chunk.size_bytes)
        self.current = None

    def resume(self, stored: Mapping[str, Any]) -> None:
        """Go on where an earlier try ended."""
        self.position = Position.from_json(stored["position"])
        self.read = self.resumed_from = int(stored["read"])
        before = stored.get("errors_file")
        path, size = self.log.path_given, int(stored["errors_size"])
        if path is not None and size and before != str(path):
            with contextlib.suppress(OSError):
                shutil.copyfile(str(before), path)
        self.log = FaultLog(path, count=int(stored["failed"]), size=size)

    def to_json(self) -> dict[str, Any]:
        """Return what ``resume`` needs."""
        return {
            "position": self.position.to_json(),
            "read": self.read,
            "failed": self.log.count,
            "errors_file": str(self.log.path_given),
            "errors_size": self.log.sync(),
        }

    def conflicts(self, found: Sequence[Conflict]) -> None:
        """Note rows whose primary key is taken; the engine calls this while rows are added."""
        primary = self.schema.primary.name
        faults = []
        for conflict in found:
            if self.current is None or conflict.place is None:
                faults.append(
                    RowFault(self.source.name, None, None, primary, conflict.message, None)
                )
                continue
            chunk, places = self.current
            place = int(places[conflict.place])
            entity = {primary: conflict.pk} if chunk.entities is None else chunk.entities[place]
            row, line = int(chunk.rows[place]), chunk.line(place)
            faults.append(RowFault(chunk.source, row, line, primary, conflict.message, entity))
        self.fail(faults, EntityExistsError(faults[0].message, pk=found[0].pk, row=faults[0].row))

    def fail(self, faults: Sequence[RowFault], error: EntityExistsError | None = None) -> None:
        """Note rows that cannot be stored.

        Raises:
            EntityError, EntityExistsError: There are more than ``max_errors``.
        """
        if not faults:
            return
        self.log.add(faults)
        if self.log.count <= self.max_errors:
            return
        message = _too_many(faults[0], self.log, self.max_errors)
        if error is not None:
            raise EntityExistsError(message, pk=error.pk, row=error.row)
        raise EntityError(message, field=faults[0].field, row=faults[0].row)

    def close(self) -> None:
        """Close source, file of errors and progress."""
        self.source.reader.close()
        self.log.close()
        if self.progress is not None:
            self.progress.close()

    def result(self, load: Import, seconds: float) -> ImportResult:
        """Return what was done."""
        return ImportResult(
            rows=load.num_rows,
            skipped=load.skipped,
            failed=self.log.count,
            errors=tuple(map(str, self.log.first)),
            errors_file=None if self.log.path is None else str(self.log.path),
            resumed_from=self.resumed_from,
            seconds=seconds,
        )


def _parse_conflict(given: str) -> OnConflict:
    try:
        return OnConflict(given)
    except ValueError:
        names = ", ".join(repr(str(one)) for one in OnConflict)
        raise InvalidArgumentError(f"on_conflict: expected one of {names}, got {given!r}") from None


def _given(options: ImportOptions, *names: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in names and value is not None}


def _at_least(name: str, given: Any, least: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise InvalidArgumentError(f"{name}: expected an integer >= {least}, got {given!r}")
    return given


def _errors_path(source: Source, options: ImportOptions, max_errors: int) -> Path | None:
    given = options.get("errors_file")
    if given is not None:
        return Path(given).expanduser().absolute()
    if max_errors == 0 or source.identity is None:
        return None
    first = source.paths[0] if source.paths else None
    return None if first is None else first.resolve().with_name(first.name + ERRORS_SUFFIX)


def _too_many(first: RowFault, log: FaultLog, max_errors: int) -> str:
    if max_errors == 0:
        way_out = (
            "correct it and import again, or leave such rows out with max_errors=... (they are "
            "written to errors_file=)"
        )
        return f"{first}. Nothing was imported: {way_out}"
    where = "" if log.path is None else f"; all of them are in {log.path}"
    return (
        f"{first}. {log.count} rows cannot be stored, more than max_errors={max_errors}{where}. "
        f"Nothing was imported"
    )


def default_batch_rows(schema: Schema) -> int:
    """Return how many rows to convert at once, so that a chunk stays small."""
    lists = {f.name for f in schema.vector_lists}
    dims = ((f.dim or 0) * (USUAL_LIST if f.name in lists else 1) for f in schema.stored_fields)
    row_bytes = 64 + 8 * sum(dims)
    return min(DEFAULT_BATCH_ROWS, max(64, CHUNK_BYTES // row_bytes))


# --- export ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scan:
    """What is exported.

    Attributes:
        fields: The columns.
        num_rows: How many rows there are.
        batches: Returns them, given the most rows of a batch.
    """

    fields: tuple[Field, ...]
    num_rows: int
    batches: Callable[[int], Iterator[ColumnBatch]]


def run_export(
    scan: Scan, schema: Schema, target: PathLike, options: ExportOptions
) -> ExportResult:
    """Write rows to a file, which appears under its name when it is complete.

    Raises:
        AlreadyExistsError: There is a file of this name.
        InvalidArgumentError: There is a folder of this name.
        StorageError: It cannot be written.
    """
    started = time.monotonic()
    path = Path(target).expanduser()
    if path.is_dir():
        raise InvalidArgumentError(f"{path} is a folder; name a file in it")
    format_ = format_of(path, options.get("format"))
    rows = options.get("batch_rows")
    batch_rows = default_batch_rows(schema) if rows is None else _at_least("batch_rows", rows, 1)
    overwrite = options.get("overwrite", False)
    if path.exists() and not overwrite:
        raise _taken(path)
    progress = open_progress(options.get("progress"), f"export {path}", Extent(scan.num_rows))
    count = 0
    with contextlib.closing(progress), _published(path, overwrite=overwrite) as file:
        output = Output(scan.fields, str(path))
        with open_writer(file, path, format_, output) as writer:
            for batch in scan.batches(batch_rows):
                writer.write(batch)
                count += len(batch)
                progress.advance(len(batch), 0)
    return ExportResult(count, str(path), path.stat().st_size, time.monotonic() - started)


@contextlib.contextmanager
def _published(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Give a file to write, which gets its name whole and durable, or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        _sync(temporary, os.O_RDONLY)
        if overwrite:
            os.replace(temporary, path)
        else:
            # Unlike a rename, this fails when somebody else took the name meanwhile.
            os.link(temporary, path)
        _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; check the folder and its free space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _taken(path: Path) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{path} exists already; choose another name, or pass overwrite=True to replace it"
    )


def to_arrow_reader(scan: Scan, batch_rows: int | None = None) -> Any:
    """Return rows as a ``pyarrow.RecordBatchReader``, which reads them as it is read."""
    arrow = load_arrow_module("arrow_tables", "Arrow data")
    return arrow.batch_reader(scan.fields, scan.batches(batch_rows or ARROW_BATCH_ROWS))


def to_pandas(scan: Scan) -> Any:
    """Return rows as a pandas DataFrame."""
    arrow = load_arrow_module("arrow_tables", "a DataFrame")
    return arrow.to_pandas(to_arrow_reader(scan).read_all())


def to_polars(scan: Scan) -> Any:
    """Return rows as a polars DataFrame."""
    arrow = load_arrow_module("arrow_tables", "a DataFrame")
    return arrow.to_polars(to_arrow_reader(scan).read_all())
