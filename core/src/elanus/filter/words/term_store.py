"""Which texts of a column hold these words, in this order?

The words of every distinct text stand as numbers in one array, text after text, so that a question
is a few passes over numbers. A text is analyzed once, when a question first comes to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from elanus.analysis.analyzer import Analyzer
from elanus.errors import InternalError
from elanus.filter.strings import StringDictionary
from elanus.filter.words.edit_distance import SpelledTerms
from elanus.types import BoolArray, Int64Array, UInt32Array

MAX_TERMS = 4_000_000
"""Distinct terms that a store numbers; with more, each text is read for each question."""
MAX_STORED_SLOP = 16
"""Slop up to which phrases are found by passes over numbers, two for each place and term."""
_TERM = 200
"""What CPython takes for two short strings in a dict."""
_DROPPED = 0
"""The number of the words that the analyzer drops."""
_BITS = 15
"""Of a number that one character holds; larger ones would reach the surrogates."""

Terms = tuple[Int64Array, UInt32Array]
"""Where each text begins and the last one ends, ``(n + 1,)``, and the numbers of all words."""


class TermStore:
    """The words of the texts of a dictionary, as numbers. Safe from many threads.

    A word that the analyzer drops has the number 0.

    Args:
        dictionary: The texts.
        analyzer: Cuts them; one whose ``words`` are known.
        on_growth: Called with the bytes by which it grew, roughly.
    """

    def __init__(
        self, dictionary: StringDictionary, analyzer: Analyzer, on_growth: Callable[[int], object]
    ) -> None:
        self._on_growth = on_growth
        self.dictionary = dictionary
        self._analyzer = analyzer
        self._lock = threading.Lock()
        self._marks: dict[str, str] = {"": _mark_of(_DROPPED)}
        self._offsets: Int64Array = np.zeros(1, dtype=np.int64)
        self._words: UInt32Array = np.empty(0, dtype=np.uint32)
        self._spelled = SpelledTerms()

    def numbers(self, terms: Sequence[str]) -> tuple[list[int | None], Terms] | None:
        """Return the number of each term, None of one in no text, and the words of all texts.

        None when there are too many different terms to number them.
        """
        with self._lock:
            stored = self._stored()
            marks = [self._marks.get(term) for term in terms]
        if stored is None:
            return None
        return [None if mark is None else _number(mark) for mark in marks], stored

    def numbers_near(self, terms: Sequence[str], most: int) -> tuple[Int64Array, Terms] | None:
        """Return the numbers of the terms that up to ``most`` edits make of one of ``terms``, and
        the words of all texts; None as for ``numbers``."""
        with self._lock:
            stored = self._stored()
            if stored is None:
                return None
            known = len(self._spelled)
            if known < len(self._marks):
                self._on_growth(self._spelled.add(list(islice(self._marks, known, None))))
            near = [self._spelled.within(term, most) for term in terms]
        numbers = np.concatenate([np.empty(0, dtype=np.int64), *near])
        return numbers[numbers != _DROPPED], stored

    def _stored(self) -> Terms | None:
        """Return the words of all texts; None when there are too many different terms."""
        if len(self._offsets) - 1 < len(self.dictionary):
            self._extend()
        return None if len(self._marks) > MAX_TERMS else (self._offsets, self._words)

    def _extend(self) -> None:
        words = self._analyzer.words(self._mark)
        if words is None:
            raise InternalError("words are numbered that have no places")
        texts, num_terms = self.dictionary.since(len(self._offsets) - 1), len(self._marks)
        marked = ["".join(words(text)) for text in texts]
        sizes = np.fromiter(map(len, marked), np.int64, len(marked)) // 2
        pairs = np.frombuffer("".join(marked).encode("utf-16-le"), dtype="<u4")
        numbers = pairs - (pairs >> 16 << 16) + (pairs >> 16 << _BITS)
        self._words = np.concatenate([self._words, numbers], dtype=np.uint32)
        self._offsets = np.concatenate([self._offsets, self._offsets[-1] + np.cumsum(sizes)])
        self._on_growth(4 * len(numbers) + 8 * len(texts) + _TERM * (len(self._marks) - num_terms))

    def _mark(self, term: str) -> str:
        """Return what stands for a term while texts are read."""
        mark = self._marks.get(term)
        if mark is None:
            mark = self._marks[term] = _mark_of(len(self._marks))
        return mark


def _mark_of(number: int) -> str:
    """Return two characters that say a number; joined they are an array of numbers at once."""
    return chr(number & ((1 << _BITS) - 1)) + chr(number >> _BITS)


def _number(mark: str) -> int:
    return ord(mark[0]) | ord(mark[1]) << _BITS


def texts_with_terms(terms: Terms, numbers: Sequence[int | None], minimum: int) -> BoolArray:
    """Return which texts hold at least ``minimum`` of different terms, ``(n,)``."""
    offsets, words = terms
    known = [number for number in numbers if number is not None]
    if len(known) < minimum:
        return np.zeros(len(offsets) - 1, dtype=np.bool_)
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    for number in known:
        counts += _texts_at(offsets, np.flatnonzero(words == number))
    return np.asarray(counts >= minimum)


def texts_with_any(terms: Terms, numbers: Int64Array) -> BoolArray:
    """Return which texts hold at least one of some terms, ``(n,)``."""
    offsets, words = terms
    is_wanted = np.zeros(int(words.max(initial=0)) + 1, dtype=np.bool_)
    is_wanted[numbers[numbers < len(is_wanted)]] = True
    return _texts_at(offsets, np.flatnonzero(is_wanted[words]))


def texts_with_phrase(terms: Terms, phrase: Sequence[tuple[int, int]], slop: int) -> BoolArray:
    """Return which texts hold a phrase, ``(n,)``.

    Args:
        terms: The words of the texts.
        phrase: Place and number of each term of it.
        slop: By how many places the terms may be shifted in all, up to ``MAX_STORED_SLOP``.
    """
    offsets, words = terms
    if slop == 0:
        return _texts_at(offsets, _exact(offsets, words, phrase))
    # Where the phrase would begin, text by text, with room between the texts; and what it costs.
    largest = max(place for place, _ in phrase)
    room = largest + 2 * slop + 1
    begins: Int64Array | None = None
    costs = np.empty(0, dtype=np.int64)
    for place, number in phrase:
        at = np.flatnonzero(words == number)
        following = at - place + room * np.searchsorted(offsets, at, side="right")
        if begins is None:
            begins, costs = following, np.zeros(len(following), dtype=np.int64)
            continue
        begins, costs = _next_begins(begins, costs, following, slop)
    found = np.zeros(len(offsets) - 1, dtype=np.bool_)
    if begins is not None:
        starts = offsets[:-1] + room * np.arange(1, len(offsets)) - largest
        found[np.searchsorted(starts, begins, side="right") - 1] = True
    return found


def _exact(
    offsets: Int64Array, words: UInt32Array, phrase: Sequence[tuple[int, int]]
) -> Int64Array:
    """Return where the first term of a phrase stands with the others at their distance."""
    (first, number), *others = phrase
    at = np.flatnonzero(words == number)
    for place, number in others:
        ahead = at + (place - first)
        ahead = ahead[: np.searchsorted(ahead, len(words))]
        at = at[: len(ahead)][words[ahead] == number]
    ends = offsets[np.searchsorted(offsets, at, side="right")]
    return at[at + (phrase[-1][0] - first) < ends]


def _next_begins(
    begins: Int64Array, costs: Int64Array, following: Int64Array, slop: int
) -> tuple[Int64Array, Int64Array]:
    """Return which of ``following`` are reached from ``begins`` for ``slop`` in all, and how."""
    best = np.full(len(following), slop + 1, dtype=np.int64)
    if len(begins):
        for shift in range(-slop, slop + 1):
            near = np.searchsorted(begins, following - shift)
            near[near == len(begins)] = 0
            reached = costs[near] + abs(shift)
            better = (begins[near] == following - shift) & (reached < best)
            best[better] = reached[better]
    kept = best <= slop
    return following[kept], best[kept]


def _texts_at(offsets: Int64Array, places: NDArray[np.int64]) -> BoolArray:
    """Return which texts some places are in, ``(n,)``."""
    found = np.zeros(len(offsets) - 1, dtype=np.bool_)
    found[np.searchsorted(offsets, places, side="right") - 1] = True
    return found
