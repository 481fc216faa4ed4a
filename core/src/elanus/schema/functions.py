"""Which fields does the engine fill in by itself?

A function is declared on its output field: ``Field("bm25", SPARSE_FLOAT_VECTOR,
source=BM25("title"))`` makes the engine analyze ``title`` on every write and search ``bm25`` by
text; ``Field("shingles", BINARY_VECTOR, source=MinHash("title"))`` makes it keep a signature of
``title`` that shows near-duplicates; ``Field("dense", FLOAT_VECTOR, embedding=Embedding("title",
"minilm"))`` makes it embed ``title`` where a write gives no vector, and the text of a query too.
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
        fingerprint: What tells its terms from those of another analyzer, where plug-ins analyze;
            found out when the field is made, and compared when it is used.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009;
    the idf is Lucene's, ``ln(1 + (N - df + 0.5) / (df + 0.5))``, which is never negative.
    """

    field: str
    k1: float = 1.2
    b: float = 0.75
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if not self.k1 >= 0:
            raise SchemaError(f"BM25 of {self.field!r}: k1 must be 0 or larger, got {self.k1!r}")
        if not 0 <= self.b <= 1:
            raise SchemaError(f"BM25 of {self.field!r}: b must lie in [0, 1], got {self.b!r}")


MINHASH_ELEMENT_BITS = 32
"""Bits of each element of a signature that the engine makes."""
DEFAULT_NUM_HASHES = 256
_TOKEN_LEVELS = {"word": "word", "char": "char", "character": "char"}
_HASH_FUNCTIONS = ("xxhash", "sha1")


@dataclass(frozen=True, slots=True)
class MinHash:
    """MinHash signatures of the shingles of a text field, which show near-duplicates.

    Two texts whose shingles have the Jaccard similarity ``s`` have signatures of the MHJACCARD
    similarity ``s``, give or take ``sqrt(s (1 - s) / num_hashes)``. The same text and parameters
    give the same signature on every machine.

    Attributes:
        field: Name of the VARCHAR field; it needs an ``analyzer`` but for shingles of characters.
        num_hashes: Elements of 32 bits of a signature; None: as the ``dim`` of the field says, else
            256.
        shingle_size: How many neighbouring tokens are one member of the set. A shorter text is one
            member.
        token_level: ``"word"``, the terms that the analyzer makes, or ``"char"``, the characters of
            the text as it is.
        hash_function: What makes a number of a token: ``"xxhash"``, or the slower ``"sha1"``.
        seed: Chooses the permutations. Signatures of different seeds have nothing in common.
        fingerprint: As of ``BM25``.
    """

    field: str
    num_hashes: int | None = None
    shingle_size: int = 3
    token_level: str = "word"
    hash_function: str = "xxhash"
    seed: int = 1234
    fingerprint: str = ""

    def __post_init__(self) -> None:
        what = f"MinHash of {self.field!r}"
        for name, least, most in _MINHASH_RANGES:
            value = getattr(self, name)
            if value is None and name == "num_hashes":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise SchemaError(f"{what}: {name} must be {least}..{most}, got {value!r}")
        if self.token_level not in _TOKEN_LEVELS:
            raise SchemaError(
                f"{what}: token_level must be 'word' or 'char', got {self.token_level!r}"
            )
        object.__setattr__(self, "token_level", _TOKEN_LEVELS[self.token_level])
        if self.hash_function not in _HASH_FUNCTIONS:
            raise SchemaError(
                f"{what}: hash_function must be one of {', '.join(_HASH_FUNCTIONS)}, got "
                f"{self.hash_function!r}"
            )


_MINHASH_RANGES = (
    ("num_hashes", 1, 8_192),
    ("shingle_size", 1, 1_000),
    ("seed", 0, (1 << 63) - 1),
)


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
