"""Which reader reads this source, and which writer writes this file?"""

from __future__ import annotations

import gzip
import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from elanus.errors import InvalidArgumentError, PluginNotInstalledError
from elanus.schema.collection import Schema
from elanus.transfer.chunks import Output, Reader, Writer
from elanus.transfer.csv_table import CsvFormat, CsvLayout, CsvWriter
from elanus.transfer.file_reader import FileFormat, FilesReader
from elanus.transfer.files import (
    GZIP_SUFFIX,
    NUMPY_FOLDER,
    expand_paths,
    format_of,
    identity_of,
)
from elanus.transfer.json_rows import JsonFormat, JsonWriter
from elanus.transfer.jsonl import JsonlFormat, JsonlWriter
from elanus.transfer.numpy_files import NpyFolderFormat, NpyFormat, NpyWriter, NpzFormat, NpzWriter
from elanus.transfer.tables import ColumnsReader, DictReader, PandasReader

_PYARROW_MISSING = (
    "{what} needs pyarrow, which is not installed: pip install 'elanus[arrow]', or use jsonl, csv "
    "or npz"
)


@dataclass(frozen=True, slots=True)
class Source:
    """What an import reads.

    Attributes:
        reader: Yields its rows.
        name: What it is, for people.
        identity: What tells it from other files and from later versions of itself, as JSON
            values; None when it cannot be read a second time.
        paths: Its files and folders, in order; none when it is in memory.
    """

    reader: Reader
    name: str
    identity: list[dict[str, Any]] | None
    paths: tuple[Path, ...] = ()


def open_source(
    source: Any, schema: Schema, format: str | None, layout: CsvLayout | None = None
) -> Source:
    """Open what a user wants to import.

    Args:
        source: A path, a pattern or a list of them, or data in memory.
        schema: Of the collection.
        format: Of the files; None goes by their names.
        layout: Of CSV files.

    Raises:
        InvalidArgumentError: It is nothing that can be imported.
        NotFoundError: There is no such file.
        PluginNotInstalledError: The format needs a package that is missing.
    """
    if isinstance(source, str | os.PathLike) or _is_paths(source):
        paths = expand_paths(source)
        csv = layout or CsvLayout()
        files = [(path, _file_format(format_of(path, format), schema, csv)) for path in paths]
        name = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
        return Source(FilesReader(files), name, identity_of(paths), tuple(paths))
    if format is not None:
        raise InvalidArgumentError("format= is for files; data in memory says itself what it is")
    return Source(_memory_reader(source), _name_of(source), None)


def _is_paths(source: Any) -> bool:
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(isinstance(one, str | os.PathLike) for one in source)
    )


def _memory_reader(source: Any) -> Reader:
    kind = type(source)
    if kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas":
        return PandasReader(source)
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        reader: Reader = load_arrow_module("arrow_tables", f"a {_name_of(source)}").ArrowReader(
            source
        )
        return reader
    if isinstance(source, Mapping):
        return ColumnsReader(source)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes):
        return DictReader(source)
    raise InvalidArgumentError(
        f"cannot import a {kind.__name__}; expected a path, a DataFrame, an Arrow table, a dict of "
        f"columns or an iterable of dicts"
    )


def _name_of(source: Any) -> str:
    return f"{type(source).__module__.partition('.')[0]} {type(source).__name__}"


def _file_format(name: str, schema: Schema, layout: CsvLayout) -> FileFormat:
    if name == "jsonl":
        return JsonlFormat()
    if name == "json":
        return JsonFormat()
    if name in ("csv", "tsv"):
        return CsvFormat(layout if name == "csv" else CsvLayout("\t", layout.null_cell))
    if name == NUMPY_FOLDER:
        return NpyFolderFormat()
    if name == "npz":
        return NpzFormat()
    if name == "npy":
        return NpyFormat(schema)
    found: FileFormat = getattr(load_arrow_module("arrow_files", name), _ARROW_READERS[name])()
    return found


_ARROW_READERS = {
    "parquet": "ParquetFormat",
    "arrow": "ArrowFormat",
    "arrow-stream": "ArrowStreamFormat",
}
_ARROW_WRITERS = {
    "parquet": "ParquetWriter",
    "arrow": "ArrowWriter",
    "arrow-stream": "ArrowStreamWriter",
}
_WRITERS: dict[str, Callable[[IO[bytes], Output], Writer]] = {
    "jsonl": JsonlWriter,
    "json": JsonWriter,
    "csv": CsvWriter,
    "tsv": lambda file, output: CsvWriter(file, output, "\t"),
    "npz": NpzWriter,
    "npy": NpyWriter,
}


def open_writer(file: IO[bytes], path: Path, format: str, output: Output) -> Writer:
    """Start a file of a format.

    Args:
        file: An empty file; the writer closes it.
        path: Its final name: ``.gz`` compresses text.
        format: One of ``files.FORMATS``.
        output: The fields to write.

    Raises:
        InvalidArgumentError: The format cannot hold the fields.
        PluginNotInstalledError: It needs a package that is missing.
    """
    if path.name.lower().endswith(GZIP_SUFFIX):
        file = cast(IO[bytes], _GzipFile(file))
    if format in _WRITERS:
        return _WRITERS[format](file, output)
    writer: Writer = getattr(load_arrow_module("arrow_files", format), _ARROW_WRITERS[format])(
        file, output
    )
    return writer


class _GzipFile(gzip.GzipFile):
    """Compressed bytes in an open file, which is closed together with it."""

    def __init__(self, file: IO[bytes]) -> None:
        # No name and no time: the same rows give the same bytes.
        super().__init__(filename="", fileobj=file, mode="wb", mtime=0)
        self._below = file

    def close(self) -> None:
        super().close()
        self._below.close()


def load_arrow_module(module: str, what: str) -> Any:
    """Return a module of this package that needs pyarrow.

    Args:
        module: Its name in this package.
        what: What the user wants to do, for the message.

    Raises:
        PluginNotInstalledError: pyarrow is not installed.
    """
    try:
        return importlib.import_module(f"elanus.transfer.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise PluginNotInstalledError(
            _PYARROW_MISSING.format(what=what), name="pyarrow", extra="arrow"
        ) from error
