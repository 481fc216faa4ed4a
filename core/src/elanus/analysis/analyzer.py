"""Which terms does a text hold, and how often?

An ``Analyzer`` is a tokenizer and a chain of token filters. It answers for one text (a query) and
for a batch (an insert), and both give the same terms: the batch only remembers what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from elanus.analysis.token_filters import TokenFilter
from elanus.analysis.tokenizers import Tokenizer
from elanus.types import Float32Array, Int64Array, UInt32Array

MAX_KNOWN_TOKENS = 1 << 16
"""Distinct tokens whose term an analyzer remembers at most, twice over (see ``_Recent``)."""
MAX_KNOWN_PIECES = 1 << 18
"""Distinct pieces of text whose term ids a ``BatchCounter`` remembers at most, twice over; some
30 MB each time. 100,000 passages of English documentation hold 390,000."""
MAX_KNOWN_PIECE_LENGTH = 64
"""Longer pieces (a paragraph of Chinese) hardly ever come twice."""
_GROUP_CHARACTERS = 1 << 19  # A batch is worked off in groups, so that its token lists stay small.


class Vocabulary:
    """Terms numbered in order of first appearance; it only grows.

    One thread adds at a time; any number may look up meanwhile.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._terms: list[str] = []

    def __len__(self) -> int:
        return len(self._terms)

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def add(self, term: str) -> int:
        """Return the id of ``term``, giving it the next one if it is new."""
        known = self._ids.get(term)
        if known is not None:
            return known
        # The list first: a reader who finds an id must find its term.
        self._terms.append(term)
        number = len(self._terms) - 1
        self._ids[term] = number
        return number

    def id_of(self, term: str) -> int | None:
        """Return the id of ``term``, or None if no text held it yet."""
        return self._ids.get(term)

    def term(self, term_id: int) -> str:
        """Return the term with this id."""
        return self._terms[term_id]


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """How often each term occurs in each row of a batch, in CSR form.

    Row ``i`` has the distinct terms ``term_ids[offsets[i]:offsets[i + 1]]`` (uint32, ascending ids
    of a ``Vocabulary``), each as often as ``counts`` (float32) says at the same place. ``offsets``
    is int64 of shape ``(n + 1,)``; ``lengths`` is uint32 of shape ``(n,)``, the tokens of each row
    that the filters let through.
    """

    offsets: Int64Array
    term_ids: UInt32Array
    counts: Float32Array
    lengths: UInt32Array


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
        self._known_terms = _KnownTerms(self._filters)

    def tokens(self, text: str) -> list[str]:
        """Return the terms of ``text`` in order, repeats included."""
        tokens = self._tokenizer.split(text)
        return [term for term in map(self._known_terms.__getitem__, tokens) if term is not None]

    def pieces(self, text: str) -> list[str]:
        """Cut ``text`` so that the terms of the pieces, end to end, are those of the text."""
        return self._tokenizer.pieces(text)

    def counter(self, vocabulary: Vocabulary) -> BatchCounter:
        """Return a counter that turns batches of texts into counts over ``vocabulary``."""
        return BatchCounter(self, vocabulary)

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
            "tokenizer": self._tokenizer.name,
            "filter": [token_filter.to_params() for token_filter in self._filters],
        }


class BatchCounter:
    """Counts terms of texts, batch after batch, over one growing vocabulary.

    Running text repeats itself, so it remembers the term ids of each piece (see
    ``tokenizers.py``) and analyzes only pieces that are new. One thread at a time.
    """

    def __init__(self, analyzer: Analyzer, vocabulary: Vocabulary) -> None:
        self._analyzer = analyzer
        self._pieces = _KnownPieces(analyzer, vocabulary)
        self._vocabulary = vocabulary

    def count(self, texts: Sequence[str | None]) -> TokenBatch:
        """Return the term counts of each text; None counts as an empty text."""
        groups = [self._count_group(group) for group in _groups(texts)]
        if len(groups) == 1:
            return groups[0]
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        if groups:
            np.cumsum(np.concatenate([np.diff(g.offsets) for g in groups]), out=offsets[1:])
        return TokenBatch(
            offsets,
            np.concatenate([g.term_ids for g in groups] or [np.empty(0, np.uint32)]),
            np.concatenate([g.counts for g in groups] or [np.empty(0, np.float32)]),
            np.concatenate([g.lengths for g in groups] or [np.empty(0, np.uint32)]),
        )

    def _count_group(self, texts: Sequence[str | None]) -> TokenBatch:
        self._pieces.age()
        rows, ids = self._flat_ids(texts)
        num_rows = len(texts)
        lengths = np.bincount(rows, minlength=num_rows).astype(np.uint32)
        # One sort of (row, term) pairs packed into an integer replaces a dict per row.
        num_terms = max(len(self._vocabulary), 1)
        keys = rows * num_terms + ids
        keys.sort()
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=len(keys))
        keys = keys[first]
        row_of_key = keys // num_terms
        offsets = np.zeros(num_rows + 1, dtype=np.int64)
        np.cumsum(np.bincount(row_of_key, minlength=num_rows), out=offsets[1:])
        return TokenBatch(
            offsets,
            (keys - row_of_key * num_terms).astype(np.uint32),
            counts.astype(np.float32),
            lengths,
        )

    def _flat_ids(self, texts: Sequence[str | None]) -> tuple[Int64Array, Int64Array]:
        """Return row and term id of every token, both int64; the order is of no meaning."""
        split = [self._analyzer.pieces(text) if text else [] for text in texts]
        sizes = np.fromiter(map(len, split), dtype=np.int64, count=len(split))
        codes = np.fromiter(
            map(self._pieces.__getitem__, chain.from_iterable(split)),
            dtype=np.int64,
            count=int(sizes.sum()),
        )
        rows = np.repeat(np.arange(len(texts), dtype=np.int64), sizes)
        one_term = codes >= 0
        several = np.flatnonzero(codes < _NO_TERM)
        if not len(several):
            return rows[one_term], codes[one_term]
        sequences = self._pieces.sequences_of(codes[several])
        sizes = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        more_ids = np.fromiter(
            chain.from_iterable(sequences), dtype=np.int64, count=int(sizes.sum())
        )
        return (
            np.concatenate([rows[one_term], np.repeat(rows[several], sizes)]),
            np.concatenate([codes[one_term], more_ids]),
        )


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


_NO_TERM = -1


class _KnownPieces(dict[str, int]):
    """Code of each recent piece of text; works out others on access.

    A code is the term id of a piece with one term, -1 for a piece without, and ``-2 - i`` for a
    piece whose term ids are ``_sequences[i]``. It ages like ``_KnownTerms``, but only when told to,
    since that voids codes.
    """

    def __init__(self, analyzer: Analyzer, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._analyzer = analyzer
        self._vocabulary = vocabulary
        self._older: dict[str, int] = {}
        self._sequences: list[tuple[int, ...]] = []
        self._num_sequence_ids = 0

    def __missing__(self, piece: str) -> int:
        code = self._older.get(piece)
        if code is None:
            code = self._code(tuple(map(self._vocabulary.add, self._analyzer.tokens(piece))))
        if len(piece) <= MAX_KNOWN_PIECE_LENGTH:
            self[piece] = code
        return code

    def _code(self, ids: tuple[int, ...]) -> int:
        if len(ids) < 2:
            return ids[0] if ids else _NO_TERM
        self._sequences.append(ids)
        self._num_sequence_ids += len(ids)
        return _NO_TERM - len(self._sequences)

    def sequences_of(self, codes: Int64Array) -> list[tuple[int, ...]]:
        """Return the term ids of pieces with several terms."""
        sequences = self._sequences
        return [sequences[i] for i in (_NO_TERM - 1 - codes).tolist()]

    def age(self) -> None:
        """Forget what was not in use lately, if it is much; codes handed out before are void."""
        if len(self) + self._num_sequence_ids < MAX_KNOWN_PIECES:
            return
        sequences = self._sequences
        self._sequences, self._num_sequence_ids = [], 0
        self._older = {
            piece: code if code >= _NO_TERM else self._code(sequences[_NO_TERM - 1 - code])
            for piece, code in self.items()
        }
        if self._num_sequence_ids >= MAX_KNOWN_PIECES // 2:
            self._older, self._sequences, self._num_sequence_ids = {}, [], 0
        self.clear()


def _groups(texts: Sequence[str | None]) -> Iterator[Sequence[str | None]]:
    start = characters = 0
    for position, text in enumerate(texts):
        characters += len(text) if text else 0
        if characters >= _GROUP_CHARACTERS:
            yield texts[start : position + 1]
            start, characters = position + 1, 0
    if start < len(texts):
        yield texts[start:]
