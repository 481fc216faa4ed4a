"""How can texts become vectors without a model?

``HashEmbedder`` counts words and pieces of words and hashes each count to a place of the vector. It
downloads nothing, needs only NumPy and makes the same vector on every machine, which suits tests
and a first run without a model. It knows words, not meanings: texts are near when they share words
or stems.

Source: Weinberger, Dasgupta, Langford, Smola and Attenberg, "Feature Hashing for Large Scale
Multitask Learning", 2009.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.plugins import ModelInfo
from elanus.types import Float32Array, Float64Array, UInt64Array

_WORD = re.compile(r"\w+")
_PIECE_LENGTH = 3
_MAX_DIM = 1 << 20

# Weights of the three feature families. A word as a whole says most; its pieces, of which it has
# several, join "rotate" and "rotating"; pairs of words only break ties between orders.
_WORD_WEIGHT = 1.0
_PIECE_WEIGHT = 0.35
_PAIR_WEIGHT = 0.3
# Short words are mostly function words ("the", "of"); the weight of a word grows up to this length.
_FULL_WEIGHT_LENGTH = 6


class HashEmbedder:
    """Deterministic embedder by feature hashing of words, word pairs and word pieces.

    Vectors have length 1; a text without a word maps to one fixed vector. Documents and queries are
    treated alike, and texts are never cut.

    Args:
        dim: Dimensions, from 1 to 2**20. More dimensions mean fewer collisions.

    Raises:
        InvalidArgumentError: ``dim`` is out of range.
    """

    def __init__(self, dim: int = 256) -> None:
        if not isinstance(dim, int) or isinstance(dim, bool) or not 1 <= dim <= _MAX_DIM:
            raise InvalidArgumentError(
                f"hash embedder: dim must be an integer from 1 to {_MAX_DIM}, got {dim!r}"
            )
        self._info = ModelInfo(name="hash", revision="1", dim=dim, normalized=True)

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again."""
        return {"name": "hash", "params": {"dim": self._info.dim}}

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Float32Array:
        vectors = np.empty((len(texts), self._info.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = _vector(text, self._info.dim)
        return vectors


def _vector(text: str, dim: int) -> Float64Array:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if not words:
        return _only(dim, "")
    hashes, weights = [], []
    for word, count in Counter(words).items():
        word_hashes, word_weights = _word_features(word)
        hashes.append(word_hashes)
        weights.append(word_weights * math.sqrt(count))
    pairs = [_hash(f"p{one} {other}") for one, other in itertools.pairwise(words)]
    hashes.append(np.array(pairs, dtype=np.uint64))
    weights.append(np.full(len(pairs), _PAIR_WEIGHT))
    vector = _accumulate(np.concatenate(hashes), np.concatenate(weights), dim)
    length = math.sqrt(float(vector @ vector))
    # Features of opposite sign can cancel each other out, in few dimensions.
    return vector / length if length > 0 else _only(dim, words[0])


def _accumulate(hashes: UInt64Array, weights: Float64Array, dim: int) -> Float64Array:
    """Add each weight at the place ``hash mod dim``, with the sign of the top bit of the hash.

    Signs make collisions cancel on average, so that inner products keep their expected value.
    """
    signs = 1.0 - 2.0 * (hashes >> np.uint64(63)).astype(np.float64)
    places = (hashes % np.uint64(dim)).astype(np.int64)
    summed = np.bincount(places, weights=weights * signs, minlength=dim)
    return summed.astype(np.float64, copy=False)


def _only(dim: int, feature: str) -> Float64Array:
    vector = np.zeros(dim, dtype=np.float64)
    vector[_hash(f"w{feature}") % dim] = 1.0
    return vector


@functools.lru_cache(maxsize=1 << 16)
def _word_features(word: str) -> tuple[UInt64Array, Float64Array]:
    """Return the hashes and weights of one word and its pieces, which callers must not change."""
    padded = f"^{word}$"
    pieces = [padded[i : i + _PIECE_LENGTH] for i in range(len(padded) - _PIECE_LENGTH + 1)]
    hashes = [_hash(f"w{word}"), *(_hash(f"c{piece}") for piece in pieces)]
    weight = min(len(word), _FULL_WEIGHT_LENGTH) / _FULL_WEIGHT_LENGTH
    weights = [_WORD_WEIGHT * weight] + [_PIECE_WEIGHT * weight] * len(pieces)
    return np.array(hashes, dtype=np.uint64), np.array(weights, dtype=np.float64)


def _hash(feature: str) -> int:
    # Not the built-in hash(), which differs from one Python process to the next.
    digest = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
