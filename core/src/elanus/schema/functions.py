"""Which fields does the engine fill in by itself?

A function is declared on its output field: ``Field("bm25", SPARSE_FLOAT_VECTOR,
source=BM25("title"))`` makes the engine analyze ``title`` on every write and search ``bm25`` by
text.
"""

from __future__ import annotations

from dataclasses import dataclass

from elanus.errors import SchemaError


@dataclass(frozen=True, slots=True)
class BM25:
    """Okapi BM25 over the terms of a text field.

    Attributes:
        field: Name of the VARCHAR field to analyze. It needs an ``analyzer``.
        k1: Saturation of the term frequency, 0 or larger.
        b: Share of length normalisation, from 0 (none) to 1 (full).

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009;
    the idf is Lucene's, ``ln(1 + (N - df + 0.5) / (df + 0.5))``, which is never negative.
    """

    field: str
    k1: float = 1.2
    b: float = 0.75

    def __post_init__(self) -> None:
        if not self.k1 >= 0:
            raise SchemaError(f"BM25 of {self.field!r}: k1 must be 0 or larger, got {self.k1!r}")
        if not 0 <= self.b <= 1:
            raise SchemaError(f"BM25 of {self.field!r}: b must lie in [0, 1], got {self.b!r}")
