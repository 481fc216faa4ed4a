"""Which terms does a text hold?

An ``Analyzer`` is a tokenizer and a chain of token filters. It answers for one text (a query), and
its counters for batches (inserts), and both give the same terms: the counters only remember more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from elanus.analysis import chains
from elanus.analysis.chains import AnyFilter, ExpandingChain, Finish, PlainChain, plain_filters
from elanus.analysis.characters import char_classes
from elanus.analysis.counting import BatchCounter, NativeCounter, PieceCounter, TokenBatch
from elanus.analysis.plugin_parts import AnalyzerPlugin
from elanus.analysis.token_filters import TokenFilter, native_filter
from elanus.analysis.tokenizers import Span, Tokenizer, is_native
from elanus.kernels.text import NativeFilter, QueryNumbers, QueryTokens, TokenChain, Vocabulary


class Token(NamedTuple):
    """One term of a text and where it comes from.

    Attributes:
        token: The term.
        start_offset: Where the word that it was made of begins in the text, in characters.
        end_offset: The character after its last one.
        position: The place of the word in the text, for phrases; a dropped word leaves its place
            empty. Counted in words, or in characters by ``jieba`` and ``icu``.
        position_length: How many places the word takes.
        hash: What stands for the term in the sparse vectors of Milvus; None unless asked for.
    """

    token: str
    start_offset: int
    end_offset: int
    position: int
    position_length: int
    hash: int | None = None


class Analyzer:
    """A tokenizer and its token filters. Immutable; safe from many threads at once.

    Attributes:
        runs_plugins: Whether code of others takes part, which may fail at any text.
        plugins: What others made of it.

    Args:
        tokenizer: Splits the text.
        filters: Applied to each token, first to last.
        params: What ``to_params`` returns; None describes the chain.
        plugins: Those that named the parts, besides those that are parts.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        filters: Sequence[AnyFilter],
        *,
        params: dict[str, object] | None = None,
        plugins: Sequence[AnalyzerPlugin] = (),
    ) -> None:
        self._tokenizer = tokenizer
        self._filters = tuple(filters)
        self._params = params
        parts = (tokenizer, *self._filters)
        self.runs_plugins = any(getattr(part, "runs_plugins", False) for part in parts)
        own: list[Sequence[AnalyzerPlugin]] = [getattr(part, "plugins", ()) for part in parts]
        self.plugins = (*plugins, *itertools.chain.from_iterable(own))
        plain = self._plain = _PlainTokens(tokenizer, self._filters)
        self._chain: TokenChain | None = None
        self._query_chain: TokenChain | None = None
        self._tokens: Callable[[str], list[str]] = plain.of
        if is_native(tokenizer):
            # Of `plain`, not of this object: the collector does not see through native ones.
            chain = TokenChain(tokenizer.name, (), None, plain.of, char_classes)
            self._query_chain = chain
            self._tokens = QueryTokens(chain, chains.MAX_KNOWN_TOKENS).tokens
            one_to_one = plain_filters(self._filters)
            if one_to_one is not None:
                self._chain = _native_chain(chain, one_to_one)

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
        return [(token.position, token.token) for token in self.details(text)]

    @property
    def counts_words(self) -> bool:
        """Whether each word of a text has one place and one term at most (see ``words``)."""
        return self._chain is not None

    def check(self, texts: Sequence[object], names: Sequence[object] | None = None) -> None:
        """Raise ``PluginError`` when a plug-in fails on one of the texts; ``names`` count not."""
        del names
        for text in texts:
            if isinstance(text, str):
                self.tokens(text)

    def words(self, mark: Callable[[str], str] = str) -> Callable[[str], list[str]] | None:
        """Return a function that returns the term of each word of a text, "" for a dropped one.

        Args:
            mark: Asked once for each new word; what it returns stands in place of the term.

        None where several terms may stand in one place, or a place is not a word.
        """
        if self._chain is None:
            return None
        plain = self._plain

        def analyze(piece: str) -> list[str]:
            return list(map(mark, plain.words(piece)))

        chain = replace(self._chain, analyze=analyze)
        return QueryTokens(chain, chains.MAX_KNOWN_TOKENS).tokens

    def numbers(
        self, find_all: Callable[[Sequence[str]], list[int]], max_known: int
    ) -> QueryNumbers | None:
        """Return what gives the terms of texts their numbers in a dictionary.

        Args:
            find_all: Returns the number of each term, below 0 where the dictionary lacks it.
            max_known: Distinct pieces of text whose numbers are remembered, about.

        None where the kernel lacks the tokenizer.
        """
        chain = self._query_chain
        return None if chain is None else QueryNumbers(chain, find_all, max_known)

    def details(self, text: str) -> list[Token]:
        """Return the terms of ``text`` with where they stand in it."""
        return self._plain.details(text)

    def spans(self, text: str) -> list[Span]:
        """Return the terms as the tokens of a ``Tokenizer`` that this analyzer is a part of."""
        return [Span(*token[:-1]) for token in self.details(text)]

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

    def to_params(self) -> dict[str, object]:
        """Return the parameters, JSON-able, from which ``build_analyzer`` makes this analyzer."""
        if self._params is not None:
            return dict(self._params)
        return {
            "tokenizer": self._tokenizer.to_params(),
            "filter": [token_filter.to_params() for token_filter in self._filters],
        }


def _native_chain(chain: TokenChain, filters: Sequence[TokenFilter]) -> TokenChain:
    """Return the chain as the kernel takes it: it does the first filters to words of ASCII."""
    first: list[NativeFilter] = []
    rest = tuple(filters)
    while rest and (native := native_filter(rest[0])) is not None:
        first += native
        rest = rest[1:]
    return replace(chain, filters=first, finish=Finish(rest) if rest else None)


class _PlainTokens:
    def __init__(self, tokenizer: Tokenizer, filters: tuple[AnyFilter, ...]) -> None:
        self._tokenizer = tokenizer
        self._chain: PlainChain | ExpandingChain
        plain = plain_filters(filters)
        self._chain = ExpandingChain(filters) if plain is None else PlainChain(plain)

    def of(self, text: str) -> list[str]:
        return self._chain.terms(self._tokenizer.split(text))

    def words(self, text: str) -> list[str]:
        placed = self._chain.placed(self._tokenizer.split(text))
        return [terms[0] if terms else "" for terms in placed]

    def details(self, text: str) -> list[Token]:
        spans = self._tokenizer.spans(text)
        placed = self._chain.placed([span.token for span in spans])
        pairs = zip(spans, placed, strict=True)
        return [Token(term, *span[1:]) for span, terms in pairs for term in terms]
