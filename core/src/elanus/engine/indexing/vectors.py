"""How does an index read the vectors of a segment?"""

from __future__ import annotations

from elanus.errors import InternalError
from elanus.index.base import VectorRows
from elanus.kernels.distance import inverse_norms
from elanus.schema.batches import ArrayColumn, Column, DenseVectorColumn
from elanus.schema.fields import Field
from elanus.storage.stored_vectors import StoredVectors
from elanus.types import Float32Array, MetricType


def vector_rows(field: Field, column: Column, scale: Float32Array | None = None) -> VectorRows:
    """Return a dense column as an index sees it; of lists of vectors, all vectors in order.

    Args:
        field: A field of dense vectors, or of lists of them.
        column: Its column.
        scale: 1 / length of each row when it is known already; taken from the file, or computed,
            for COSINE otherwise.
    """
    if isinstance(column, ArrayColumn):
        column = column.items
    if not isinstance(column, DenseVectorColumn):
        raise InternalError(f"field {field.name!r} has no dense vectors")
    metric = field.metric_type.of_vectors
    stored = column if isinstance(column, StoredVectors) else None
    if metric is MetricType.COSINE and scale is None:
        scale = None if stored is None else stored.inverse_norms
        if scale is None:
            scale = inverse_norms(column.values)
    if stored is None:
        return VectorRows(column.values, scale, metric)
    return VectorRows(stored.unverified, scale, metric, stored.guard)
