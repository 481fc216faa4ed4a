"""How does what a user looks for become a query of a field?

Vectors come out as arrays in the field's dtype, texts with their analyzer, or as an error that says
what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elanus.api.context import RequestContext
from elanus.api.options import SearchOptions
from elanus.api.text import query_analyzer
from elanus.engine.writing.signatures import SignatureMaker
from elanus.errors import InternalError, InvalidArgumentError
from elanus.index.vector_lists import VectorQueries
from elanus.kernels.distance import are_finite, unit_rows
from elanus.kernels.lists import matrix_of
from elanus.kernels.query_batch import check_drop_ratio
from elanus.query.requests import (
    DEFAULT_RECALL,
    DenseQuery,
    ListQuery,
    SparseQuery,
    TextQuery,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.structs import element_field
from elanus.schema.validation import query_sparse
from elanus.schema.vectors import is_single_vector, query_vector
from elanus.types import ByteArray, DataType, Float32Array, MetricType, VectorArray

Query = DenseQuery | SparseQuery | TextQuery | ListQuery


def default_field(schema: Schema, data: Any) -> Field:
    """Return the only field that such a query can search."""
    probe = data[0] if isinstance(data, list | tuple) and len(data) else data
    if isinstance(probe, str):
        kind = "BM25, MinHash or embedded"
        fields = [f for f in schema.vector_fields if f.bm25 or f.embedding]
        fields = fields or [*schema.minhash_fields]
    elif isinstance(probe, Mapping) or hasattr(probe, "tocsr"):
        kind, fields = (
            "sparse",
            [
                f
                for f in schema.vector_fields
                if f.dtype is DataType.SPARSE_FLOAT_VECTOR and f.source is None
            ],
        )
    else:
        kind, fields = (
            "dense",
            [f for f in schema.vector_fields if f.dtype.is_dense_vector] or [*schema.vector_lists],
        )
    fields = [f for f in fields if f.name not in schema.waiting]
    if len(fields) == 1:
        return fields[0]
    names = ", ".join(repr(f.name) for f in fields) or "none"
    raise InvalidArgumentError(
        f"search: this query needs one {kind} field, the schema has {names}; pass field="
    )


def _is_text(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(text, str) for text in data)
    return isinstance(data, str)


def read_queries(
    context: RequestContext, field: Field, data: Any, options: SearchOptions
) -> tuple[list[Query], bool]:
    """Return the parsed queries, and whether ``data`` was a single one."""
    fields = context.fields
    if field.dtype.is_dense_vector:
        if (field.embedding or field.minhash) is not None and _is_text(data):
            texts = [data] if isinstance(data, str) else list(data)
            embedded: VectorArray
            if field.embedding is not None:
                embedded = fields.embedders.queries(field, texts)
            else:
                embedded = _signatures(fields.embedders.signatures(field), field, texts, options)
            return _dense_queries(field, embedded, options)[0], isinstance(data, str)
        return _dense_queries(field, data, options)
    if field.is_vector_list:
        return _list_queries(field, data, options)
    function = field.bm25 and context.function_of(field)
    if function is not None:
        texts = [data] if isinstance(data, str) else data
        if not isinstance(texts, list | tuple) or not all(isinstance(t, str) for t in texts):
            raise InvalidArgumentError(
                f"field {field.name!r} is searched by text, got {type(data).__name__}"
            )
        ratio = _drop_ratio(options)
        name = options.get("analyzer_name")
        analyzer = query_analyzer(field.name, fields.analyzer(field.name), name)
        return [TextQuery(tuple(texts), analyzer, function, ratio)], isinstance(data, str)
    if field.dtype is not DataType.SPARSE_FLOAT_VECTOR:
        raise InvalidArgumentError(
            f"field {field.name!r} is {field.dtype.name}; only vector fields can be searched"
        )
    parsed, many = query_sparse(field, data)
    return [SparseQuery(tuple(parsed), _drop_ratio(options))], not many


def _signatures(
    maker: SignatureMaker, field: Field, texts: list[str], options: SearchOptions
) -> ByteArray:
    name = options.get("analyzer_name")
    if maker.analyzer is not None:
        query_analyzer(field.name, maker.analyzer, name)
    return maker.make(texts, [name] * len(texts))


def _drop_ratio(options: SearchOptions) -> float:
    ratio = options.get("drop_ratio_search", 0.0)
    if ratio != 0.0:
        check_drop_ratio(ratio)
    return ratio


def _dense_queries(field: Field, data: Any, options: SearchOptions) -> tuple[list[Query], bool]:
    if isinstance(data, str):
        raise InvalidArgumentError(
            f"field {field.name!r} is searched by vectors of dim {field.dim}, got text; embed it "
            f"first, or search a BM25 field"
        )
    recall = _recall(options)
    ef = options.get("ef")
    if ef is not None and (not isinstance(ef, int) or ef < 1):
        raise InvalidArgumentError(f"ef must be a positive number of rows, got {ef!r}")
    is_single = is_single_vector(data)
    array: Any = None
    if field.dtype is not DataType.FLOAT_VECTOR:
        pass
    elif isinstance(data, np.ndarray) and data.dtype.kind in "fiu":
        array = np.ascontiguousarray(data, dtype=np.float32)
    else:
        rows = [data] if is_single else data
        array = matrix_of(rows, field.dim or 0) if isinstance(rows, list) else None
    vectors: VectorArray | None = None if array is None else checked_vectors(field, array)
    if vectors is None:
        # What is left are rarer kinds of numbers, and what is no vector, which this says.
        vectors = query_vector(field, data)
        if field.metric_type is MetricType.COSINE and vectors.dtype == np.float32:
            vectors = unit_rows(vectors)
    if vectors is None:
        raise InternalError(f"field {field.name!r}: query vectors were accepted and are not finite")
    return [DenseQuery(vectors, recall, ef)], is_single


def _recall(options: SearchOptions) -> float:
    recall = options.get("recall", DEFAULT_RECALL)
    if not isinstance(recall, int | float) or not 0 < recall <= 1:
        raise InvalidArgumentError(f"recall must lie in (0, 1], got {recall!r}")
    return float(recall)


def _list_queries(field: Field, data: Any, options: SearchOptions) -> tuple[list[Query], bool]:
    """Return queries of lists of vectors.

    A MAX_SIM metric takes a matrix for one query, and a list of them for several; others take a
    vector for one, as of dense fields.
    """
    if isinstance(data, str) or not hasattr(data, "__len__"):
        raise InvalidArgumentError(
            f"field {field.name!r} is searched by vectors of dim {field.dim}, got "
            f"{type(data).__name__}; embed it first"
        )
    element = element_field(field)
    if field.metric_type.is_max_sim:
        is_single = len(data) == 0 or is_single_vector(data) or is_single_vector(data[0])
        parts = [data] if is_single else data
        if not all(len(part) for part in parts):
            raise InvalidArgumentError(f"field {field.name!r}: a query has no vectors")
        matrices = [query_vector(element, part) for part in parts]
        lengths = [len(matrix) for matrix in matrices]
        vectors = np.concatenate(matrices)
    else:
        is_single = is_single_vector(data)
        vectors = query_vector(element, data)
        lengths = [1] * len(vectors)
    if field.vector_type is not DataType.BINARY_VECTOR:
        vectors = vectors.astype(np.float32)
    if field.metric_type.of_vectors is MetricType.COSINE:
        units = unit_rows(vectors)
        if units is None:
            raise InternalError(f"field {field.name!r}: query vectors are not finite")
        vectors = units
    ends = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    return [ListQuery(VectorQueries(vectors, ends), _recall(options))], is_single


def checked_vectors(field: Field, array: Float32Array) -> Float32Array | None:
    """Return vectors as they are searched; None when one has another dim, NaN or infinity."""
    vectors = array[np.newaxis] if array.ndim == 1 else array
    if vectors.ndim != 2 or vectors.shape[1] != field.dim:
        return None
    if field.metric_type is MetricType.COSINE:
        return unit_rows(vectors)
    return vectors if are_finite(vectors) else None


def check_as_many(names: Sequence[str], counts: Sequence[int]) -> int:
    """Return how many queries each leg holds; all of the legs, by field, hold as many."""
    first, count = names[0], counts[0]
    for name, number in zip(names, counts, strict=True):
        if number == 0:
            raise InvalidArgumentError(f"leg {name!r}: expected a query, got none")
        if number != count:
            raise InvalidArgumentError(
                f"legs: expected as many queries in each, got {count} for {first!r} and {number} "
                f"for {name!r}"
            )
    return count
