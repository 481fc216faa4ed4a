"""Primary keys in both forms that look-ups want: Python values for memtables, a column for
segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elanus.schema.batches import FixedColumn, StringColumn, strings_to_column
from elanus.schema.fields import Field
from elanus.types import DataType, PrimaryKey


@dataclass(frozen=True, slots=True)
class Keys:
    """The same keys twice, in the same order."""

    pks: Sequence[PrimaryKey]
    column: FixedColumn | StringColumn

    @classmethod
    def of(cls, primary: Field, pks: Sequence[PrimaryKey]) -> Keys:
        """Return keys that fit the primary field, as ``schema.validation`` checked them."""
        if primary.dtype is DataType.VARCHAR:
            return cls(pks, strings_to_column([str(pk) for pk in pks]))
        return cls(pks, FixedColumn(np.array(pks, dtype=np.int64)))

    def __len__(self) -> int:
        return len(self.pks)
