"""Which texts do the rows of many sources hold, as numbers in the order of the texts?

Nothing but the different texts becomes an object of Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elanus.errors import InternalError
from elanus.filter.strings import CodedStrings, StringStore
from elanus.query.sources import SearchSource
from elanus.schema.batches import ArrayColumn, StringColumn
from elanus.types import Int64Array

NO_RANK = -1
"""Rank of a row where no text stands."""
_FEW = 4
"""Texts of fewer rows than one in so many are numbered by themselves."""


class RankedTexts(NamedTuple):
    """Texts as their places among all different ones.

    Attributes:
        ranks: int64 for each part, one for each of its rows; ``NO_RANK`` where it has no text.
        known: The text with each rank, ascending.
    """

    ranks: list[Int64Array]
    known: list[str]


def rank_texts(parts: Sequence[CodedStrings], first: int = 0) -> RankedTexts:
    """Return the texts of all parts by rank, from ``first`` on."""
    used = [_used(part) for part in parts]
    known = sorted({text for _, texts in used for text in texts})
    rank_of = {text: rank for rank, text in enumerate(known, first)}
    ranks = []
    for part, (codes, texts) in zip(parts, used, strict=True):
        # A place more, which is that of the code of no text.
        table = np.full(len(part.dictionary) + 1, NO_RANK, dtype=np.int64)
        table[codes] = np.fromiter(map(rank_of.__getitem__, texts), np.int64, len(texts))
        ranks.append(table[part.codes])
    return RankedTexts(ranks, known)


def texts_of(
    sources: Sequence[SearchSource], matching: Sequence[Int64Array], name: str
) -> RankedTexts:
    """Return the texts of a VARCHAR field in some rows (int64, ascending) of each source."""
    parts = []
    for source, rows in zip(sources, matching, strict=True):
        if len(rows) * _FEW < source.num_rows:
            parts.append(_numbered(source.column(name).take(rows)))
        elif len(rows):
            coded = source.columns.strings(name)
            parts.append(CodedStrings(coded.codes[rows], coded.dictionary))
    return rank_texts(parts)


def texts_of_arrays(
    sources: Sequence[SearchSource], matching: Sequence[Int64Array], name: str
) -> RankedTexts:
    """Return the texts in an array of texts, each once for each of some rows of the sources."""
    parts, owners = [], []
    for source, rows in zip(sources, matching, strict=True):
        column = source.column(name).take(rows)
        if not isinstance(column, ArrayColumn):
            raise InternalError(f"{name} holds no arrays")
        parts.append(_numbered(column.flat_items()))
        owners.append(np.repeat(np.arange(len(rows)), np.diff(column.offsets)))
    found, known = rank_texts(parts)
    once = []
    for owner, ranks in zip(owners, found, strict=True):
        # Sorted: np.unique of whole numbers alone looks them up in a table, which takes far longer.
        pairs = np.sort(owner * len(known) + ranks)
        once.append(pairs[np.diff(pairs, prepend=-1) != 0] % max(1, len(known)))
    return RankedTexts(once, known)


def _numbered(column: object) -> CodedStrings:
    if not isinstance(column, StringColumn):
        raise InternalError(f"expected a column of texts, got {type(column).__name__}")
    return StringStore(lambda start, stop: column).strings(len(column))


def _used(strings: CodedStrings) -> tuple[Int64Array, list[str]]:
    """Return the codes that some row has, ascending, and their texts."""
    is_used = np.zeros(len(strings.dictionary), dtype=np.bool_)
    is_used[strings.codes[strings.codes >= 0]] = True
    codes = np.flatnonzero(is_used)
    stored = strings.dictionary.stored
    texts = strings.dictionary.texts()[codes] if stored is None else stored.take(codes).to_pylist()
    return codes, [str(text) for text in texts]
