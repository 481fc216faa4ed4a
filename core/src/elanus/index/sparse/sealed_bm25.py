"""Which rows of a sealed segment are about these words, and how do segments become one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus.errors import CorruptionError
from elanus.index.sparse.bm25 import BM25View
from elanus.index.sparse.merging import (
    POSTINGS_AT_ONCE,
    JoinedPostings,
    JoinedTerms,
    PostingsPart,
    Sections,
    checked_num_rows,
    materialized,
)
from elanus.index.sparse.posting_lists import PostingLists, read_array, read_num_rows
from elanus.index.sparse.term_dictionary import TermDictionary
from elanus.kernels.postings import SealedPostings
from elanus.types import AnyArray, BoolArray, Int64Array, UInt32Array

FORMAT = 1
"""Version of what ``SealedBM25.to_arrays`` gives."""


class SealedBM25(BM25View):
    """Terms of a sealed segment, over arrays that may be read-only and memory-mapped.

    Opening reads nothing but the ends of the arrays.
    """

    def __init__(
        self,
        dictionary: TermDictionary,
        postings: PostingLists,
        lengths: UInt32Array,
        documents: BoolArray | None,
    ) -> None:
        if len(dictionary) != len(postings.offsets) - 1:
            counts = f"{len(dictionary)} terms but postings of {len(postings.offsets) - 1}"
            raise CorruptionError(f"keyword index: {counts}")
        if documents is not None and len(documents) != len(lengths):
            counts = f"{len(lengths)} lengths but {len(documents)} null marks"
            raise CorruptionError(f"keyword index: {counts}")
        native = SealedPostings(postings.offsets, postings.rows, postings.weights, len(lengths))
        super().__init__(dictionary.find, native, lengths, documents)
        self.dictionary = dictionary
        self.postings = postings
        self.lengths = lengths
        self.documents = documents

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
            PostingLists(
                read_array(arrays, "posting_offsets", np.int64),
                read_array(arrays, "posting_rows", np.uint32),
                read_array(arrays, "posting_weights", np.float32),
            ),
            lengths,
            read_array(arrays, "documents", np.bool_) if "documents" in arrays else None,
        )

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return a JSON header and named arrays from which ``from_arrays`` makes the same index.

        ``documents`` is there only when a text is null.
        """
        arrays: dict[str, AnyArray] = {
            "term_offsets": self.dictionary.offsets,
            "term_data": self.dictionary.data,
            "posting_offsets": self.postings.offsets,
            "posting_rows": self.postings.rows,
            "posting_weights": self.postings.weights,
            "lengths": self.lengths,
        }
        if self.documents is not None:
            arrays["documents"] = self.documents
        return {"format": FORMAT, "num_rows": self.num_rows}, arrays


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
    terms = JoinedTerms([index.dictionary for index, _ in parts])
    renumbered = [
        PostingsPart(index.postings, numbers, mapping)
        for (index, mapping), numbers in zip(parts, terms.numbers, strict=True)
    ]
    postings = JoinedPostings(renumbered, len(terms), num_rows, at_once)
    lengths = np.zeros(num_rows, dtype=np.uint32)
    documents = np.ones(num_rows, dtype=np.bool_)
    for index, mapping in parts:
        kept = mapping >= 0
        lengths[mapping[kept]] = index.lengths[kept]
        if index.documents is not None:
            documents[mapping[kept]] = index.documents[kept]
    sections = {**terms.sections(postings.kept), **postings.sections(), "lengths": lengths}
    if not documents.all():
        sections["documents"] = documents
    return {"format": FORMAT, "num_rows": num_rows}, sections


def merge_sealed(parts: Sequence[tuple[SealedBM25, Int64Array]]) -> SealedBM25:
    """Join sealed segments into one in memory; arguments and errors as ``joined_sections``."""
    header, sections = joined_sections(parts)
    return SealedBM25.from_arrays(header, materialized(sections))
