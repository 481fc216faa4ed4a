"""Which terms do the filters of an analyzer make of a token?

A filter looks at nothing but the token, so a chain remembers the terms of those it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from elanus.analysis.expanding_filters import ExpandingFilter
from elanus.analysis.token_filters import TokenFilter, apply_to_all

MAX_KNOWN_TOKENS = 1 << 16
"""Distinct tokens whose terms an analyzer remembers at most, twice over (see ``Known``)."""

AnyFilter = TokenFilter | ExpandingFilter
ValueT = TypeVar("ValueT")


class Known(dict[str, ValueT], Generic[ValueT]):
    """What a function says of each recent token; asks it about others on access.

    When it is full, it becomes the older half and a new one begins: what is in use moves over, the
    rest goes. Threads may do so at once; at worst a token is worked out twice.
    """

    def __init__(self, ask: Callable[[str], ValueT]) -> None:
        super().__init__()
        self._ask = ask
        self._older: dict[str, ValueT] = {}

    def __missing__(self, token: str) -> ValueT:
        if len(self) >= MAX_KNOWN_TOKENS:
            self._older = dict(self)
            self.clear()
        value = self._older[token] if token in self._older else self._ask(token)
        self[token] = value
        return value


class PlainChain:
    """A chain whose filters change or drop tokens."""

    def __init__(self, filters: Sequence[TokenFilter]) -> None:
        self._filters = tuple(filters)
        self._known = Known(self._term)

    def terms(self, tokens: list[str]) -> list[str]:
        """Return the terms of tokens, in order."""
        return [term for term in map(self._known.__getitem__, tokens) if term is not None]

    def placed(self, tokens: list[str]) -> list[tuple[str, ...]]:
        """Return the terms of each token, none where it is dropped."""
        terms = map(self._known.__getitem__, tokens)
        return [() if term is None else (term,) for term in terms]

    def _term(self, token: str) -> str | None:
        term: str | None = token
        for token_filter in self._filters:
            term = token_filter.apply(term) if term else None
        return term


class ExpandingChain:
    """A chain in which some filter makes several terms of a token."""

    def __init__(self, filters: Sequence[AnyFilter]) -> None:
        self._filters = tuple(filters)
        self._known = Known(self._terms)

    def terms(self, tokens: list[str]) -> list[str]:
        """Return the terms of tokens, in order."""
        return [term for terms in map(self._known.__getitem__, tokens) for term in terms]

    def placed(self, tokens: list[str]) -> list[tuple[str, ...]]:
        """Return the terms of each token, none where it is dropped."""
        return list(map(self._known.__getitem__, tokens))

    def _terms(self, token: str) -> tuple[str, ...]:
        terms = [token]
        for any_filter in self._filters:
            if isinstance(any_filter, ExpandingFilter):
                terms = [made for term in terms for made in any_filter.expand(term) if made]
            else:
                terms = [made for term in terms if (made := any_filter.apply(term))]
        return tuple(terms)


def plain_filters(filters: Sequence[AnyFilter]) -> tuple[TokenFilter, ...] | None:
    """Return the filters as they are if none makes several terms of a token, else None."""
    plain = tuple(f for f in filters if not isinstance(f, ExpandingFilter))
    return plain if len(plain) == len(filters) else None


class Finish:
    """Applies filters to many tokens, each filter to all of them before the next."""

    def __init__(self, filters: Sequence[TokenFilter]) -> None:
        self._filters = tuple(filters)

    def __call__(self, tokens: list[str]) -> list[str | None]:
        terms: list[str | None] = list(tokens)
        for token_filter in self._filters:
            terms = apply_to_all(token_filter, terms)
        return terms
