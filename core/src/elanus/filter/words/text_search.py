"""Does a text hold the terms, or the phrase, of another text?

Both are cut into terms by the analyzer of the field, so that what BM25 finds and what a filter
finds are the same words. Places of words are those of the tokenizer: a word that a filter drops
leaves its place empty, as in Tantivy and Lucene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.analysis.multi import MultiAnalyzer, shared_analyzer
from elanus.filter.columns import FilterColumns
from elanus.filter.evaluator import LanguageTest, TextTest
from elanus.filter.logic import Condition, Leaf, Truth, truth_of
from elanus.filter.values.typed_operands import TextField
from elanus.filter.words.edit_distance import is_within
from elanus.filter.words.term_store import (
    MAX_STORED_SLOP,
    TermStore,
    texts_with_any,
    texts_with_phrase,
    texts_with_terms,
)
from elanus.schema.fields import AnalyzerSpec
from elanus.types import BoolArray

MAX_MINIMUM = 1_000
"""Milvus' limit on ``minimum_should_match``."""
MAX_KEPT_ANSWERS = 100_000
"""Different terms of which one question keeps whether they are near."""
MAX_SLOP = 2**31 - 1
"""Largest slop; further than any two words of a text are apart."""


class TermsQuestion(NamedTuple):
    """Whether a text holds enough terms of another.

    Attributes:
        query: Its terms count once each. Without terms it is in no text.
        minimum: How many different terms a text must hold. More than there are is never reached.
    """

    query: str
    minimum: int

    def matcher(self, analyzer: Analyzer) -> Callable[[str], bool]:
        """Return a function that answers for one text."""
        wanted, minimum = frozenset(analyzer.tokens(self.query)), self.minimum
        if minimum == 1:
            return lambda text: not wanted.isdisjoint(analyzer.tokens(text))
        return lambda text: len(wanted.intersection(analyzer.tokens(text))) >= minimum

    def table(self, analyzer: Analyzer, store: TermStore) -> BoolArray | None:
        """Return the answer for each text of a store; None when it cannot tell."""
        found = store.numbers(list(dict.fromkeys(analyzer.tokens(self.query))))
        return None if found is None else texts_with_terms(found[1], found[0], self.minimum)


class FuzzyQuestion(NamedTuple):
    """Whether a text holds a term that is spelled almost as one of another text.

    Attributes:
        query: Without terms it is in no text.
        most: By how many edits the terms may differ, up to ``MAX_EDITS``.
    """

    query: str
    most: int

    def matcher(self, analyzer: Analyzer) -> Callable[[str], bool]:
        """Return a function that answers for one text."""
        wanted = frozenset(analyzer.tokens(self.query))

        @lru_cache(maxsize=MAX_KEPT_ANSWERS)
        def is_near(term: str) -> bool:
            return any(is_within(term, other, self.most) for other in wanted)

        return lambda text: any(map(is_near, analyzer.tokens(text)))

    def table(self, analyzer: Analyzer, store: TermStore) -> BoolArray | None:
        """Return the answer for each text of a store; None when it cannot tell."""
        found = store.numbers_near(list(dict.fromkeys(analyzer.tokens(self.query))), self.most)
        return None if found is None else texts_with_any(found[1], found[0])


class PhraseQuestion(NamedTuple):
    """Whether a text holds another as a phrase.

    Attributes:
        query: Without terms it is in no text.
        slop: By how many places the terms may be shifted, all shifts from one term to the next
            together. 0: side by side and in order. Exchanging two neighbours takes 2.
    """

    query: str
    slop: int

    def matcher(self, analyzer: Analyzer) -> Callable[[str], bool]:
        """Return a function that answers for one text."""
        phrase = analyzer.places(self.query)
        if not phrase:
            return lambda text: False
        words, slop = analyzer.words(), self.slop
        if words is None or slop:
            return _matcher_of_places(analyzer, phrase, slop)
        first = phrase[0][0]
        terms = [(term, place - first) for place, term in phrase]
        return lambda text: _stands_in(words(text), terms)

    def table(self, analyzer: Analyzer, store: TermStore) -> BoolArray | None:
        """Return the answer for each text of a store; None when it cannot tell."""
        phrase = analyzer.places(self.query)
        fits = self.slop <= MAX_STORED_SLOP
        found = store.numbers([term for _, term in phrase]) if fits else None
        if found is None:
            return None
        numbers, terms = found
        placed = [(p, n) for (p, _), n in zip(phrase, numbers, strict=True) if n is not None]
        if not placed or len(placed) < len(phrase):
            return np.zeros(len(terms[0]) - 1, dtype=np.bool_)
        return texts_with_phrase(terms, placed, self.slop)


TextQuestion: TypeAlias = TermsQuestion | FuzzyQuestion | PhraseQuestion


@dataclass(frozen=True, slots=True)
class StoredTextTest(Leaf):
    """A question about the words of texts, which are kept as numbers."""

    operand: TextField
    analyzer: Analyzer
    question: TextQuestion

    needs_all_rows = True

    def guess(self) -> tuple[float, float]:
        return 0.1, 50.0

    def scan(self, columns: FilterColumns) -> Truth:
        values, analyzer = self.operand.load(columns), self.analyzer
        if values.strings is None:
            return truth_of(np.zeros(columns.num_rows, dtype=np.bool_), values.known)
        table = self.question.table(analyzer, columns.terms(self.operand.name, analyzer))
        if table is None:
            return TextTest(self.operand, self.question.matcher(analyzer)).evaluate(columns)
        # The code of a row without a text reaches the last place.
        return truth_of(np.append(table, False)[values.strings.codes], values.known)


def condition(operand: TextField, spec: AnalyzerSpec, question: TextQuestion) -> Condition:
    """Return the condition that asks a question about the texts of a field.

    Args:
        operand: The field.
        spec: How it is analyzed.
        question: What to ask.

    Raises:
        SchemaError: There is no such analyzer.
    """
    analyzer = shared_analyzer(spec)
    if isinstance(analyzer, MultiAnalyzer):
        matchers = tuple(map(question.matcher, analyzer.analyzers))
        return LanguageTest(operand, analyzer.by_field, analyzer.numbers, matchers)
    if analyzer.counts_words:
        return StoredTextTest(operand, analyzer, question)
    return TextTest(operand, question.matcher(analyzer))


def _stands_in(words: list[str], terms: list[tuple[str, int]]) -> bool:
    """Whether the terms stand among the words of a text at some place, each at its distance."""
    # The search for the first word is native code; most texts lack it, or another one.
    (anchor, _), *others = terms
    for term, _ in others:
        if term not in words:
            return False
    start, last = 0, max(len(words) - terms[-1][1], 0)
    while True:
        try:
            start = words.index(anchor, start, last)
        except ValueError:
            return False
        if all(words[start + distance] == term for term, distance in others):
            return True
        start += 1


def _matcher_of_places(
    analyzer: Analyzer, phrase: list[tuple[int, str]], slop: int
) -> Callable[[str], bool]:
    """Return ``PhraseQuestion.matcher`` for any analyzer and slop."""
    wanted = frozenset(term for _, term in phrase)

    def holds(text: str) -> bool:
        if not wanted.issubset(analyzer.tokens(text)):
            return False
        return _fewest_shifts(_begins(analyzer, phrase, text), slop) is not None

    return holds


def _begins(analyzer: Analyzer, phrase: list[tuple[int, str]], text: str) -> list[list[int]]:
    """Return, for each term of a phrase, where in a text the phrase would begin if this term stood
    at its place in it."""
    places: dict[str, list[int]] = {term: [] for _, term in phrase}
    for place, term in analyzer.places(text):
        if term in places:
            places[term].append(place)
    return [sorted(place - offset for place in places[term]) for offset, term in phrase]


def fewest_shifts(analyzer: Analyzer, query: str, text: str) -> int | None:
    """Return the smallest slop at which a text holds another as a phrase; None: at no slop."""
    phrase = analyzer.places(query)
    return _fewest_shifts(_begins(analyzer, phrase, text), MAX_SLOP) if phrase else None


def _fewest_shifts(begins: Sequence[list[int]], slop: int) -> int | None:
    """Choose one number of each ascending list so that they are near each other.

    Returns:
        By how much they differ from one to the next, in sum; None if that is more than ``slop``.
    """
    costs = dict.fromkeys(begins[0], 0)
    for following in begins[1:]:
        from_below = _nearest(sorted(costs.items()), following)
        mirrored = sorted((-begin, cost) for begin, cost in costs.items())
        from_above = _nearest(mirrored, [-begin for begin in reversed(following)])
        reached = zip(following, from_below, reversed(list(from_above)), strict=True)
        costs = {begin: int(min(b, a)) for begin, b, a in reached if min(b, a) <= slop}
    return min(costs.values(), default=None)


def _nearest(sources: list[tuple[int, int]], targets: Sequence[int]) -> Iterator[float]:
    """Yield the lowest cost of each target, reached from the sources at or below it."""
    lowest, used = math.inf, 0
    for target in targets:
        while used < len(sources) and sources[used][0] <= target:
            begin, cost = sources[used]
            lowest = min(lowest, cost - begin)
            used += 1
        yield lowest + target
