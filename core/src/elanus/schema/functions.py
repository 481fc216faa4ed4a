"""Which fields does the engine fill in by itself?

A function is declared on its output field: ``Field("bm25", SPARSE_FLOAT_VECTOR,
source=BM25("title"))`` makes the engine analyze ``title`` on every write and search ``bm25`` by
text; ``Field("dense", FLOAT_VECTOR, embedding=Embedding("title", "minilm"))`` makes it embed
``title`` where a write gives no vector, and the text of a query too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Embedding:
    """Vectors of a text field, made by a plug-in.

    Attributes:
        field: Name of the VARCHAR field to embed.
        embedder: Name of the plug-in, such as ``"minilm"`` or ``"openai:text-embedding-3-small"``;
            a plug-in that can be built again from its configuration may be given itself.
        params: Keyword arguments of its factory, as JSON values; never a secret.
        fingerprint: What tells its vectors from those of another model; found out when the
            collection is made, and compared when it is used.
    """

    field: str
    embedder: Any
    params: Mapping[str, Any] = dataclass_field(default_factory=dict)
    fingerprint: str = ""
