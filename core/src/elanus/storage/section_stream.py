"""How is a section written whose bytes are never all in memory?

As a stream: what it will be (dtype and shape, which place the sections behind it) and its parts,
one after the other, each of which may be forgotten once it was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from elanus.errors import InternalError
from elanus.storage.directory import Bytes
from elanus.types import AnyArray


@dataclass(frozen=True, slots=True)
class SectionStream:
    """An array that is written in parts. Its parts are taken once.

    Attributes:
        dtype: A stored dtype.
        shape: Shape of the whole array.
        chunks: Arrays of ``dtype`` that make the whole array when they are joined along the first
            axis. Each is written before the next one is taken.
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    chunks: Iterable[AnyArray]

    @property
    def nbytes(self) -> int:
        """Length of the whole array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


Section: TypeAlias = AnyArray | Bytes | SectionStream
"""What a section is written from."""
ArraySection: TypeAlias = AnyArray | SectionStream
"""What a section of a column is written from."""


def section_bytes(name: str, section: Section) -> Iterator[memoryview]:
    """Yield the bytes of a section, part by part.

    Raises:
        InternalError: The parts of a stream are not what it says it is.
    """
    if isinstance(section, np.ndarray):
        yield _raw_bytes(section)
    elif not isinstance(section, SectionStream):
        yield memoryview(section).cast("B")
    else:
        left = section.nbytes
        for chunk in section.chunks:
            left -= chunk.nbytes
            if chunk.dtype != section.dtype or left < 0:
                raise InternalError(
                    f"section {name!r} is a stream of {section.dtype} {section.shape}, got a part "
                    f"of {chunk.dtype} {chunk.shape} that does not fit"
                )
            yield _raw_bytes(chunk)
        if left:
            raise InternalError(f"section {name!r}: its stream ended {left} bytes too early")


def _raw_bytes(value: AnyArray) -> memoryview:
    return np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
