"""Which terms does a text hold?

An ``Analyzer`` is a tokenizer and a chain of token filters. It answers for one text (a query), and
its counters for batches (inserts), and both give the same terms: the counters only remember more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from elanus.analysis.characters import char_classes
from elanus.analysis.counting import BatchCounter, NativeCounter, PieceCounter, TokenBatch
from elanus.analysis.token_filters import TokenFilter, apply_to_all, native_filter
from elanus.analysis.tokenizers import Tokenizer, is_native
from elanus.kernels.text import NativeFilter, QueryTokens, TokenChain, Vocabulary

MAX_KNOWN_TOKENS = 1 << 16
"""Distinct tokens whose term an analyzer remembers at most, twice over (see ``_KnownTerms``)."""


class Analyzer:
    """A tokenizer and its token filters. Immutable; safe from many threads at once.

    Args:
        tokenizer: Splits the text.
        filters: Applied to each token, first to last.
        params: What ``to_params`` returns; None describes the chain.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        filters: Sequence[TokenFilter],
        *,
        params: dict[str, object] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._filters = tuple(filters)
        self._params = params
        plain = _PlainTokens(tokenizer, self._filters)
        self._plain = plain
        self._chain: TokenChain | None = None
        self._tokens: Callable[[str], list[str]] = plain.of
        if is_native(tokenizer):
            # Of `plain`, not of this object: the collector does not see through native ones.
            self._chain = self._native_chain(plain.of)
            self._tokens = QueryTokens(self._chain, MAX_KNOWN_TOKENS).tokens

    def tokens(self, text: str) -> list[str]:
        """Return the terms of ``text`` in order, repeats included."""
        return self._tokens(text)

    def plain_tokens(self, text: str) -> list[str]:
        """Return what ``tokens`` returns, in Python: its twin, and the source of what is new."""
        return self._plain.of(text)

    def places(self, text: str) -> list[tuple[int, str]]:
        """Return the terms of ``text`` with their places among its words, from 0.

        A word that a filter drops leaves its place empty.
        """
        return self._plain.places(text)

    def pieces(self, text: str) -> list[str]:
        """Cut ``text`` so that the terms of the pieces, end to end, are those of the text."""
        return self._tokenizer.pieces(text)

    def counter(self, vocabulary: Vocabulary) -> BatchCounter:
        """Return a counter that turns batches of texts into counts over ``vocabulary``."""
        if self._chain is None:
            return PieceCounter(self, vocabulary)
        return NativeCounter(self._chain, vocabulary)

    def analyze_batch(self, texts: Sequence[str | None], vocabulary: Vocabulary) -> TokenBatch:
        """Count the terms of each text; new terms join ``vocabulary``.

        For one batch after another over one vocabulary, keep a ``counter`` instead: it remembers
        the pieces of text it has seen.
        """
        return self.counter(vocabulary).count(texts)

    def _native_chain(self, analyze: Callable[[str], list[str]]) -> TokenChain:
        """Return the chain as the kernel takes it: it does the first filters to words of ASCII."""
        first: list[NativeFilter] = []
        rest = self._filters
        while rest and (native := native_filter(rest[0])) is not None:
            first += native
            rest = rest[1:]
        finish = _Finish(rest) if rest else None
        return TokenChain(self._tokenizer.name, first, finish, analyze, char_classes)

    def to_params(self) -> dict[str, object]:
        """Return the parameters, JSON-able, from which ``build_analyzer`` makes this analyzer."""
        if self._params is not None:
            return dict(self._params)
        return {
            "tokenizer": self._tokenizer.name,
            "filter": [token_filter.to_params() for token_filter in self._filters],
        }


class _PlainTokens:
    def __init__(self, tokenizer: Tokenizer, filters: tuple[TokenFilter, ...]) -> None:
        self._tokenizer = tokenizer
        self._known_terms = _KnownTerms(filters)

    def of(self, text: str) -> list[str]:
        tokens = self._tokenizer.split(text)
        return [term for term in map(self._known_terms.__getitem__, tokens) if term is not None]

    def places(self, text: str) -> list[tuple[int, str]]:
        terms = map(self._known_terms.__getitem__, self._tokenizer.split(text))
        return [(place, term) for place, term in enumerate(terms) if term is not None]


class _KnownTerms(dict[str, "str | None"]):
    """Term of each recent token, or None where a filter drops it; works out others on access.

    When it is full, it becomes the older half and a new one begins: what is in use moves over, the
    rest goes. Threads may do so at once; at worst a token is worked out twice.
    """

    def __init__(self, filters: tuple[TokenFilter, ...]) -> None:
        super().__init__()
        self._filters = filters
        self._older: dict[str, str | None] = {}

    def __missing__(self, token: str) -> str | None:
        if len(self) >= MAX_KNOWN_TOKENS:
            self._older = dict(self)
            self.clear()
        if token in self._older:
            term = self._older[token]
        else:
            term = token
            for token_filter in self._filters:
                term = token_filter.apply(term) if term else None
        self[token] = term
        return term


class _Finish:
    """Applies filters to many tokens, each filter to all of them before the next."""

    def __init__(self, filters: tuple[TokenFilter, ...]) -> None:
        self._filters = filters

    def __call__(self, tokens: list[str]) -> list[str | None]:
        terms: list[str | None] = list(tokens)
        for token_filter in self._filters:
            terms = apply_to_all(token_filter, terms)
        return terms
