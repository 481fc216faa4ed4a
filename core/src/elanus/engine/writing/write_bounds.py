"""Which entities may a write touch, and which may it make?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from elanus.errors import NotAllowedError
from elanus.filter import BoundFilter, batch_columns
from elanus.query.sources import SearchSource
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema
from elanus.types import PrimaryKey


@dataclass(frozen=True, slots=True)
class WriteBounds:
    """What a write is bound by, besides its schema.

    Attributes:
        visible: Entities that may be replaced pass all of them.
        check: Entities pass all of them as they are written.
    """

    visible: tuple[BoundFilter, ...]
    check: tuple[BoundFilter, ...]

    def check_replaced(self, sources: Sequence[SearchSource], pks: Sequence[PrimaryKey]) -> None:
        """Refuse to replace what may not be touched.

        Raises:
            NotAllowedError: A key is taken by such an entity.
        """
        for source in sources:
            places = source.find_pks(pks)
            taken = np.flatnonzero(places >= 0)
            if not len(taken):
                continue
            for condition in self.visible:
                passing = source.columns.matching(condition).to_mask()[places[taken]]
                if not passing.all():
                    row = int(taken[np.argmin(passing)])
                    raise NotAllowedError(
                        f"primary key {pks[row]!r} (row {row}) belongs to an entity that this "
                        f"restricted handle may not replace; choose another key",
                        row=row,
                    )

    def check_made(self, batch: ColumnBatch) -> None:
        """Refuse to write what may not be written.

        Raises:
            NotAllowedError: An entity does not pass; names its row and no value.
        """
        for condition in self.check:
            passing = condition.evaluate(batch_columns(batch))
            if not passing.all():
                row = int(np.argmin(passing))
                raise NotAllowedError(
                    f"the entity in row {row} does not pass what this restricted handle may write; "
                    f"nothing was stored",
                    row=row,
                )


BoundsOf = Callable[[Schema], WriteBounds]
"""Returns the bounds of a write, for the schema that its entities are checked against."""
