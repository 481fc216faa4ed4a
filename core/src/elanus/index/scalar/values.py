"""Where does a value stand among ascending ones?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from elanus.kernels.rows import order_of_texts
from elanus.types import AnyArray, ByteArray, Int64Array


class SortedNumbers:
    """Ascending numbers of one dtype; NaN stands last.

    Args:
        values: Integers, uint8 for bools, or floats, of shape ``(n,)``.
    """

    def __init__(self, values: AnyArray) -> None:
        self._values = values
        self.num_ordered = len(values)
        """Numbers without the NaN."""
        if values.dtype.kind == "f":
            self.num_ordered = int(np.searchsorted(values, np.array(np.nan, values.dtype)))

    def __len__(self) -> int:
        return len(self._values)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """What the numbers are stored as."""
        return self._values.dtype

    def place(self, value: int | float, *, behind: bool) -> int:
        """Return the place in front of equals of ``value``, or behind them.

        Args:
            value: Of the kind of the dtype; an integer may be outside of it.
            behind: Which of the two.
        """
        if self._values.dtype.kind != "f":
            limits = np.iinfo(self._values.dtype.name)
            if not limits.min <= value <= limits.max:
                return 0 if value < limits.min else len(self)
        # Of the same dtype, or the whole array would be converted.
        wanted = np.array(value, dtype=self._values.dtype)
        return int(np.searchsorted(self._values, wanted, "right" if behind else "left"))

    def arrays(self) -> dict[str, AnyArray]:
        """Return what is stored."""
        return {"values": self._values}


class SortedTexts:
    """Distinct texts in the order of their UTF-8 bytes, which is that of code points.

    Args:
        offsets: int64 of shape ``(n + 1,)``: text ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8.
    """

    def __init__(self, offsets: Int64Array, data: ByteArray) -> None:
        self._offsets = offsets
        self._data = data
        self._order = order_of_texts(offsets, data)
        self.num_ordered = len(offsets) - 1

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> SortedTexts:
        """Return texts that are in order."""
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return cls(offsets, np.frombuffer(b"".join(texts), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def span(self, text: str) -> tuple[int, int]:
        """Return the places in front of ``text`` and behind it: no text stands twice."""
        wanted = text.encode()
        place = self._order.find(wanted)
        if place >= 0:
            return place, place + 1
        front = self._order.lower(wanted)
        return front, front

    def with_prefix(self, prefix: str) -> tuple[int, int]:
        """Return the places of the texts that begin with ``prefix``, which is not empty."""
        first = prefix.encode()
        # No byte of UTF-8 is 255, so that there is a next one.
        return self._order.lower(first), self._order.lower(first[:-1] + bytes([first[-1] + 1]))

    def texts(self, start: int, stop: int) -> Iterator[str]:
        """Yield the texts at some places."""
        ends = self._offsets[start : stop + 1].tolist()
        raw = self._data[ends[0] : ends[-1]].tobytes()
        for a, b in pairwise(ends):
            yield raw[a - ends[0] : b - ends[0]].decode()

    def arrays(self) -> dict[str, AnyArray]:
        """Return what is stored."""
        return {"offsets": self._offsets, "data": self._data}


def values_from(arrays: Mapping[str, Any]) -> SortedNumbers | SortedTexts:
    """Return the values that ``arrays`` of one of them stored."""
    if "values" in arrays:
        return SortedNumbers(arrays["values"])
    return SortedTexts(arrays["offsets"], arrays["data"])
