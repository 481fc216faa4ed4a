"""Which rows of a sealed segment are about these words, and how do segments become one?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.errors import CorruptionError
from elanus.index.base import Candidates
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.bm25_weights import DEFAULT_B, DEFAULT_K1
from elanus.index.sparse.merging import (
    POSTINGS_AT_ONCE,
    JoinedPostings,
    JoinedTerms,
    PostingsPart,
    Sections,
    checked_num_rows,
    materialized,
)
from elanus.index.sparse.posting_lists import (
    PostingLists,
    packed_arrays,
    read_array,
    read_num_rows,
    read_packed,
)
from elanus.index.sparse.term_dictionary import TermDictionary
from elanus.kernels.bitset import Bitset
from elanus.kernels.packing import FrequencyCoding, PackedPostings
from elanus.kernels.postings import SealedPostings
from elanus.kernels.prepared import PreparedLeg
from elanus.kernels.text import QueryNumbers
from elanus.types import AnyArray, BoolArray, Int64Array, UInt32Array

FORMAT = 2
"""Version of what ``SealedBM25.to_arrays`` gives."""
MAX_KNOWN_PIECES = 1 << 14
"""Distinct pieces of queries whose numbers are remembered for an analyzer: some 100 bytes each."""
MAX_ANALYZERS = 8
"""Analyzers of queries that are remembered: a field has one, or one for each language."""


class SealedBM25(BM25View):
    """Terms of a sealed segment, over arrays that may be read-only and memory-mapped.

    Opening reads nothing but the ends of the arrays.
    """

    def __init__(
        self,
        dictionary: TermDictionary,
        postings: PackedPostings,
        coding: FrequencyCoding,
        documents: BoolArray | None,
    ) -> None:
        if len(dictionary) != len(postings.entries):
            counts = f"{len(dictionary)} terms but postings of {len(postings.entries)}"
            raise CorruptionError(f"keyword index: {counts}")
        if documents is not None and len(documents) != len(coding.lengths):
            counts = f"{len(coding.lengths)} lengths but {len(documents)} null marks"
            raise CorruptionError(f"keyword index: {counts}")
        self.reader = SealedPostings(postings, len(coding.lengths), coding)
        super().__init__(dictionary.find_all, self.reader, coding.lengths, documents)
        self.dictionary = dictionary
        self.postings = postings
        self.coding = coding
        self.documents = documents
        self._numbers: dict[Analyzer, QueryNumbers | None] = {}

    def search_text(
        self,
        text: str,
        analyzer: Analyzer,
        limit: int,
        allowed: Bitset | None = None,
        *,
        k1: float,
        b: float,
        alive: Bitset | None = None,
    ) -> Candidates:
        """Return what ``search_alone`` returns for the terms of a text; arguments as there.

        One call of the kernel, from the text to the rows.
        """
        numbers = self._numbers_of(analyzer)
        if numbers is None:
            return super().search_text(text, analyzer, limit, allowed, k1=k1, b=b, alive=alive)
        num_docs, total_length = self._totals(alive)
        scoring = self._scoring(k1, b, total_length / num_docs if num_docs else 0.0)
        found = self.reader.search_text(
            text, numbers, num_docs, limit, bm25=scoring, alive=alive, allowed=allowed
        )
        return Candidates(*found)

    def prepared(
        self,
        analyzer: Analyzer,
        limit: int,
        allowed: Bitset | None,
        *,
        k1: float,
        b: float,
        alive: Bitset | None,
        keys: Int64Array | None,
    ) -> PreparedLeg | None:
        """Return what finds for one text after the other what ``search_text`` does.

        None where the kernel lacks the tokenizer.

        Args:
            analyzer: Of the texts.
            limit: Rows wanted.
            allowed: As in ``search_text``.
            k1: As in ``search_text``.
            b: As in ``search_text``.
            alive: As in ``search_text``.
            keys: int64, one for each row; None: none are wanted.
        """
        numbers = self._numbers_of(analyzer)
        if numbers is None:
            return None
        num_docs, total_length = self._totals(alive)
        scoring = self._scoring(k1, b, total_length / num_docs if num_docs else 0.0)
        return self.reader.prepared(
            numbers, num_docs, limit, bm25=scoring, alive=alive, allowed=allowed, keys=keys
        )

    def prepared_like(self, like: PreparedLeg, allowed: Bitset | None) -> PreparedLeg | None:
        """Return what ``prepared`` does for other allowed rows; None: that has to be asked.

        Args:
            like: What it returned; the other arguments are the same.
            allowed: As in ``search_text``.
        """
        return self.reader.prepared_like(like, allowed)

    def _numbers_of(self, analyzer: Analyzer) -> QueryNumbers | None:
        try:
            return self._numbers[analyzer]
        except KeyError:
            pass
        if len(self._numbers) >= MAX_ANALYZERS:
            self._numbers.clear()
        numbers = analyzer.numbers(self.dictionary.find_all, MAX_KNOWN_PIECES)
        self._numbers[analyzer] = numbers
        return numbers

    @property
    def lengths(self) -> UInt32Array:
        """Tokens of each row."""
        return self.coding.lengths

    @classmethod
    def pack(
        cls,
        dictionary: TermDictionary,
        lists: PostingLists,
        coding: FrequencyCoding,
        documents: BoolArray | None,
    ) -> SealedBM25:
        """Return term frequencies as a sealed segment searches them."""
        num_rows = len(coding.lengths)
        packed = PackedPostings.pack(lists.offsets, lists.rows, lists.weights, num_rows, coding)
        return cls(dictionary, packed, coding, documents)

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> SealedBM25:
        """Open what ``to_arrays`` gave, without copying.

        Raises:
            FormatVersionError: A newer version of elanus wrote it.
            CorruptionError: An array is missing, or they do not fit together.
        """
        num_rows = read_num_rows(header, FORMAT)
        lengths = read_array(arrays, "lengths", np.uint32)
        if len(lengths) != num_rows:
            raise CorruptionError(f"keyword index: {num_rows} rows but {len(lengths)} lengths")
        return cls(
            TermDictionary(
                read_array(arrays, "term_offsets", np.int64),
                read_array(arrays, "term_data", np.uint8),
            ),
            read_packed(arrays),
            FrequencyCoding(*_read_parameters(header), lengths),
            read_array(arrays, "documents", np.bool_) if "documents" in arrays else None,
        )

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return a JSON header and named arrays from which ``from_arrays`` makes the same index.

        ``documents`` is there only when a text is null.
        """
        arrays: dict[str, AnyArray] = {
            "term_offsets": self.dictionary.offsets,
            "term_data": self.dictionary.data,
            **packed_arrays(self.postings),
            "lengths": self.lengths,
        }
        if self.documents is not None:
            arrays["documents"] = self.documents
        return _header(self.coding), arrays


def coding_of(
    lengths: UInt32Array, documents: BoolArray | None, k1: float, b: float
) -> FrequencyCoding:
    """Return how term frequencies of rows with these lengths are coded when they are sealed."""
    num_docs = len(lengths) if documents is None else int(np.count_nonzero(documents))
    average = int(lengths.sum(dtype=np.int64)) / num_docs if num_docs else 0.0
    return FrequencyCoding(k1, b, average, lengths)


def _header(coding: FrequencyCoding) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "num_rows": len(coding.lengths),
        "k1": coding.k1,
        "b": coding.b,
        "average_length": coding.average_length,
    }


def _read_parameters(header: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return ``k1``, ``b`` and the average length that a stored header gives."""
    found = tuple(header.get(name) for name in ("k1", "b", "average_length"))
    values = [float(value) for value in found if isinstance(value, int | float)]
    if len(values) != 3 or not all(math.isfinite(v) and v >= 0 for v in values) or values[1] > 1:
        raise CorruptionError(f"keyword index: the header is damaged: {dict(header)!r}")
    return values[0], values[1], values[2]


def joined_sections(
    parts: Sequence[tuple[SealedBM25, Int64Array]], *, at_once: int = POSTINGS_AT_ONCE
) -> tuple[dict[str, Any], Sections]:
    """Return header and sections of several segments as one, without analyzing text again.

    Args:
        parts: Each segment with int64 of shape ``(its rows,)``: the row id that each of its rows
            gets, or -1 where it is dropped. The new ids are ``0 .. n - 1``, each once.
        at_once: Postings that are in memory at the same time.

    Raises:
        InternalError: The new row ids are not that.
    """
    num_rows = checked_num_rows([(index.num_rows, mapping) for index, mapping in parts])
    lengths = np.zeros(num_rows, dtype=np.uint32)
    documents = np.ones(num_rows, dtype=np.bool_)
    for index, mapping in parts:
        kept = mapping >= 0
        lengths[mapping[kept]] = index.lengths[kept]
        if index.documents is not None:
            documents[mapping[kept]] = index.documents[kept]
    k1, b = (parts[0][0].coding.k1, parts[0][0].coding.b) if parts else (DEFAULT_K1, DEFAULT_B)
    coding = coding_of(lengths, documents, k1, b)
    terms = JoinedTerms([index.dictionary for index, _ in parts])
    renumbered = [
        PostingsPart(index.reader, index.postings.frequencies, numbers, mapping)
        for (index, mapping), numbers in zip(parts, terms.numbers, strict=True)
    ]
    postings = JoinedPostings(renumbered, len(terms), num_rows, at_once, coding)
    sections = {**terms.sections(postings.kept), **postings.sections(), "lengths": lengths}
    if not documents.all():
        sections["documents"] = documents
    return _header(coding), sections


def merge_sealed(parts: Sequence[tuple[SealedBM25, Int64Array]]) -> SealedBM25:
    """Join sealed segments into one in memory; arguments and errors as ``joined_sections``."""
    header, sections = joined_sections(parts)
    return SealedBM25.from_arrays(header, materialized(sections))
