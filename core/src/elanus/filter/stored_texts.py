"""Which number has a text of a dictionary that lies in a file?

Its texts ascend: a number is found by halving, texts in an order or with a beginning have numbers
from one to another, and nothing is decoded but what a question in Python is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from elanus.filter.operators import CompareOp
from elanus.filter.strings import Codes, StringDictionary, numbers_of
from elanus.index.scalar.values import SortedTexts
from elanus.schema.batches import StringColumn
from elanus.types import BoolArray, Float64Array


class StoredDictionary(StringDictionary):
    """The texts of a file, numbered from 0 in ascending order. It does not grow.

    Args:
        texts: Distinct texts.
        column: The same.
    """

    def __init__(self, texts: SortedTexts, column: StringColumn) -> None:
        super().__init__()
        self.stored = column
        self._ordered = texts

    def __len__(self) -> int:
        return len(self._ordered)

    @property
    def held_bytes(self) -> int:
        return 0

    def encode(self, texts: Sequence[str]) -> Codes:
        raise NotImplementedError("a dictionary in a file does not grow")

    def code(self, text: str) -> int | None:
        front, behind = self._ordered.span(text)
        return front if front < behind else None

    def since(self, code: int) -> list[str]:
        return list(self._ordered.texts(code, len(self)))

    def texts(self) -> NDArray[np.object_]:
        return np.array([*self.since(0), None], dtype=np.object_)

    def numbers(self) -> Float64Array:
        if len(self._numbers) != len(self) + 1:
            self._numbers = np.append(numbers_of(self.since(0)), np.nan)
        return self._numbers

    def table(self, predicate: Callable[[str], bool], codes: Codes | None = None) -> BoolArray:
        table = np.zeros(len(self) + 1, dtype=np.bool_)
        if codes is None:
            texts = self._ordered.texts(0, len(self))
            table[:-1] = np.fromiter(map(predicate, texts), np.bool_, len(self))
        elif len(asked := codes[codes >= 0].astype(np.int64)):
            assert self.stored is not None
            table[asked] = [predicate(str(t)) for t in self.stored.take(asked).to_pylist()]
        return table

    def table_of(self, texts: Iterable[str]) -> BoolArray:
        table = np.zeros(len(self) + 1, dtype=np.bool_)
        table[[code for text in texts if (code := self.code(text)) is not None]] = True
        return table

    def span_in_order(self, op: CompareOp, text: str) -> tuple[int, int]:
        front, behind = self._ordered.span(text)
        match op:
            case CompareOp.LT:
                return 0, front
            case CompareOp.LE:
                return 0, behind
            case CompareOp.GT:
                return behind, len(self)
        return front, len(self)

    def span_of_prefix(self, prefix: str) -> tuple[int, int]:
        return self._ordered.with_prefix(prefix)
