"""How are vectors handed on in fewer bytes?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InvalidArgumentError
from elanus.plugins.batching import normalize_rows
from elanus.types import Float32Array

_LARGEST_CODE = 127


def leading_dimensions(vectors: Float32Array, dim: int, *, normalize: bool = True) -> Float32Array:
    """Return the first ``dim`` numbers of each vector, for models trained so (Matryoshka).

    Args:
        vectors: float32, shape ``(n, d)``; left as it is.
        dim: From 1 to ``d``.
        normalize: True to scale what is kept to length 1.

    Raises:
        InvalidArgumentError: ``dim`` is out of range.

    Source: Kusupati et al., "Matryoshka Representation Learning", arXiv:2205.13147.
    """
    if not 1 <= dim <= vectors.shape[1]:
        raise InvalidArgumentError(f"dim must lie in [1, {vectors.shape[1]}], got {dim}")
    kept = np.ascontiguousarray(vectors[:, :dim])
    return normalize_rows(kept) if normalize else kept


def finished_vectors(vectors: Float32Array, dim: int | None, *, normalize: bool) -> Float32Array:
    """Return what a model made as it was asked for: the leading dimensions, of length 1 or not.

    Args:
        vectors: float32, shape ``(n, d)``; left as it is.
        dim: From 1 to ``d``; None keeps all.
        normalize: True to scale to length 1.
    """
    if dim is not None:
        return leading_dimensions(vectors, dim, normalize=normalize)
    return normalize_rows(vectors) if normalize else vectors


def as_float16(vectors: Float32Array) -> NDArray[np.float16]:
    """Return the vectors in half precision, for a field of FLOAT16_VECTOR.

    Raises:
        InvalidArgumentError: A number is beyond the 65504 of half precision.
    """
    if vectors.size and np.abs(vectors).max() > np.finfo(np.float16).max:
        raise InvalidArgumentError(
            "vectors have a number beyond 65504, which float16 cannot hold: scale them first"
        )
    return vectors.astype(np.float16)


def as_int8(vectors: Float32Array) -> NDArray[np.int8]:
    """Return each vector as int8 codes, for a field of INT8_VECTOR with the metric COSINE.

    Each is scaled so that its largest number becomes 127, which keeps its direction and loses its
    length. A vector of zeros stays one.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
    largest[largest == 0] = 1.0
    codes: NDArray[np.int8] = np.rint(vectors * (_LARGEST_CODE / largest)).astype(np.int8)
    return codes
