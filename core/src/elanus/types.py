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
UInt16Array: TypeAlias = NDArray[np.uint16]
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
        return self >= DataType.BINARY_VECTOR

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
    differ (0 between two vectors without any). ``query/results.py`` turns it into what the user
    sees: squared distance, inner product, cosine, BM25 score, and these two as they are.
    """

    L2 = "L2"
    IP = "IP"
    COSINE = "COSINE"
    BM25 = "BM25"
    HAMMING = "HAMMING"
    JACCARD = "JACCARD"

    @property
    def is_distance(self) -> bool:
        """Whether the user sees a distance, smaller is nearer, rather than a similarity."""
        return self is _L2 or self is _HAMMING or self is _JACCARD


# Every search asks: members of a class are looked up more slowly.
_L2, _HAMMING, _JACCARD = MetricType.L2, MetricType.HAMMING, MetricType.JACCARD
DENSE_METRICS = (MetricType.L2, MetricType.IP, MetricType.COSINE)
"""Metrics of dense vectors of numbers."""
BINARY_METRICS = (MetricType.HAMMING, MetricType.JACCARD)
"""Metrics of binary vectors."""


def vector_width(dtype: DataType, dim: int) -> int:
    """Return the elements of a stored vector: its dimensions, eight to one when it is binary."""
    return dim // 8 if dtype is DataType.BINARY_VECTOR else dim
