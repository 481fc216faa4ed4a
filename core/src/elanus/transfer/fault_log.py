"""Where do rows go that cannot be stored?

Into a file of JSON lines, one object a fault: ``source``, ``row``, ``line``, ``field``, ``message``
and ``entity``, the row as far as it has a JSON form. The file is created with the first fault.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from elanus.errors import StorageError
from elanus.transfer.chunks import RowFault

SHOWN = 10
"""Faults that are kept in memory to be shown."""


class FaultLog:
    """Counts faults and writes them down.

    Args:
        path: The file; None only counts.
        count: Faults that an earlier run has written.
        size: Bytes that they take; what is behind them is cut off.
    """

    def __init__(self, path: Path | None, *, count: int = 0, size: int = 0) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._start = size
        self.count = count
        self.first: list[RowFault] = []

    @property
    def path_given(self) -> Path | None:
        """The file that faults would go to."""
        return self._path

    @property
    def path(self) -> Path | None:
        """The file; None when no fault was written."""
        return self._path if self.count else None

    def add(self, faults: Iterable[RowFault]) -> None:
        """Write faults down.

        Raises:
            StorageError: The file cannot be written.
        """
        for fault in faults:
            self.count += 1
            if len(self.first) < SHOWN:
                self.first.append(fault)
            if self._path is not None:
                self._write(self._path, _encode(fault))

    def sync(self) -> int:
        """Make what was written durable; return the length of the file."""
        if self._file is None:
            return self._start
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            self._start = self.sync()
            self._file.close()
            self._file = None

    def _write(self, path: Path, line: bytes) -> None:
        try:
            if self._file is None:
                self._file = path.open("r+b" if self._start and path.exists() else "wb")
                self._file.truncate(self._start)
                self._file.seek(0, os.SEEK_END)
            self._file.write(line)
        except OSError as error:
            raise StorageError(
                f"cannot write the file of errors {path}: {error.strerror}; name another one with "
                f"errors_file="
            ) from error


def _encode(fault: RowFault) -> bytes:
    content = {
        "source": fault.source,
        "row": fault.row,
        "line": fault.line,
        "field": fault.field,
        "message": fault.message,
        "entity": fault.entity,
    }
    text = json.dumps(content, ensure_ascii=False, default=_json_form, skipkeys=True)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _json_form(value: Any) -> Any:
    """Return lists for arrays, and the text of what JSON has no form for."""
    to_list = getattr(value, "tolist", None)
    return to_list() if callable(to_list) else repr(value)
