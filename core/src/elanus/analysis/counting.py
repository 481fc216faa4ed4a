"""How often does each term occur in each text of a batch?

``NativeCounter`` does what it can in the kernel; ``PieceCounter`` does the same in Python, for
tokenizers that the kernel does not know, and as the twin that tests hold the other against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Protocol

import numpy as np

from elanus.kernels.text import TokenChain, TokenCounter, Vocabulary
from elanus.types import ByteArray, Float32Array, Int64Array, UInt32Array

MAX_KNOWN_PIECES = 1 << 18
"""Distinct pieces of text whose term ids a counter remembers at most. 100,000 passages of English
documentation hold 228,000 distinct words; the native table of that many takes 12 MB."""
MAX_KNOWN_PIECE_LENGTH = 64
"""Longer pieces (a paragraph of Chinese) hardly ever come twice."""
# A batch is worked off in groups, so that what is kept between the steps stays in the cache.
_GROUP_CHARACTERS = 1 << 19
_GROUP_BYTES = 1 << 20


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


class BatchCounter(Protocol):
    """Counts terms of texts, batch after batch, over one growing vocabulary.

    One thread at a time.
    """

    @property
    def size_bytes(self) -> int:
        """Memory in use, roughly."""
        ...

    def count(self, texts: Sequence[str | None]) -> TokenBatch:
        """Return the term counts of each text; None counts as an empty text."""
        ...

    def count_utf8(self, offsets: Int64Array, data: ByteArray) -> TokenBatch:
        """Return the term counts of each text, given as UTF-8.

        Args:
            offsets: int64, shape ``(n + 1,)``; text ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
            data: uint8.

        Raises:
            InvalidArgumentError: ``offsets`` descend or leave ``data``.
            UnicodeDecodeError: A text is no UTF-8; not every such text is noticed.
        """
        ...


class NativeCounter:
    """Counts terms in the kernel (see ``kernels.text.TokenCounter``)."""

    def __init__(self, terms: TokenChain, vocabulary: Vocabulary) -> None:
        self._counter = TokenCounter(vocabulary, terms, MAX_KNOWN_PIECES)

    @property
    def size_bytes(self) -> int:
        return self._counter.size_bytes

    def count(self, texts: Sequence[str | None]) -> TokenBatch:
        encoded = [text.encode("utf-8", "surrogatepass") if text else b"" for text in texts]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
        return self.count_utf8(offsets, np.frombuffer(b"".join(encoded), dtype=np.uint8))

    def count_utf8(self, offsets: Int64Array, data: ByteArray) -> TokenBatch:
        num_bytes = int(offsets[-1]) - int(offsets[0])
        if num_bytes <= _GROUP_BYTES:
            return TokenBatch(*self._counter.count(offsets, data))
        steps = np.arange(int(offsets[0]), int(offsets[-1]), _GROUP_BYTES)
        cuts = [*np.unique(np.searchsorted(offsets, steps)).tolist(), len(offsets) - 1]
        return _join(
            [
                TokenBatch(*self._counter.count(offsets[start : stop + 1], data))
                for start, stop in pairwise(cuts)
            ]
        )


class _TextAnalyzer(Protocol):
    def plain_tokens(self, text: str) -> list[str]: ...

    def pieces(self, text: str) -> list[str]: ...


class PieceCounter:
    """Counts terms in Python, for any tokenizer; the twin of ``NativeCounter``.

    Running text repeats itself, so it remembers the term ids of each piece (see
    ``tokenizers.py``) and analyzes only pieces that are new. One thread at a time.
    """

    def __init__(self, analyzer: _TextAnalyzer, vocabulary: Vocabulary) -> None:
        self._analyzer = analyzer
        self._pieces = _KnownPieces(analyzer, vocabulary)
        self._vocabulary = vocabulary

    @property
    def size_bytes(self) -> int:
        """Memory in use, roughly: what CPython takes for a short string in a dict."""
        return len(self._pieces) * 150

    def count(self, texts: Sequence[str | None]) -> TokenBatch:
        """Return the term counts of each text; None counts as an empty text."""
        return _join([self._count_group(group) for group in _groups(texts)])

    def count_utf8(self, offsets: Int64Array, data: ByteArray) -> TokenBatch:
        """Return the term counts of each text, given as ``TokenCounter.count`` takes them."""
        first, last = int(offsets[0]), int(offsets[-1])
        raw = data[first:last].tobytes()
        ends = (offsets - first).tolist()
        return self.count([str(raw[a:b], "utf-8", "surrogatepass") for a, b in pairwise(ends)])

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


_NO_TERM = -1


class _KnownPieces(dict[str, int]):
    """Code of each recent piece of text; works out others on access.

    A code is the term id of a piece with one term, -1 for a piece without, and ``-2 - i`` for a
    piece whose term ids are ``_sequences[i]``. It ages like ``_KnownTerms``, but only when told to,
    since that voids codes.
    """

    def __init__(self, analyzer: _TextAnalyzer, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._analyzer = analyzer
        self._vocabulary = vocabulary
        self._older: dict[str, int] = {}
        self._sequences: list[tuple[int, ...]] = []
        self._num_sequence_ids = 0

    def __missing__(self, piece: str) -> int:
        code = self._older.get(piece)
        if code is None:
            code = self._code(tuple(map(self._vocabulary.add, self._analyzer.plain_tokens(piece))))
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


def _join(groups: list[TokenBatch]) -> TokenBatch:
    if len(groups) == 1:
        return groups[0]
    sizes = [np.diff(group.offsets) for group in groups]
    offsets = np.zeros(sum(map(len, sizes)) + 1, dtype=np.int64)
    if groups:
        np.cumsum(np.concatenate(sizes), out=offsets[1:])
    return TokenBatch(
        offsets,
        np.concatenate([g.term_ids for g in groups] or [np.empty(0, np.uint32)]),
        np.concatenate([g.counts for g in groups] or [np.empty(0, np.float32)]),
        np.concatenate([g.lengths for g in groups] or [np.empty(0, np.uint32)]),
    )
