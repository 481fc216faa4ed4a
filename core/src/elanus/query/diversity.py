"""Which hits are near the query and far from each other?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.query.rankers import MMR
from elanus.query.ranking import RankedRows, Rescored, RowReader
from elanus.schema.batches import DenseVectorColumn
from elanus.schema.fields import Field
from elanus.types import AnyArray, ByteArray, Float64Array, Int64Array, MetricType, VectorArray


def select_diverse(
    query: AnyArray, vectors: AnyArray, limit: int, lambda_mult: float = 0.5
) -> list[int]:
    """Return rows by maximal marginal relevance, over cosines.

    The nearest to the query comes first, then always the one with the largest ``lambda_mult *
    cos(query, row) - (1 - lambda_mult) * max(cos(chosen, row))``; equals in the order of the rows.

    Args:
        query: Numbers of shape ``(dim,)``.
        vectors: Numbers of shape ``(n, dim)``.
        limit: Rows wanted.
        lambda_mult: 1 looks only at nearness, 0 only at diversity.

    Returns:
        At most ``limit`` row numbers.

    Raises:
        InvalidArgumentError: The shapes do not fit.
    """
    rows, one = np.asarray(vectors), np.asarray(query)
    if rows.ndim != 2 or one.shape != rows.shape[1:]:
        raise InvalidArgumentError(
            f"mmr: expected a query of shape (dim,) and vectors of shape (n, dim), got {one.shape} "
            f"and {rows.shape}"
        )
    compare = _cosines(rows)
    chosen = _select(compare(one), lambda place: compare(rows[place]), limit, lambda_mult)
    places: list[int] = chosen.tolist()
    return places


@dataclass(frozen=True, slots=True)
class MMRStep:
    """``field`` is dense; ``queries`` has a row for each query, as ``VectorIndex.search`` takes it.

    ``wanted`` hits are chosen of ``window``.
    """

    mmr: MMR
    field: Field
    queries: VectorArray
    window: int
    wanted: int
    is_rowwise: bool = False

    @property
    def title(self) -> str:
        return f"MMR({self.field.name}, lambda_mult={self.mmr.lambda_mult:g})"

    def apply(self, reader: RowReader, query: int, rows: RankedRows) -> Rescored:
        places: Int64Array = np.empty(0, dtype=np.int64)
        if len(rows.row_ids):
            vectors = self._vectors(reader, rows)
            compare = _comparison(self.field.metric_type, vectors)
            relevance = compare(_numbers(self.queries[query : query + 1])[0])
            places = _select(
                relevance, lambda i: compare(vectors[i]), self.wanted, self.mmr.lambda_mult
            )
        return Rescored(rows.scores, rows.is_distance, places=places)

    def best(self, score: float, is_distance: bool) -> None:
        return None

    def _vectors(self, reader: RowReader, rows: RankedRows) -> AnyArray:
        made: AnyArray | None = None
        for number in np.unique(rows.sources).tolist():
            places = np.flatnonzero(rows.sources == number)
            column = reader.sources[number].column(self.field.name).take(rows.row_ids[places])
            if not isinstance(column, DenseVectorColumn):
                raise InvalidArgumentError(f"MMR: field {self.field.name!r} is not dense")
            part = column.to_numbers()
            if made is None:
                made = np.empty((len(rows.row_ids), part.shape[1]), dtype=part.dtype)
            made[places] = part
        assert made is not None
        return made


def _numbers(vectors: VectorArray) -> VectorArray:
    return DenseVectorColumn(vectors).to_numbers()


def _select(
    relevance: Float64Array,
    compare: Callable[[int], Float64Array],
    limit: int,
    lambda_mult: float,
) -> Int64Array:
    """Return chosen places; ``compare(i)`` gives the similarity of every place to place ``i``."""
    count = min(limit, len(relevance))
    chosen = np.empty(count, dtype=np.int64)
    is_left = np.ones(len(relevance), dtype=np.bool_)
    nearest = np.full(len(relevance), -np.inf)
    for n in range(count):
        values = relevance if n == 0 else lambda_mult * relevance - (1 - lambda_mult) * nearest
        best = int(np.argmax(np.where(is_left, values, -np.inf)))
        chosen[n] = best
        is_left[best] = False
        nearest = np.maximum(nearest, compare(best))
    return chosen


def _comparison(metric: MetricType, vectors: AnyArray) -> Callable[[Any], Float64Array]:
    """Return what gives the similarity of every row to one vector, float64 of shape ``(n,)``."""
    if metric.element_bits:
        dtype = f"u{metric.element_bits // 8}"
        elements = np.ascontiguousarray(vectors, dtype=np.uint8).view(dtype)
        return lambda one: (elements == np.ascontiguousarray(one).view(dtype)).mean(axis=1)
    if metric not in (MetricType.HAMMING, MetricType.JACCARD):
        return _cosines(vectors)
    rows: ByteArray = vectors.astype(np.uint8, copy=False)
    if metric is MetricType.JACCARD:
        return lambda one: 1.0 - _jaccard(rows, one)
    return lambda one: 1.0 - _ones(rows ^ one) / (8 * rows.shape[1])


def _cosines(vectors: AnyArray) -> Callable[[Any], Float64Array]:
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    units = rows / np.where(lengths > 0, lengths, 1.0)[:, None]

    def compare(one: Any) -> Float64Array:
        single = np.asarray(one, dtype=np.float64)
        length = float(np.linalg.norm(single))
        cosines: Float64Array = units @ (single / length if length > 0 else single)
        return cosines

    return compare


def _jaccard(vectors: ByteArray, one: ByteArray) -> Float64Array:
    """Return the share of bits that differ among those that either has; 0 where neither has any."""
    either = _ones(vectors | one)
    differ: Float64Array = _ones(vectors ^ one) / np.where(either > 0, either, 1)
    return differ


def _ones(rows: ByteArray) -> Float64Array:
    counted: Float64Array = np.bitwise_count(rows).sum(axis=1, dtype=np.float64)
    return counted
