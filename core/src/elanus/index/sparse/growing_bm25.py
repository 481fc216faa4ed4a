"""Which rows that still arrive are about these words?"""

from __future__ import annotations

import numpy as np

from elanus.analysis.multi import FieldAnalyzer, MultiCounter
from elanus.errors import InternalError
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.bm25_weights import DEFAULT_B, DEFAULT_K1
from elanus.index.sparse.posting_lists import GrowingPostingsSnapshot, PostingLists
from elanus.index.sparse.sealed_bm25 import SealedBM25, coding_of
from elanus.index.sparse.term_dictionary import TermDictionary
from elanus.kernels.growing_postings import GrowingPostings
from elanus.kernels.text import Vocabulary
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray, UInt32Array

_INITIAL_ROWS = 64


class GrowingBM25:
    """Terms of rows that still arrive: one thread appends, any number search snapshots.

    Args:
        analyzer: How texts become terms.
        k1: Saturation of the term frequency that searches will have.
        b: Share of length normalisation that they will have; with others they take longer.
    """

    def __init__(
        self, analyzer: FieldAnalyzer, k1: float = DEFAULT_K1, b: float = DEFAULT_B
    ) -> None:
        self._parameters = k1, b
        self._vocabulary = Vocabulary()
        self._counter = analyzer.counter(self._vocabulary)
        self._postings = GrowingPostings()
        self._counter_bytes = 0
        self._num_rows = 0
        # Longer than num_rows; replaced when full, so a snapshot keeps the array it began with.
        self._lengths = np.zeros(_INITIAL_ROWS, dtype=np.uint32)
        self._documents = np.zeros(_INITIAL_ROWS, dtype=np.bool_)
        self._has_nulls = False

    @property
    def num_rows(self) -> int:
        return self._num_rows

    @property
    def size_bytes(self) -> int:
        """Memory in use, roughly."""
        rows = self._lengths.nbytes + self._documents.nbytes
        words = self._vocabulary.size_bytes + self._counter_bytes
        return rows + words + self._postings.size_bytes

    def append(self, texts: StringColumn, languages: StringColumn | None = None) -> None:
        """Analyze and add rows; they show in snapshots taken with the larger number of rows.

        Args:
            texts: Their texts.
            languages: What names the analyzer of each, where the field has several.
        """
        if isinstance(self._counter, MultiCounter):
            named = [None] * len(texts) if languages is None else languages.to_pylist()
            batch = self._counter.count_utf8(texts.offsets, texts.data, named)
        else:
            batch = self._counter.count_utf8(texts.offsets, texts.data)
        start, stop = self._num_rows, self._num_rows + len(texts)
        self._reserve(stop)
        self._lengths[start:stop] = batch.lengths
        self._documents[start:stop] = True if texts.validity is None else texts.validity
        if texts.validity is not None and not texts.validity.all():
            self._has_nulls = True
        self._postings.append(batch.offsets, batch.term_ids, batch.counts)
        # Noted here: the counter may not be asked while another thread appends.
        self._counter_bytes = self._counter.size_bytes
        self._num_rows = stop

    def snapshot(self, num_rows: int) -> BM25View:
        """Return the first ``num_rows`` rows as they are; appending changes nothing in them."""
        self._check_num_rows(num_rows)
        postings = GrowingPostingsSnapshot(self._postings, num_rows)
        lengths, documents = self._row_arrays(num_rows)
        return BM25View(self._vocabulary.find_all, postings, lengths, documents)

    def seal(self, num_rows: int) -> SealedBM25:
        """Return the first ``num_rows`` rows in the form of a sealed segment."""
        self._check_num_rows(num_rows)
        ids = self._postings.terms(num_rows)
        order, term_offsets, term_data = self._vocabulary.sorted(ids)
        postings = PostingLists(*self._postings.export_postings(ids[order], num_rows))
        lengths, documents = self._row_arrays(num_rows)
        documents = None if documents is None or documents.all() else documents.copy()
        return SealedBM25.pack(
            TermDictionary(term_offsets, term_data),
            postings,
            coding_of(lengths.copy(), documents, *self._parameters),
            documents,
        )

    def _row_arrays(self, num_rows: int) -> tuple[UInt32Array, BoolArray | None]:
        documents = self._documents[:num_rows] if self._has_nulls else None
        return self._lengths[:num_rows], documents

    def _check_num_rows(self, num_rows: int) -> None:
        if not 0 <= num_rows <= self._num_rows:
            raise InternalError(
                f"snapshot: expected at most the {self._num_rows} rows appended, got {num_rows}"
            )

    def _reserve(self, num_rows: int) -> None:
        if num_rows > len(self._lengths):
            room = max(num_rows, 2 * len(self._lengths)) - len(self._lengths)
            self._lengths = np.concatenate([self._lengths, np.zeros(room, dtype=np.uint32)])
            self._documents = np.concatenate([self._documents, np.zeros(room, dtype=np.bool_)])
