"""Which rows hold which text?

Every distinct text of a column gets a number in the order of its first appearance; a row holds the
number of its text. A question about texts is asked once per distinct text, and the rows follow by
one look-up of codes. Dictionaries only grow, so what a reader holds stays right while a writer
appends.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InternalError
from elanus.filter.operators import CompareOp
from elanus.filter.values.numbers import compared_rows
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import ArrayColumn, Column, StringColumn
from elanus.types import AnyArray, BoolArray, Float64Array

Codes: TypeAlias = NDArray[np.signedinteger[Any]]
ReadRows: TypeAlias = Callable[[int, int], Column]
"""Returns rows ``start`` to ``stop`` of one column."""

NO_TEXT = -1
"""Code of a row that holds no text."""
MAX_COMPARED = 5
"""Texts that are compared one by one: a look-up of all rows takes as long."""
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
"""Texts that count as numbers where that is asked for: decimal ones."""
_OF_NO_ROW = -2
TEXT_BYTES = 150
"""Bytes that a numbered text takes in memory besides its characters."""
"""Code of a text that no row holds."""


def numbers_of(texts: Sequence[str]) -> Float64Array:
    """Return the number that each text is, NaN where it is none."""
    read = [float(text) if _NUMBER.fullmatch(text) else np.nan for text in texts]
    return np.array(read, dtype=np.float64)


class StringDictionary:
    """Distinct texts, numbered from 0 in the order of their first appearance.

    ``encode`` must not run twice at once; everything else may run beside it.
    Tables have one place per text and one more, False, which the code -1 reaches.
    """

    def __init__(self) -> None:
        self.stored: StringColumn | None = None
        """The texts by code as they lie in a file, where they were read from one."""
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []
        self._numbers: Float64Array = np.empty(0)
        self._sorted: tuple[list[str], NDArray[np.int64]] = ([], np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def held_bytes(self) -> int:
        """Bytes that the texts take in memory, roughly."""
        return sum(map(len, self._texts)) + TEXT_BYTES * len(self._texts)

    @classmethod
    def of(cls, texts: Sequence[str], stored: StringColumn | None = None) -> StringDictionary:
        """Return the dictionary in which text ``i`` has the number ``i``; no text stands twice.

        Args:
            texts: The texts.
            stored: The same as they lie in a file.
        """
        made = cls()
        made.stored = stored
        made._texts = list(texts)
        made._codes = {text: code for code, text in enumerate(made._texts)}
        return made

    def encode(self, texts: Sequence[str]) -> Codes:
        """Return the code of each text; new texts get the next numbers."""
        codes = self._codes
        # One dict operation per row, once in the life of the row: hashing is not an array
        # operation, and every later question is.
        made = np.fromiter(
            (codes.setdefault(text, len(codes)) for text in texts), np.int32, len(texts)
        )
        self._texts.extend(islice(codes, len(self._texts), None))
        return made

    def code(self, text: str) -> int | None:
        """Return the code of ``text``, or None when no row holds it."""
        return self._codes.get(text)

    def since(self, code: int) -> list[str]:
        """Return the texts with codes from ``code`` on."""
        return self._texts[code:]

    def texts(self) -> NDArray[np.object_]:
        """Return the texts by code, and None at the end for the code -1."""
        return np.array([*self._texts, None], dtype=np.object_)

    def numbers(self) -> Float64Array:
        """Return by code the number that a text is, NaN where it is none."""
        known = self._numbers
        if len(known) != len(self._texts) + 1:
            added = self._texts[max(len(known) - 1, 0) :]
            known = np.concatenate([known[:-1], numbers_of(added), [np.nan]])
            self._numbers = known
        return known

    def table(self, predicate: Callable[[str], bool], codes: Codes | None = None) -> BoolArray:
        """Return for each code whether ``predicate`` holds for its text.

        Args:
            predicate: Asked once for each text.
            codes: Texts to ask about; False for all others. None asks about all.
        """
        texts = self._texts[:]
        table = np.zeros(len(texts) + 1, dtype=np.bool_)
        if codes is None:
            table[:-1] = np.fromiter(map(predicate, texts), np.bool_, len(texts))
        else:
            asked = codes[codes >= 0]
            table[asked] = [predicate(texts[code]) for code in asked.tolist()]
        return table

    def table_of(self, texts: Iterable[str]) -> BoolArray:
        """Return for each code whether its text is one of ``texts``."""
        size = len(self._texts)
        table = np.zeros(size + 1, dtype=np.bool_)
        found = (self._codes.get(text, size) for text in texts)
        table[[code for code in found if code < size]] = True
        return table

    def span_in_order(self, op: CompareOp, text: str) -> tuple[int, int] | None:
        """Return the first code and the one behind the last of texts that are before or behind
        ``text``; None: these do not follow each other."""
        return None

    def span_of_prefix(self, prefix: str) -> tuple[int, int] | None:
        """Return the first code and the one behind the last of texts that begin with ``prefix``,
        which is not empty; None: these do not follow each other."""
        return None

    def table_in_order(self, op: CompareOp, text: str) -> BoolArray:
        """Return for each code whether its text is before or behind ``text``.

        Order is that of code points, which is also that of UTF-8 bytes.
        """
        texts, order = self._in_order()
        table = np.zeros(len(texts) + 1, dtype=np.bool_)
        if op in (CompareOp.LT, CompareOp.GE):
            place = bisect_left(texts, text)
        else:
            place = bisect_right(texts, text)
        chosen = order[:place] if op in (CompareOp.LT, CompareOp.LE) else order[place:]
        table[chosen] = True
        return table

    def _in_order(self) -> tuple[list[str], NDArray[np.int64]]:
        known = self._sorted
        texts = self._texts[:]
        if len(known[0]) != len(texts):
            order = sorted(range(len(texts)), key=texts.__getitem__)
            known = ([texts[i] for i in order], np.array(order, dtype=np.int64))
            self._sorted = known
        return known


@dataclass(frozen=True, slots=True)
class CodedStrings:
    """Texts of rows as numbers.

    Attributes:
        codes: Signed integers of shape ``(n,)``; -1 where a row holds no text.
        dictionary: What the numbers stand for.
    """

    codes: Codes
    dictionary: StringDictionary

    def first(self, num_rows: int) -> CodedStrings:
        """Return the first rows, as a view."""
        return CodedStrings(self.codes[:num_rows], self.dictionary)

    def compare(self, op: CompareOp, text: str) -> BoolArray:
        """Return where ``row op text`` holds; False where a row holds no text."""
        if op is CompareOp.EQ or op is CompareOp.NE:
            code = self.dictionary.code(text)
            holds = self.codes == (_OF_NO_ROW if code is None else code)
            if op is CompareOp.NE:
                holds = (self.codes != NO_TEXT) & ~holds
            return np.asarray(holds)
        span = self.dictionary.span_in_order(op, text)
        if span is not None:
            return self.between(*span)
        return self._look_up(self.dictionary.table_in_order(op, text))

    def rows_of(self, text: str) -> Bitset:
        """Return the rows that hold ``text``."""
        code = self.dictionary.code(text)
        if code is None:
            return Bitset.empty(len(self.codes))
        return compared_rows(self.codes, CompareOp.EQ, code)

    def is_in(self, texts: Collection[str]) -> BoolArray:
        """Return where a row is one of ``texts``."""
        values, wanted = self.compared(texts)
        return self._one_of(wanted) if values is self.codes else np.asarray(values, dtype=np.bool_)

    def compared(self, texts: Collection[str]) -> tuple[AnyArray, Collection[int]]:
        """Return a number for each row, and those of the rows that are one of ``texts``: a few
        codes, or the 1 of a truth per row."""
        found = {code for text in texts if (code := self.dictionary.code(text)) is not None}
        if len(found) > MAX_COMPARED:
            return self._look_up(self.dictionary.table_of(texts)), (1,)
        return self.codes, found

    def matches(self, predicate: Callable[[str], bool], *, few: bool = False) -> BoolArray:
        """Return where ``predicate`` holds for the text of a row.

        Args:
            predicate: Asked once for each text.
            few: These are few rows of many: ask about no other texts.
        """
        codes = np.unique(self.codes) if few or len(self.codes) < len(self.dictionary) else None
        return self._look_up(self.dictionary.table(predicate, codes))

    def between(self, start: int, stop: int) -> BoolArray:
        """Return where the code is from ``start`` up to ``stop``, which is not included."""
        return (self.codes >= start) & (self.codes < stop)

    def where(self, table: BoolArray) -> BoolArray:
        """Return the truth of the text of each row; bool by code, False where there is no text."""
        found = np.flatnonzero(table)
        if len(found) <= MAX_COMPARED:
            return self._one_of(found.tolist())
        return self._look_up(np.append(table, False))

    def numbers(self) -> Float64Array:
        """Return the number that the text of each row is, NaN where it is none."""
        return self.dictionary.numbers()[self.codes]

    def texts(self) -> NDArray[np.object_]:
        """Return the text of each row, None where it holds none."""
        return self.dictionary.texts()[self.codes]

    def take(self, rows: NDArray[np.int64]) -> CodedStrings:
        """Return the given rows."""
        return CodedStrings(self.codes[rows], self.dictionary)

    def _one_of(self, wanted: Iterable[int]) -> BoolArray:
        holds = np.zeros(len(self.codes), dtype=np.bool_)
        for code in wanted:
            holds |= self.codes == code
        return holds

    def _look_up(self, table: BoolArray) -> BoolArray:
        return table.take(self.codes)


class StringStore:
    """The dictionary and codes of one VARCHAR column, or of the items of one ARRAY of VARCHAR.

    Rows are read once, when they are first asked for. Safe from many threads.
    """

    def __init__(self, read: ReadRows) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._dictionary = StringDictionary()
        self._codes: Codes = np.empty(0, dtype=np.int32)
        self._num_rows = 0

    @property
    def dictionary(self) -> StringDictionary:
        """The texts that were read."""
        return self._dictionary

    def strings(self, num_rows: int) -> CodedStrings:
        """Return the texts of at least the first ``num_rows`` rows; nulls have the code -1.

        For an ARRAY the items of all rows, one after the other.
        """
        with self._lock:
            if self._num_rows < num_rows:
                self._extend(num_rows)
            return CodedStrings(self._codes, self._dictionary)

    def _extend(self, num_rows: int) -> None:
        column = self._read(self._num_rows, num_rows)
        if isinstance(column, ArrayColumn):
            first, last = int(column.offsets[0]), int(column.offsets[-1])
            column = _rows(column.items, first, last)
        if not isinstance(column, StringColumn):
            raise InternalError(f"expected text, got {type(column).__name__}")
        if column.validity is None:
            codes = self._dictionary.encode(_texts(column))
        else:
            present = np.flatnonzero(column.validity)
            codes = np.full(len(column), NO_TEXT, dtype=np.int32)
            codes[present] = self._dictionary.encode(_texts(column.take(present)))
        self._codes = np.concatenate([self._codes, codes]) if len(self._codes) else codes
        self._num_rows = num_rows


def _rows(column: Column, start: int, stop: int) -> Column:
    if not isinstance(column, StringColumn):
        raise InternalError(f"expected text, got {type(column).__name__}")
    return StringColumn(column.offsets[start : stop + 1], column.data)


def _texts(column: StringColumn) -> list[str]:
    return [str(text) for text in column.to_pylist()]
