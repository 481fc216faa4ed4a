"""How are the postings of several segments joined without holding them in memory?

Terms are numbered in the order of the result by walking the sorted dictionaries side by side, and
the postings of some terms at a time are unpacked, renumbered, sorted by term and row, and packed
again. What comes out is a stream that is written part by part, after a pass that finds out how long
it will be. What stays in memory is a few numbers for each term and each row, and the postings of
one term at most.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InternalError
from elanus.index.sparse.term_dictionary import TermDictionary
from elanus.kernels.packing import (
    POSTINGS_PADDING,
    POSTINGS_UNIT,
    FrequencyCoding,
    pack_terms,
    starts_of,
)
from elanus.kernels.postings import SealedPostings
from elanus.storage.section_stream import ArraySection, SectionStream
from elanus.types import AnyArray, ByteArray, Float32Array, Int64Array, UInt32Array

POSTINGS_AT_ONCE = 1 << 21
"""Postings that are sorted in one go."""
POSTING_BYTES = 64
"""Memory that each of them takes meanwhile."""
_TERMS_AT_ONCE = 1 << 16

Sections = dict[str, ArraySection]


def checked_num_rows(parts: Sequence[tuple[int, Int64Array]]) -> int:
    """Return the rows of a merge, after checking that its mappings give each a place of its own.

    Args:
        parts: Rows of each segment, and int64 of that shape: the new row id of each, or -1.

    Raises:
        InternalError: A mapping does not fit its segment, or two rows get one place.
    """
    for num_rows, mapping in parts:
        if len(mapping) != num_rows:
            raise InternalError(f"row mapping: expected {num_rows} rows, got {len(mapping)}")
    total = sum(int(np.count_nonzero(mapping >= 0)) for _, mapping in parts)
    taken = np.zeros(total, dtype=np.bool_)
    for _, mapping in parts:
        kept = mapping[mapping >= 0]
        if len(kept) and int(kept.max()) >= total:
            break
        taken[kept] = True
    if not taken.all():
        raise InternalError("row mapping: the new row ids are not 0 to n - 1, each once")
    return total


def materialized(sections: Sections) -> dict[str, AnyArray]:
    """Return sections as arrays in memory."""
    arrays: dict[str, AnyArray] = {}
    for name, section in sections.items():
        if isinstance(section, SectionStream):
            chunks = [np.empty(0, dtype=section.dtype), *section.chunks]
            arrays[name] = np.concatenate(chunks)
        else:
            arrays[name] = section
    return arrays


class PostingsPart:
    """Postings of one segment that are going to be joined with others.

    Args:
        reader: The postings.
        frequencies: int64, shape ``(its terms,)``: document frequency of each term.
        numbers: int64, shape ``(its terms,)``, ascending: number of each term in the result.
        mapping: int64, shape ``(its rows,)``: row id in the result, or -1 for a dropped row.
    """

    def __init__(
        self,
        reader: SealedPostings,
        frequencies: Int64Array,
        numbers: Int64Array,
        mapping: Int64Array,
    ) -> None:
        self.frequencies = frequencies
        self.numbers = numbers
        self.mapping = mapping
        self._reader = reader

    def gather(self, first: int, last: int) -> tuple[Int64Array, Int64Array, Float32Array]:
        """Return term, row and weight of the kept postings of terms ``first .. last - 1`` of the
        result, by these numbers."""
        start, stop = np.searchsorted(self.numbers, (first, last))
        offsets, rows, weights = self._reader.unpack(int(start), int(stop))
        terms = np.repeat(self.numbers[start:stop], np.diff(offsets))
        new_rows = self.mapping[rows]
        kept = new_rows >= 0
        if kept.all():
            return terms, new_rows, weights
        return terms[kept], new_rows[kept], weights[kept]


class JoinedPostings:
    """Postings of several segments as those of one. Its stream is taken once.

    Args:
        parts: The segments.
        num_terms: Terms that their numbers speak about.
        num_rows: Rows of the result.
        at_once: Postings that are in memory at the same time, or those of one term.
        coding: How the term frequencies of the result are coded; None stores exact weights.
    """

    def __init__(
        self,
        parts: Sequence[PostingsPart],
        num_terms: int,
        num_rows: int,
        at_once: int,
        coding: FrequencyCoding | None,
    ) -> None:
        self._parts = parts
        self._num_rows = num_rows
        self._at_once = at_once
        self._coding = coding
        self._in_order = _in_order([part.mapping for part in parts])
        self._sizes = np.zeros(num_terms, dtype=np.int64)
        for part in parts:
            self._sizes[part.numbers] += part.frequencies
        kept: list[Int64Array] = [np.empty(0, dtype=np.int64)]
        entries: list[UInt32Array] = [np.empty(0, dtype=np.uint32)]
        units: list[UInt32Array] = [np.empty(0, dtype=np.uint32)]
        # Packing alone tells how many bytes there will be, which the sections behind depend on.
        for terms, (of_terms, sizes, _) in self._packed():
            kept.append(terms)
            entries.append(of_terms)
            units.append(sizes)
        self.kept: Int64Array = np.concatenate(kept)
        """Numbers of the terms that kept any posting, ascending."""
        self._entries = np.concatenate(entries)
        self._units = np.concatenate(units)

    def sections(self) -> Sections:
        """Return the packed postings under the names that indexes store them with."""
        size = int(self._units.sum(dtype=np.int64)) * POSTINGS_UNIT + POSTINGS_PADDING
        return {
            "posting_entries": self._entries,
            "posting_starts": starts_of(self._units),
            "posting_data": SectionStream(np.dtype(np.uint8), (size,), self._chunks()),
        }

    def _chunks(self) -> Iterator[ByteArray]:
        for _, (_, _, data) in self._packed():
            yield data
        yield np.zeros(POSTINGS_PADDING, dtype=np.uint8)

    def _packed(
        self,
    ) -> Iterator[tuple[Int64Array, tuple[UInt32Array, UInt32Array, ByteArray]]]:
        """Yield numbers of terms and the packed terms, some at a time."""
        for first, last in self._ranges():
            terms, rows, weights = self._gathered(first, last)
            begins = np.flatnonzero(np.diff(terms, prepend=-1))
            offsets = np.append(begins, len(terms)).astype(np.int64)
            packed = pack_terms(offsets, rows, weights, self._num_rows, self._coding)
            yield terms[begins], packed

    def _gathered(self, first: int, last: int) -> tuple[Int64Array, UInt32Array, Float32Array]:
        """Return terms, rows and weights of the result for a range of terms, in order."""
        gathered = [part.gather(first, last) for part in self._parts]
        terms = np.concatenate([terms for terms, _, _ in gathered])
        rows = np.concatenate([rows for _, rows, _ in gathered])
        weights = np.concatenate([weights for _, _, weights in gathered])
        if not (self._in_order and (last - first == 1 or len(self._parts) == 1)):
            # Each segment's postings are sorted already, so this only merges runs.
            order = np.argsort(terms * max(self._num_rows, 1) + rows, kind="stable")
            terms, rows, weights = terms[order], rows[order], weights[order]
        return terms, rows.astype(np.uint32), weights

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Cut the terms into ranges of ``at_once`` postings at most, or of one term."""
        ends = np.cumsum(self._sizes)
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            last = int(np.searchsorted(ends, before + self._at_once, side="right"))
            last = min(max(last, first + 1), len(ends))
            yield first, last
            first = last


def _in_order(mappings: Sequence[Int64Array]) -> bool:
    """Whether rows keep their order: within each segment, and from one to the next."""
    end = -1
    for mapping in mappings:
        kept = mapping[mapping >= 0]
        if len(kept) and (int(kept[0]) <= end or not (kept[1:] > kept[:-1]).all()):
            return False
        end = int(kept[-1]) if len(kept) else end
    return True


class JoinedTerms:
    """The terms of several dictionaries, sorted, each once.

    Attributes:
        numbers: For each dictionary int64: the number of each of its terms here.
    """

    def __init__(self, dictionaries: Sequence[TermDictionary]) -> None:
        self._dictionaries = dictionaries
        self.numbers = [np.empty(len(d), dtype=np.int64) for d in dictionaries]
        # Where the text of each term is taken from.
        bound = sum(map(len, dictionaries))
        self._owner: NDArray[np.uint32] = np.empty(bound, dtype=np.uint32)
        self._place: Int64Array = np.empty(bound, dtype=np.int64)
        self._join()

    def __len__(self) -> int:
        return len(self._owner)

    def _join(self) -> None:
        def numbered(owner: int) -> Iterator[tuple[bytes, int, int]]:
            return ((term, owner, at) for at, term in enumerate(self._dictionaries[owner]))

        last: bytes | None = None
        count = 0
        for term, owner, place in heapq.merge(*map(numbered, range(len(self._dictionaries)))):
            if term != last:
                self._owner[count], self._place[count] = owner, place
                last = term
                count += 1
            self.numbers[owner][place] = count - 1
        self._owner, self._place = self._owner[:count].copy(), self._place[:count].copy()

    def sections(self, kept: Int64Array) -> Sections:
        """Return the dictionary of the terms with these numbers, ascending."""
        lengths = np.zeros(len(kept), dtype=np.int64)
        for owner, dictionary in enumerate(self._dictionaries):
            mine = self._owner[kept] == owner
            places = self._place[kept[mine]]
            lengths[mine] = dictionary.offsets[places + 1] - dictionary.offsets[places]
        offsets = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        texts = (
            self._texts(kept[at : at + _TERMS_AT_ONCE], lengths[at : at + _TERMS_AT_ONCE])
            for at in range(0, len(kept), _TERMS_AT_ONCE)
        )
        data = SectionStream(np.dtype(np.uint8), (int(offsets[-1]),), texts)
        return {"term_offsets": offsets, "term_data": data}

    def _texts(self, terms: Int64Array, lengths: Int64Array) -> ByteArray:
        """Return the UTF-8 of some terms, end to end."""
        starts = np.cumsum(lengths) - lengths
        joined = np.empty(int(lengths.sum()), dtype=np.uint8)
        owners = self._owner[terms]
        for owner in np.unique(owners).tolist():
            dictionary = self._dictionaries[owner]
            mine = np.flatnonzero(owners == owner)
            sizes = lengths[mine]
            within = np.arange(int(sizes.sum()), dtype=np.int64)
            within -= np.repeat(np.cumsum(sizes) - sizes, sizes)
            begins = dictionary.offsets[self._place[terms[mine]]]
            source = np.repeat(begins, sizes) + within
            joined[np.repeat(starts[mine], sizes) + within] = dictionary.data[source]
        return joined
