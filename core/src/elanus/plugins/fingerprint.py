"""Is this the model that the stored vectors came from?

A fingerprint is a short sketch of what a model makes of fixed probe texts. Two fingerprints are
compared with a tolerance, never as text: the same model on another processor, in another batch or
in half precision differs in the last digits, and any rounding has a boundary that such a difference
can cross.

Form: ``1:<dim>:<sketch>:<name>``. The sketch is base64 of, for each of four probe vectors, its
length (float32) and 32 projections of its direction (int8, in steps of 1/32).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from elanus.errors import FormatVersionError, InvalidArgumentError, ModelMismatchError
from elanus.plugins.batching import check_vectors
from elanus.plugins.protocols import (
    AnyEmbedder,
    HybridVectors,
    SparseVectors,
    TokenVectors,
)
from elanus.types import Float32Array, Float64Array, UInt32Array, UInt64Array

PROBES: Final = (
    "The quick brown fox jumps over the lazy dog.",
    "Wie drehe ich einen Schlüssel? 如何轮换密钥。",
    "def parse(text: str) -> date: return date.fromisoformat(text)  # 2024-02-29",
)
"""Embedded as documents; the first also as a query, so that a changed query prompt shows."""

_VERSION: Final = "1"
_PROJECTIONS: Final = 32
_STEPS_PER_UNIT: Final = 32
_SKETCH_DTYPE: Final = np.dtype([("length", "<f4"), ("projections", "i1", (_PROJECTIONS,))])

# Root mean square difference of projections, which estimates the distance between two unit vectors.
# Rounding to steps accounts for 0.013, bfloat16 arithmetic for 0.012 (cosine 0.99993); 0.05 is
# cosine 0.99875. Int8 weights, another prompt or another training lie well beyond.
_DIRECTION_TOLERANCE: Final = 0.05
_LENGTH_TOLERANCE: Final = 0.02
# The same between vectors of one model in different precisions, which search each other well: 0.2
# is cosine 0.98.
_PRECISION_TOLERANCE: Final = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class _Fingerprint:
    name: str
    dim: int
    lengths: Float64Array
    projections: Float64Array


def fingerprint(embedder: AnyEmbedder) -> str:
    """Return the fingerprint of a model.

    Costs two calls of the model with four short texts in all, unless ``embedder.info`` has a
    fingerprint already.

    Raises:
        ProviderError: The model returned something that the contract of ``Embedder`` forbids.
    """
    info = embedder.info
    if info.fingerprint:
        _parse(info.fingerprint)
        return info.fingerprint
    parts: list[tuple[object, int]] = [
        (embedder.embed_documents(list(PROBES)), len(PROBES)),
        (embedder.embed_queries([PROBES[0]]), 1),
    ]
    sketch = np.empty(len(PROBES) + 1, dtype=_SKETCH_DTYPE)
    row = 0
    for vectors, count in parts:
        if isinstance(vectors, HybridVectors):
            vectors = vectors.dense
        if isinstance(vectors, TokenVectors):
            # The sum of the tokens' vectors stands for the text.
            vectors = np.add.reduceat(vectors.vectors, vectors.offsets[:-1], axis=0)
        if not isinstance(vectors, SparseVectors):
            vectors = _dense_as_sparse(check_vectors(vectors, count, info))
        for i in range(count):
            first, last = vectors.offsets[i], vectors.offsets[i + 1]
            sketch[row] = _sketch(vectors.indices[first:last], vectors.values[first:last])
            row += 1
    encoded = base64.urlsafe_b64encode(sketch.tobytes()).decode("ascii")
    return f"{_VERSION}:{info.dim}:{encoded}:{info.name}"


def fingerprints_match(stored: str, given: str) -> bool:
    """Return whether two fingerprints are of models that make the same vectors.

    Names do not matter: the same model may be loaded by name, from a folder or by a service.

    Raises:
        InvalidArgumentError: One of them is not a fingerprint.
        FormatVersionError: One of them was made by a newer version of elanus.
    """
    return _are_near(_parse(stored), _parse(given), _DIRECTION_TOLERANCE)


def _are_near(one: _Fingerprint, other: _Fingerprint, tolerance: float) -> bool:
    if one.dim != other.dim:
        return False
    gaps = np.abs(one.lengths - other.lengths)
    if (gaps > _LENGTH_TOLERANCE * np.maximum(one.lengths, other.lengths)).any():
        return False
    differences = np.sqrt(np.mean((one.projections - other.projections) ** 2, axis=1))
    return bool((differences <= tolerance).all())


def require_same_model(stored: str, embedder: AnyEmbedder, *, where: str) -> None:
    """Raise unless ``embedder`` makes the vectors that ``stored`` was taken from.

    A model of the same name may do so in another precision, such as int8: its vectors are not
    the same, but near enough to be searched with each other.

    Args:
        stored: Fingerprint kept with the vectors.
        embedder: The model at hand.
        where: What holds the vectors, for the message, such as ``"collection 'handbook'"``.

    Raises:
        ModelMismatchError: The model makes other vectors.
    """
    given = fingerprint(embedder)
    old, new = _parse(stored), _parse(given)
    tolerance = _PRECISION_TOLERANCE if old.name == new.name else _DIRECTION_TOLERANCE
    if _are_near(old, new, tolerance):
        return
    raise ModelMismatchError(
        f"{where}: its vectors were made by {old.name!r} (dim {old.dim}), but the embedder given "
        f"is {new.name!r} (dim {new.dim}), which makes other vectors, so that distances between "
        f"them mean nothing. Open it with {old.name!r}; or move to {new.name!r} by "
        "migrate_embeddings of the collection or store, which fills new vectors while the old ones "
        "answer (docs/guide/migrating-embeddings.md), or by a new collection of the texts.",
        stored=stored,
        given=given,
    )


def _parse(text: str) -> _Fingerprint:
    version, _, rest = text.partition(":")
    if version.isdigit() and int(version) > int(_VERSION):
        raise FormatVersionError(
            f"model fingerprint has version {version}, this elanus reads up to {_VERSION}: "
            "install a newer one"
        )
    parts = rest.split(":", 2)
    try:
        dim, encoded, name = int(parts[0]), parts[1], parts[2]
        raw = base64.b64decode(encoded, altchars=b"-_", validate=True)
        sketch = np.frombuffer(raw, dtype=_SKETCH_DTYPE)
    except (IndexError, ValueError, binascii.Error) as error:
        raise InvalidArgumentError(f"not a model fingerprint: {text!r}") from error
    if version != _VERSION or len(sketch) != len(PROBES) + 1:
        raise InvalidArgumentError(f"not a model fingerprint: {text!r}")
    lengths = sketch["length"].astype(np.float64)
    projections = sketch["projections"].astype(np.float64) / _STEPS_PER_UNIT
    return _Fingerprint(name, dim, lengths, projections)


def _sketch(indices: UInt32Array, values: Float32Array) -> tuple[float, NDArray[np.int8]]:
    weights = values.astype(np.float64)
    length = float(np.sqrt(weights @ weights))
    if length > 0:
        weights = weights / length
    projected = weights @ _signs(indices.astype(np.uint64))
    steps = np.clip(np.rint(projected * _STEPS_PER_UNIT), -127, 127)
    return length, steps.astype(np.int8)


def _signs(indices: UInt64Array) -> Float64Array:
    """Return a fixed pattern of -1 and +1, shape ``(len(indices), 32)``.

    A random sign projection keeps lengths on average (Achlioptas, "Database-friendly random
    projections", 2003). The bits are those of SplitMix64 (Steele, Lea and Flood, 2014), which is
    the same on every machine.
    """
    with np.errstate(over="ignore"):
        bits = (indices + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
    chosen = (bits[:, np.newaxis] >> np.arange(_PROJECTIONS, dtype=np.uint64)) & np.uint64(1)
    return chosen.astype(np.float64) * 2.0 - 1.0


def _dense_as_sparse(vectors: Float32Array) -> SparseVectors:
    n, dim = vectors.shape
    return SparseVectors(
        offsets=np.arange(n + 1, dtype=np.int64) * dim,
        indices=np.tile(np.arange(dim, dtype=np.uint32), n),
        values=np.ascontiguousarray(vectors).reshape(-1),
    )
