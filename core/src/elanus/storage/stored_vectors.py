"""How are dense vectors read from a segment without reading all of them?

A column of vectors is most of a segment, and a search touches few of its rows. So the column is
handed out unverified, and every way to its values verifies what it touches first.
"""

from __future__ import annotations

from elanus.schema.batches import DenseVectorColumn, RowIds
from elanus.storage.block_file import RowGuard
from elanus.types import BoolArray, Float32Array, VectorArray


class StoredVectors(DenseVectorColumn):
    """Column of dense vectors over a mapped file.

    ``values`` verifies every row before it hands them out, ``take`` and ``values_at`` only theirs.
    """

    __slots__ = ("_guard", "_inverse_norms", "_unverified")

    _unverified: VectorArray
    _guard: RowGuard
    _inverse_norms: Float32Array | None

    def __init__(
        self,
        unverified: VectorArray,
        validity: BoolArray | None,
        guard: RowGuard,
        inverse_norms: Float32Array | None,
    ) -> None:
        """Make a column of a section that is not verified.

        Args:
            unverified: As ``values`` of ``DenseVectorColumn``.
            validity: As in ``DenseVectorColumn``.
            guard: Verifies rows of ``unverified``.
            inverse_norms: float32 of shape ``(n,)``, 1 / length of each row, when they are stored.
        """
        for name, value in (
            ("_unverified", unverified),
            ("validity", validity),
            ("_guard", guard),
            ("_inverse_norms", inverse_norms),
        ):
            object.__setattr__(self, name, value)

    @property
    def unverified(self) -> VectorArray:
        """All values, for readers that have ``guard`` check the rows they touch."""
        return self._unverified

    @property
    def guard(self) -> RowGuard:
        """Verifies rows of ``unverified``."""
        return self._guard

    @property
    def inverse_norms(self) -> Float32Array | None:
        """1 / length of each row, float32 ``(n,)``, verified; None when they are not stored."""
        return self._inverse_norms

    @property
    def values(self) -> VectorArray:
        """All values, verified.

        Raises:
            CorruptionError: A block of them is damaged.
        """
        self._guard.check_all()
        return self._unverified

    def __len__(self) -> int:
        return len(self._unverified)

    def take(self, rows: RowIds) -> DenseVectorColumn:
        self._guard.check_rows(rows)
        validity = None if self.validity is None else self.validity[rows]
        return DenseVectorColumn(self._unverified[rows], validity)
