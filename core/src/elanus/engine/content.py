"""What goes into a segment?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elanus.index.sparse.inverted import SealedSparse
from elanus.index.sparse.sealed_bm25 import SealedBM25
from elanus.schema.batches import ColumnBatch
from elanus.types import Int64Array


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """Rows of a segment to be, with the postings that came with them.

    Attributes:
        batch: The rows, oldest first.
        seqs: Sequence number of each, int64.
        text: Postings of each BM25 field.
        sparse: Postings of each sparse field.
    """

    batch: ColumnBatch
    seqs: Int64Array
    text: Mapping[str, SealedBM25]
    sparse: Mapping[str, SealedSparse]
