"""What is asked of every measured library?

A module of this package has ``VARIANTS``, the settings that are measured, and ``make``, which
returns an ``Index`` of one of them. Modules run under the interpreter of their library, so this
file needs NumPy only. Parameters are what the library's documentation recommends, at a graph
degree and build effort that compare with the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

LIMIT = 10
"""Neighbours asked for in every search."""

Effort = Mapping[str, Any]
"""Search-time setting of a library, such as ``{"ef": 64}``."""

WIDTHS = (10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
"""Candidate list sizes that graphs are measured with."""


def efforts(name: str, values: Sequence[int] = WIDTHS) -> tuple[Effort, ...]:
    """Return one effort per value of the parameter ``name``."""
    return tuple({name: value} for value in values)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build an index of a library.

    Attributes:
        settings: Kind of index and build parameters, for the report.
        efforts: Search-time settings by rising recall.
        metrics: What it can answer, of ``l2``, ``ip`` and ``cosine``.
    """

    settings: str
    efforts: tuple[Effort, ...]
    metrics: tuple[str, ...] = ("l2", "ip", "cosine")


class Index(Protocol):
    """One index of one library; one thread builds and searches it."""

    def build(self, vectors: Float32Array) -> None:
        """Build over ``vectors``, float32 ``(n, dim)``, of unit length for ``cosine``.

        Row ``i`` gets id ``i``. The caller drops the array afterwards.
        """

    def prepare(self, effort: Effort) -> None:
        """Make a setting take effect; not timed."""

    def one(self, query: Float32Array) -> Any:
        """Return what the library answers to one query, float32 ``(dim,)``."""

    def batch(self, queries: Float32Array) -> Any:
        """Return what the library answers to float32 ``(nq, dim)`` in one call.

        Raises:
            NotImplementedError: The library takes one query per call only.
        """

    def ids(self, answer: Any) -> Int64Array:
        """Return the ids in what ``one`` or ``batch`` answered, ``LIMIT`` per query; not timed."""

    def size_bytes(self, folder: Path) -> int:
        """Return what the index takes when saved below ``folder``, an empty folder."""


class Library(Protocol):
    """What a module of this package holds."""

    PACKAGES: tuple[str, ...]
    VARIANTS: Mapping[str, Variant]

    def make(self, variant: str, metric: str) -> Index:
        """Return an index that is not built yet."""


def folder_bytes(folder: Path) -> int:
    """Return the sizes of all files below ``folder``."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
