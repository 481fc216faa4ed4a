"""Does a text hold the terms, or the phrase, of another text?

Both are cut into terms by the analyzer of the field, so that what BM25 finds and what a filter
finds are the same words. Places of words are those of the tokenizer: a word that a filter drops
leaves its place empty, as in Tantivy and Lucene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from elanus.analysis.analyzer import Analyzer

MAX_MINIMUM = 1_000
"""Milvus' limit on ``minimum_should_match``."""
MAX_SLOP = 2**31 - 1
"""Largest slop; further than any two words of a text are apart."""


def terms_matcher(analyzer: Analyzer, query: str, minimum: int) -> Callable[[str], bool]:
    """Return a function that tells whether a text holds enough terms of ``query``.

    Args:
        analyzer: Cuts the query and the texts.
        query: Its terms count once each. Without terms it is in no text.
        minimum: How many different terms a text must hold. More than there are is never reached.
    """
    wanted = frozenset(analyzer.tokens(query))
    if minimum == 1:
        return lambda text: not wanted.isdisjoint(analyzer.tokens(text))
    return lambda text: len(wanted.intersection(analyzer.tokens(text))) >= minimum


def phrase_matcher(analyzer: Analyzer, query: str, slop: int) -> Callable[[str], bool]:
    """Return a function that tells whether a text holds ``query`` as a phrase.

    Args:
        analyzer: Cuts the query and the texts.
        query: Without terms it is in no text.
        slop: By how many places the terms may be shifted, all shifts from one term to the next
            together. 0: side by side and in order. Exchanging two neighbours takes 2.
    """
    phrase = analyzer.places(query)
    wanted = frozenset(term for _, term in phrase)

    def holds(text: str) -> bool:
        # Most texts lack a term, and finding that out is native code.
        if not wanted or not wanted.issubset(analyzer.tokens(text)):
            return False
        places: dict[str, list[int]] = {term: [] for term in wanted}
        for place, term in analyzer.places(text):
            if term in places:
                places[term].append(place)
        # Where the phrase would begin if this term stood at its place in it.
        begins = [[place - offset for place in places[term]] for offset, term in phrase]
        return _fewest_shifts(begins, slop)

    return holds


def _fewest_shifts(begins: Sequence[list[int]], slop: int) -> bool:
    """Whether one number of each ascending list can be chosen so that they are near each other.

    From one to the next they differ by ``slop`` in sum at most.
    """
    costs = dict.fromkeys(begins[0], 0)
    for following in begins[1:]:
        from_below = _nearest(sorted(costs.items()), following)
        mirrored = sorted((-begin, cost) for begin, cost in costs.items())
        from_above = _nearest(mirrored, [-begin for begin in reversed(following)])
        reached = zip(following, from_below, reversed(list(from_above)), strict=True)
        costs = {begin: int(min(b, a)) for begin, b, a in reached if min(b, a) <= slop}
    return bool(costs)


def _nearest(sources: list[tuple[int, int]], targets: Sequence[int]) -> Iterator[float]:
    """Yield the lowest cost of each target, reached from the sources at or below it."""
    lowest, used = math.inf, 0
    for target in targets:
        while used < len(sources) and sources[used][0] <= target:
            begin, cost = sources[used]
            lowest = min(lowest, cost - begin)
            used += 1
        yield lowest + target
