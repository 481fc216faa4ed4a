"""How are a few texts read from a segment without reading all of them?

A search returns the text of ten rows of millions. Their bytes are verified when they are cut out;
whoever asks for all of ``data`` has all of it verified first.
"""

from __future__ import annotations

from elanus.kernels.checksum import BlockVerifier
from elanus.schema.batches import RowIds, StringColumn
from elanus.storage.block_file import RowGuard
from elanus.types import BoolArray, ByteArray, Int64Array

MAX_CUT_ROWS = 4_096
"""Rows up to which their bytes are verified one by one."""


class StoredStrings(StringColumn):
    """VARCHAR or JSON column over a mapped file; its offsets are verified."""

    __slots__ = ("_guard", "_unverified")

    _unverified: StringColumn
    _guard: RowGuard

    def __init__(
        self,
        offsets: Int64Array,
        unverified: ByteArray,
        validity: BoolArray | None,
        guard: RowGuard,
    ) -> None:
        """Make a column of a section that is not verified.

        Args:
            offsets: As in ``StringColumn``, checked.
            unverified: uint8, the text of all rows.
            validity: As in ``StringColumn``.
            guard: Verifies bytes of ``unverified``.
        """
        for name, value in (
            ("offsets", offsets),
            ("validity", validity),
            ("_unverified", StringColumn(offsets, unverified, validity)),
            ("_guard", guard),
        ):
            object.__setattr__(self, name, value)

    @property
    def data(self) -> ByteArray:
        """The text of all rows, verified.

        Raises:
            CorruptionError: A block of it is damaged.
        """
        self._guard.check_all()
        return self._unverified.data

    def unverified(self) -> tuple[ByteArray, tuple[BlockVerifier, int] | None]:
        return self._unverified.data, self._guard.native()

    def take(self, rows: RowIds) -> StringColumn:
        self._check(rows)
        return self._unverified.take(rows)

    def values_at(self, rows: RowIds) -> list[object]:
        self._check(rows)
        return self._unverified.values_at(rows)

    def _check(self, rows: RowIds) -> None:
        if len(rows) > MAX_CUT_ROWS:
            self._guard.check_all()
            return
        self._guard.check_spans(self.offsets, rows)
