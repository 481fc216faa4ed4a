"""NumPy files of Python objects: columns with nulls, which NumPy has no other way to hold.

pymilvus writes a nullable column as an array of objects, which NumPy pickles. A pickle may run
code; the one read here may not: every name in it is one of a few stand-ins, none of which calls
anything, and numbers are made of bytes of a known type. Files of anything else are refused.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from elanus.errors import CorruptionError, InvalidArgumentError

_KINDS = "biufSU"
"""First letters of NumPy's types whose values are bytes and nothing else."""
_REFUSED = "holds pickled objects other than numbers and texts; save the column as one of those"


@dataclass(slots=True)
class ObjectArray:
    """Values that were read as a whole."""

    values: np.ndarray[Any, Any]
    _at: int = 0

    @property
    def num_rows(self) -> int:
        return len(self.values)

    def skip(self, rows: int) -> None:
        """Go on behind the next rows."""
        self._at += rows

    def read(self, count: int) -> np.ndarray[Any, Any]:
        """Return the next rows."""
        self._at += count
        return self.values[self._at - count : self._at]


def read_objects(file: IO[bytes], name: str) -> ObjectArray | None:
    """Return the values of an array of objects; None, with the file at its start, for others.

    Raises:
        CorruptionError: The file cannot be read.
        InvalidArgumentError: It holds more than numbers, texts and None.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
        if not dtype.hasobject:
            file.seek(0)
            return None
        made = _Unpickler(file).load()
    except (ValueError, pickle.UnpicklingError, EOFError, TypeError, IndexError) as error:
        raise CorruptionError(f"{name}: not a NumPy file: {error}", path=name) from error
    if len(shape) != 1 or not isinstance(made, _Array) or len(made.values) != shape[0]:
        raise InvalidArgumentError(f"{name}: {_REFUSED}")
    values = np.empty(shape, dtype=np.object_)
    values[:] = made.values
    return ObjectArray(values)


class _Type:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: str = "", *_: object) -> None:
        self.code = code
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])
        # Texts have their width here.
        if self.code[:1] in "SU" and self.code[1:] in ("", "0"):
            self.code = f"{self.code[:1]}{int(state[5])}"

    def value(self, raw: bytes) -> object:
        if not self.code or self.code[0] not in _KINDS or not isinstance(raw, bytes):
            raise ValueError(_REFUSED)
        order = ">" if self.order == ">" else "<"
        return np.frombuffer(raw, dtype=order + self.code).item() if raw else ""


class _Array:
    """Stands for ``numpy.ndarray``."""

    def __init__(self, *_: object) -> None:
        self.values: list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.values = list(state[-1])


def _scalar(dtype: _Type, raw: bytes = b"") -> object:
    return dtype.value(raw)


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    """Knows the names of an array of scalars and no other."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{_REFUSED} ({module}.{name})") from None
