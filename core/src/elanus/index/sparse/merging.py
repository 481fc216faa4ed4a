"""How are the postings of several segments joined without holding them in memory?

Terms are numbered in the order of the result by walking the sorted dictionaries side by side, and
the postings of some terms at a time are gathered, renumbered and sorted by term and row. What comes
out are streams that are written part by part; rows and weights take a pass each. What stays in
memory is a few numbers for each term and each row, never a posting or the text of a term.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InternalError
from elanus.index.sparse.posting_lists import PostingLists
from elanus.index.sparse.term_dictionary import TermDictionary
from elanus.storage.section_stream import ArraySection, SectionStream
from elanus.types import AnyArray, ByteArray, Float32Array, Int64Array

POSTINGS_AT_ONCE = 1 << 21
"""Postings that are sorted in one go."""
POSTING_BYTES = 40
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


@dataclass(frozen=True, slots=True)
class PostingsPart:
    """Postings of one segment that are going to be joined with others.

    Attributes:
        postings: The postings.
        numbers: int64, shape ``(its terms,)``, ascending: number of each term in the result.
        mapping: int64, shape ``(its rows,)``: row id in the result, or -1 for a dropped row.
    """

    postings: PostingLists
    numbers: Int64Array
    mapping: Int64Array

    def bounds(self, first: int, last: int) -> tuple[int, int, int, int]:
        """Return where terms ``first .. last`` of the result begin and end here: places of terms,
        then of postings."""
        start, stop = np.searchsorted(self.numbers, (first, last))
        ends = self.postings.offsets
        return int(start), int(stop), int(ends[start]), int(ends[stop])


class JoinedPostings:
    """Postings of several segments as those of one. Its streams are taken once each.

    Args:
        parts: The segments.
        num_terms: Terms that their numbers speak about.
        num_rows: Rows of the result.
        at_once: Postings that are in memory at the same time.
    """

    def __init__(
        self, parts: Sequence[PostingsPart], num_terms: int, num_rows: int, at_once: int
    ) -> None:
        self._parts = parts
        self._num_rows = max(num_rows, 1)
        self._at_once = at_once
        self._in_order = _in_order([part.mapping for part in parts])
        self._sizes = np.zeros(num_terms, dtype=np.int64)
        for part in parts:
            self._sizes[part.numbers] += np.diff(part.postings.offsets)
        self._frequencies = np.zeros(num_terms, dtype=np.int64)
        for first, last in self._ranges():
            for part in parts:
                self._count(part, first, last)
        self.kept: Int64Array = np.flatnonzero(self._frequencies).astype(np.int64)
        """Numbers of the terms that kept any posting, ascending."""

    def sections(self) -> Sections:
        """Return offsets, rows and weights under the names that indexes store them with."""
        offsets = np.zeros(len(self.kept) + 1, dtype=np.int64)
        np.cumsum(self._frequencies[self.kept], out=offsets[1:])
        shape = (int(offsets[-1]),)
        rows = (rows for rows, _ in self._joined())
        weights = (weights for _, weights in self._joined())
        return {
            "posting_offsets": offsets,
            "posting_rows": SectionStream(np.dtype(np.uint32), shape, rows),
            "posting_weights": SectionStream(np.dtype(np.float32), shape, weights),
        }

    def _count(self, part: PostingsPart, first: int, last: int) -> None:
        start, stop, begin, end = part.bounds(first, last)
        ends = part.postings.offsets[start : stop + 1]
        kept_before = np.zeros(end - begin + 1, dtype=np.int64)
        for at in range(begin, end, self._at_once):
            rows = part.postings.rows[at : min(at + self._at_once, end)]
            place = at - begin
            np.cumsum(part.mapping[rows] >= 0, out=kept_before[place + 1 : place + 1 + len(rows)])
            kept_before[place + 1 : place + 1 + len(rows)] += kept_before[place]
        self._frequencies[part.numbers[start:stop]] += np.diff(kept_before[ends - begin])

    def _joined(self) -> Iterator[tuple[AnyArray, Float32Array]]:
        """Yield rows (uint32) and weights of the result, some terms at a time."""
        for first, last in self._ranges():
            if last - first == 1 and self._in_order:
                # A word that is everywhere: its rows are ascending as they lie.
                for part in self._parts:
                    yield from self._of_one_term(part, first)
                continue
            keys, weights = self._gathered(first, last)
            # Each segment's postings are sorted already, so this only merges runs.
            order = np.argsort(keys, kind="stable")
            yield (keys[order] % self._num_rows).astype(np.uint32), weights[order]

    def _of_one_term(
        self, part: PostingsPart, term: int
    ) -> Iterator[tuple[AnyArray, Float32Array]]:
        _, _, begin, end = part.bounds(term, term + 1)
        for at in range(begin, end, self._at_once):
            stop = min(at + self._at_once, end)
            rows = part.mapping[part.postings.rows[at:stop]]
            kept = rows >= 0
            yield rows[kept].astype(np.uint32), part.postings.weights[at:stop][kept]

    def _gathered(self, first: int, last: int) -> tuple[Int64Array, Float32Array]:
        """Return ``term * num_rows + row`` and weight of the postings kept of terms in a range."""
        keys: list[Int64Array] = [np.empty(0, dtype=np.int64)]
        weights: list[Float32Array] = [np.empty(0, dtype=np.float32)]
        for part in self._parts:
            start, stop, begin, end = part.bounds(first, last)
            sizes = np.diff(part.postings.offsets[start : stop + 1])
            terms = np.repeat(part.numbers[start:stop], sizes)
            rows = part.mapping[part.postings.rows[begin:end]]
            kept = rows >= 0
            keys.append(terms[kept] * self._num_rows + rows[kept])
            weights.append(part.postings.weights[begin:end][kept])
        return np.concatenate(keys), np.concatenate(weights)

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
