"""The data types, metrics and array aliases that every layer shares.

Numbers of ``DataType`` are those of Milvus' protocol, so that a schema maps to the wire and back
without a table.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BoolArray: TypeAlias = NDArray[np.bool_]
ByteArray: TypeAlias = NDArray[np.uint8]
Int64Array: TypeAlias = NDArray[np.int64]
IntArray: TypeAlias = NDArray[np.integer[Any]]
UInt16Array: TypeAlias = NDArray[np.uint16]
UInt8Array: TypeAlias = NDArray[np.uint8]
UInt32Array: TypeAlias = NDArray[np.uint32]
UInt64Array: TypeAlias = NDArray[np.uint64]
Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
VectorArray: TypeAlias = NDArray[Any]
"""Dense vectors as they are stored; the dtype says of which type they are (``VECTOR_DTYPES``)."""
AnyArray: TypeAlias = NDArray[np.generic]

PrimaryKey: TypeAlias = int | str


class DataType(IntEnum):
    """Type of a field."""

    BOOL = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    FLOAT = 10
    DOUBLE = 11
    VARCHAR = 21
    ARRAY = 22
    JSON = 23
    GEOMETRY = 24
    TIMESTAMPTZ = 26
    BINARY_VECTOR = 100
    FLOAT_VECTOR = 101
    FLOAT16_VECTOR = 102
    BFLOAT16_VECTOR = 103
    SPARSE_FLOAT_VECTOR = 104
    INT8_VECTOR = 105
    STRUCT = 201

    @property
    def is_integer(self) -> bool:
        return DataType.INT8 <= self <= DataType.INT64

    @property
    def is_float(self) -> bool:
        return self in (DataType.FLOAT, DataType.DOUBLE)

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.is_float

    @property
    def is_vector(self) -> bool:
        return DataType.BINARY_VECTOR <= self <= DataType.INT8_VECTOR

    @property
    def is_dense_vector(self) -> bool:
        return self in VECTOR_DTYPES


NUMPY_DTYPES: dict[DataType, np.dtype[np.generic]] = {
    DataType.BOOL: np.dtype(np.bool_),
    DataType.INT8: np.dtype(np.int8),
    DataType.INT16: np.dtype(np.int16),
    DataType.INT32: np.dtype(np.int32),
    DataType.INT64: np.dtype(np.int64),
    DataType.FLOAT: np.dtype(np.float32),
    DataType.DOUBLE: np.dtype(np.float64),
    DataType.TIMESTAMPTZ: np.dtype(np.int64),
}
"""NumPy dtype of each type whose values have a fixed width; a moment is its microseconds."""

TEXT_TYPES = (DataType.VARCHAR, DataType.JSON, DataType.GEOMETRY)
"""Types whose values are stored as text: a geometry is its WKT."""

VECTOR_DTYPES: dict[DataType, np.dtype[np.generic]] = {
    DataType.BINARY_VECTOR: np.dtype(np.uint8),
    DataType.FLOAT_VECTOR: np.dtype(np.float32),
    DataType.FLOAT16_VECTOR: np.dtype(np.float16),
    DataType.BFLOAT16_VECTOR: np.dtype(np.uint16),
    DataType.INT8_VECTOR: np.dtype(np.int8),
}
"""NumPy dtype of the elements of each type of dense vector, one apart from the other: a bfloat16 is
its bits, and a uint8 of a binary vector holds eight dimensions, the first in the highest bit."""


class MetricType(StrEnum):
    """How near two vectors are.

    Inside the engine every metric is a distance, smaller is nearer: L2 the squared Euclidean
    distance, IP the negated inner product, COSINE the negated cosine, BM25 the negated score,
    HAMMING the number of bits that differ, JACCARD the share of the bits set in either vector that
    differ (0 between two vectors without any). ``query/scores.py`` turns it into what the user
    sees: squared distance, inner product, cosine, BM25 score, and these two as they are.

    MHJACCARD is of MinHash signatures: the negated share of their elements that are equal, seen as
    a similarity from 0 to 1. It estimates the Jaccard similarity of the sets that the signatures
    were made of. The elements have 32 bits; those of MHJACCARD_8, _16 and _64 as many as they say.

    The MAX_SIM metrics are of lists of vectors: the sum, over the vectors of a query, of the
    distance to the nearest vector of a row (late interaction).

    Attributes:
        is_distance: Whether the user sees a distance, smaller is nearer, rather than a similarity.
        is_max_sim: Whether lists of vectors are compared.
        of_vectors: The metric between two vectors that it is made of; itself for other metrics.
        element_bits: Bits of an element of a MinHash signature; 0 for metrics of other vectors.
    """

    L2 = "L2"
    IP = "IP"
    COSINE = "COSINE"
    BM25 = "BM25"
    HAMMING = "HAMMING"
    JACCARD = "JACCARD"
    MHJACCARD = "MHJACCARD"
    MHJACCARD_8 = "MHJACCARD_8"
    MHJACCARD_16 = "MHJACCARD_16"
    MHJACCARD_64 = "MHJACCARD_64"
    MAX_SIM_COSINE = "MAX_SIM_COSINE"
    MAX_SIM_IP = "MAX_SIM_IP"
    MAX_SIM_L2 = "MAX_SIM_L2"
    MAX_SIM_HAMMING = "MAX_SIM_HAMMING"
    MAX_SIM_JACCARD = "MAX_SIM_JACCARD"

    is_distance: bool
    is_max_sim: bool
    of_vectors: MetricType
    element_bits: int


MAX_SIM = "MAX_SIM"
"""Milvus' name of the MAX_SIM metric that is the default of a type of vectors."""

# Every search asks: attributes of a member are read faster than anything can be worked out.
for _metric in MetricType:
    _metric.is_max_sim = _metric.startswith(MAX_SIM)
    _metric.of_vectors = MetricType(_metric.removeprefix(f"{MAX_SIM}_"))
    _metric.is_distance = _metric.of_vectors in ("L2", "HAMMING", "JACCARD")
    _width = _metric.removeprefix("MHJACCARD").removeprefix("_")
    _metric.element_bits = int(_width or 32) if _metric.startswith("MHJACCARD") else 0
DENSE_METRICS = (MetricType.L2, MetricType.IP, MetricType.COSINE)
"""Metrics of dense vectors of numbers."""
BINARY_METRICS = (MetricType.HAMMING, MetricType.JACCARD)
"""Metrics of sets of bits."""
MINHASH_METRICS = (
    MetricType.MHJACCARD,
    MetricType.MHJACCARD_8,
    MetricType.MHJACCARD_16,
    MetricType.MHJACCARD_64,
)
"""Metrics of MinHash signatures, which are stored as binary vectors."""


def vector_width(dtype: DataType, dim: int) -> int:
    """Return the elements of a stored vector: its dimensions, eight to one when it is binary."""
    return dim // 8 if dtype is DataType.BINARY_VECTOR else dim
