"""The data types, metrics and array aliases that every layer shares.

Numbers of ``DataType`` are those of Milvus' protocol, so that a schema maps to the wire and back
without a table.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TypeAlias

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
    FLOAT_VECTOR = 101
    SPARSE_FLOAT_VECTOR = 104

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
        return self >= DataType.FLOAT_VECTOR


NUMPY_DTYPES: dict[DataType, np.dtype[np.generic]] = {
    DataType.BOOL: np.dtype(np.bool_),
    DataType.INT8: np.dtype(np.int8),
    DataType.INT16: np.dtype(np.int16),
    DataType.INT32: np.dtype(np.int32),
    DataType.INT64: np.dtype(np.int64),
    DataType.FLOAT: np.dtype(np.float32),
    DataType.DOUBLE: np.dtype(np.float64),
}
"""NumPy dtype of each type whose values have a fixed width."""


class MetricType(StrEnum):
    """How near two vectors are.

    Inside the engine every metric is a distance, smaller is nearer: L2 the squared Euclidean
    distance, IP the negated inner product, COSINE the negated cosine, BM25 the negated score.
    ``query/results.py`` turns it into what the user sees: squared distance, inner product,
    cosine, BM25 score.
    """

    L2 = "L2"
    IP = "IP"
    COSINE = "COSINE"
    BM25 = "BM25"


DENSE_METRICS = (MetricType.L2, MetricType.IP, MetricType.COSINE)
