"""What users call to import and export entities; ``Collection`` has these methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from elanus.api.context import Filter
from elanus.api.handle import Handle
from elanus.engine.reading import AsOf
from elanus.errors import InvalidArgumentError
from elanus.query.entities import count_entities
from elanus.query.projection import resolve_output
from elanus.query.scan import scan_batches
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import DYNAMIC_FIELD, Schema
from elanus.schema.fields import Field
from elanus.schema.structs import narrowed, struct_of
from elanus.schema.validation import entities_to_batch

# Loaded by the methods: most programs neither import nor export.
if TYPE_CHECKING:
    from elanus.api.import_target import Import
    from elanus.api.transfer import ExportOptions, ExportResult, ImportOptions, ImportResult, Scan
    from elanus.engine.reading import CollectionReader
    from elanus.engine.writing.bulk_load import BulkLoad
    from elanus.engine.writing.load_request import LoadRequest
    from elanus.transfer.files import PathLike


class ImportsAndExports(Handle):
    """The part of ``Collection`` that moves many entities at once."""

    def import_data(
        self,
        source: Any,
        *,
        on_conflict: str = "error",
        columns: Mapping[str, str | None] | None = None,
        **options: Unpack[ImportOptions],
    ) -> ImportResult:
        """Load many entities from files or tables, all or none.

        Rows do not pass through the log: they are written as segments that nobody sees, and
        become visible all at once at the end. An import of files that ended early, also by a
        crash, goes on where it was when it is called again with the same files and options.

        Args:
            source: A path, a pattern such as ``"parts/*.parquet"``, a folder as pymilvus' bulk
                writer makes it, or a list of paths (JSON lines, JSON and CSV, also compressed
                with gzip; Parquet, Arrow, NumPy); a pandas or
                polars DataFrame; an Arrow table, record batch or stream, or anything with
                ``__arrow_c_stream__``; a dict of columns; an iterable of dicts.
            on_conflict: What becomes of a row whose primary key is taken, in the source or in
                the collection: ``"error"``, ``"replace"`` (the last one counts) or ``"skip"``
                (the first one does).
            columns: Field of each column of the source that is called otherwise, as in
                ``{"embedding": "dense"}``; None leaves a column out.
            **options: ``format``, ``delimiter``, ``null_cell``, ``batch_rows``, ``errors_file``,
                ``max_errors``, ``progress``, ``resume``, ``partition``, ``properties``; see
                ``ImportOptions``.

        Returns:
            How many entities were stored, skipped and refused.

        Raises:
            EntityError: A row does not fit the schema; nothing was stored. Names file and line.
            EntityExistsError: A primary key is taken; nothing was stored.
            NotFoundError: There is no such file.
            PluginNotInstalledError: The format needs a package that is missing.
            StateError: Another import into this collection is running.
            StorageError: Reading or writing failed; nothing was stored.
        """
        from elanus.api.transfer import run_import

        return run_import(
            self,
            source,
            on_conflict=on_conflict,
            columns=columns or {},
            options=options,
        )

    def export_data(
        self,
        target: PathLike,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        **options: Unpack[ExportOptions],
    ) -> ExportResult:
        """Write entities to a file, in the order in which they are stored.

        All of them are of one snapshot, and the file appears under its name when it is complete.

        Args:
            target: The file: ``.jsonl``, ``.json``, ``.csv``, ``.tsv`` (each also with ``.gz``),
                ``.parquet``, ``.arrow``, ``.feather``, ``.arrows``, ``.npz`` or ``.npy``.
            filter: Expression, dict or tree that entities must pass.
            output: Fields to write; None: all, vectors included. Undeclared fields of a dynamic
                schema are beside the others in JSON lines, elsewhere in the column ``$meta``.
            **options: ``format``, ``batch_rows``, ``overwrite``, ``progress``, ``params``,
                ``as_of``; see ``ExportOptions``.

        Raises:
            AlreadyExistsError: There is a file of this name.
            InvalidArgumentError: The format cannot hold a value; says which one can.
            PluginNotInstalledError: The format needs a package that is missing.
            StorageError: The file cannot be written.
        """
        scan = self.scan(filter, output, options.get("params"), options.get("as_of"))
        from elanus.api.transfer import run_export

        return run_export(scan, self.schema, target, options)

    def to_arrow(
        self,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        as_of: AsOf | None = None,
    ) -> Any:
        """Return entities as a ``pyarrow.Table``; most columns are views of the stored ones.

        Args:
            filter: Expression, dict or tree that entities must pass.
            output: Fields; None: all, vectors included.
            params: Values for ``{name}`` templates in a filter text.
            as_of: A moment in the past, as in ``search``.

        Raises:
            PluginNotInstalledError: pyarrow is not installed.
        """
        return self.to_arrow_reader(
            filter=filter, output=output, params=params, as_of=as_of
        ).read_all()

    def to_arrow_reader(
        self,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        as_of: AsOf | None = None,
        batch_rows: int | None = None,
    ) -> Any:
        """Return entities as a ``pyarrow.RecordBatchReader``, which reads them as it is read.

        Arguments and errors are those of ``to_arrow``; ``batch_rows`` is the most rows of a
        batch.
        """
        from elanus.api.transfer import to_arrow_reader

        return to_arrow_reader(self.scan(filter, output, params, as_of), batch_rows)

    def to_pandas(
        self,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        as_of: AsOf | None = None,
    ) -> Any:
        """Return entities as a pandas DataFrame. Arguments and errors are those of ``to_arrow``."""
        from elanus.api.transfer import to_pandas

        return to_pandas(self.scan(filter, output, params, as_of))

    def to_polars(
        self,
        *,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        as_of: AsOf | None = None,
    ) -> Any:
        """Return entities as a polars DataFrame. Arguments and errors are those of ``to_arrow``."""
        from elanus.api.transfer import to_polars

        return to_polars(self.scan(filter, output, params, as_of))

    # --- for imports and exports themselves -------------------------------------------------

    def begin_import(self, request: LoadRequest) -> Import:
        """Start to write rows that nobody sees before the end of the import.

        Raises:
            StateError: Another import into this collection is running.
        """
        return _Import(self._engine, self._engine.begin_load(request))

    def scan(
        self,
        filter: Filter | None = None,
        output: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        as_of: AsOf | None = None,
    ) -> Scan:
        """Return entities as columns, in the order in which they are stored; as ``to_arrow``."""
        context, snapshot = self._state({}, as_of=as_of)
        schema, sources = context.schema, snapshot.sources
        names = column_names(schema, output)
        bound = context.bind(filter, params=params)

        def batches(batch_rows: int) -> Iterator[ColumnBatch]:
            return scan_batches(sources, bound, names, batch_rows)

        from elanus.api.transfer import Scan

        return Scan(exported_fields(schema, names), count_entities(sources, bound), batches)


class _Import:
    """An import into a collection of this process."""

    def __init__(self, engine: CollectionReader, load: BulkLoad) -> None:
        self._engine = engine
        self._load = load
        self.is_committed = load.is_committed
        self.resumed = load.resumed
        self.add, self.forget, self.close = load.add, load.forget, load.close

    @property
    def num_rows(self) -> int:
        return self._load.num_rows

    @property
    def skipped(self) -> int:
        return self._load.skipped

    def add_entities(self, entities: Sequence[Mapping[str, Any]]) -> None:
        """Take rows as ``insert`` does."""
        self._load.add(entities_to_batch(self._engine.fields.given, entities))

    def finish(self) -> None:
        self._engine.finish_load(self._load)


def column_names(schema: Schema, output: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that a user means; None: all.

    Raises:
        InvalidArgumentError: One is not stored.
    """
    names = resolve_output(schema, ["*"] if output is None else output)
    if output is None:
        # What the engine makes of other columns is made again by whoever imports them.
        made = {field.name for field in schema.fields if field.source is not None}
        names = tuple([name for name in names if name not in made])
    stored = {f.name for f in schema.value_fields}
    for name in names:
        if name not in stored:
            raise InvalidArgumentError(
                f"output: {name!r} is not declared and has no column of its own; take "
                f"{DYNAMIC_FIELD!r}, which holds it"
            )
    return names


def exported_fields(schema: Schema, names: Sequence[str]) -> tuple[Field, ...]:
    """Return what is written for some columns: those of a struct are one field."""
    fields = {}
    structs = {field.name: field for field in schema.structs}
    for name in names:
        struct = structs.get(struct_of(name))
        field = schema.field(name) if struct is None else narrowed(struct, names)
        if field is not None:
            fields[field.name] = field
    return tuple(fields.values())
