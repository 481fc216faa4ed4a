"""What is asked of every store?

A store holds one database of one system in a folder. It writes as the system's documentation
shows, with its defaults, except where ``ACKNOWLEDGED`` says otherwise. Stores run under the
interpreter of their system, so this file needs NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

COLLECTION = "passages"
LIMIT = 10


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to insert; ``vectors`` is float32 ``(n, dim)``."""

    ids: list[int]
    texts: list[str]
    buckets: list[int]
    vectors: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Question:
    """A question of each kind: a key, a bucket, words and a vector."""

    id: int
    bucket: int
    text: str
    vector: npt.NDArray[np.float32]


class Store(Protocol):
    """One database of one system."""

    PACKAGES: ClassVar[tuple[str, ...]]
    """Distributions whose versions are reported."""
    ACKNOWLEDGED: ClassVar[str]
    """What the system's documentation says of a write that returned."""
    FORMS: ClassVar[tuple[str, ...]]
    """Kinds of input and schemas that ``insert`` knows; the first is the default."""
    KINDS: ClassVar[tuple[str, ...]]
    """Questions it answers: of ``get``, ``filter``, ``bm25``, ``dense``."""

    def create(self, folder: str, dim: int, form: str) -> None:
        """Make an empty database."""

    def prepare(self, batch: Batch) -> Any:
        """Return the batch as this system takes it; not timed."""

    def insert(self, prepared: Any) -> None:
        """Store one prepared batch; may be called from several threads."""

    def open(self, folder: str) -> None:
        """Open a database that ``create`` made, and its collection."""

    def ask(self, kind: str, question: Question) -> list[int]:
        """Return the ids that answer a question."""

    def count(self) -> int:
        """Return the number of rows."""

    def delete(self, ids: list[int]) -> None:
        """Delete rows."""

    def settle(self) -> None:
        """Return when the system's own background work is done, if it has any."""

    def optimize(self) -> None:
        """Ask for the space back by hand, as the documentation says."""

    def close(self) -> None:
        """Close the database."""
