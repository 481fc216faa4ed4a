"""What do decays, boosts and models make of scores?

Rankers bound to a schema: fields are known, filters compiled, models at hand. Values of candidates
are read as columns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from elanus.errors import InvalidArgumentError, PluginError
from elanus.filter import BoundFilter, FieldRef, JsonPath
from elanus.filter.sampling import random_numbers
from elanus.kernels.ranking import UnitScale, unit_scores
from elanus.query.paths import path_values
from elanus.query.projection import project, read_places
from elanus.query.rankers import Boost, Decay, FunctionScore, Rerank
from elanus.query.ranking import RankedRows, Rescored, RowReader
from elanus.query.sources import SearchSource
from elanus.schema.batches import FixedColumn
from elanus.types import BoolArray, Float64Array, Int64Array

ScalarT = TypeVar("ScalarT", bound=np.generic)


def _read(
    rows: RankedRows,
    reader: RowReader,
    read: Callable[[SearchSource, Int64Array], NDArray[ScalarT]],
    dtype: type[ScalarT],
) -> NDArray[ScalarT]:
    """Return what ``read`` gives for the candidates of each source, in the order of ``rows``."""
    values = np.empty(len(rows.row_ids), dtype=dtype)
    for number in np.unique(rows.sources).tolist():
        places = np.flatnonzero(rows.sources == number)
        values[places] = read(reader.sources[number], rows.row_ids[places])
    return values


def nearness(distances: Float64Array) -> Float64Array:
    """Map distances into (0, 1], larger is better, as Milvus does."""
    mapped: Float64Array = 1.0 - 2.0 * np.arctan(distances) / math.pi
    return mapped


# --- decay ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DecayStep:
    """``node`` is a numeric or TIMESTAMPTZ field, or a path of a JSON field.

    ``origin``, ``scale`` and ``offset`` are those of the decay as the field counts; ``unit`` maps
    scores into [0, 1] first, None leaves similarities as they are.
    """

    decay: Decay
    node: FieldRef | JsonPath
    origin: float
    scale: float
    offset: float
    unit: UnitScale | None = None
    window: int | None = None
    is_rowwise: bool = True

    @property
    def title(self) -> str:
        return str(self.decay)

    def apply(self, reader: RowReader, query: int, rows: RankedRows) -> Rescored:
        values = _read(rows, reader, self._numbers, np.float64)
        factors = self._factors(values)
        return Rescored(self._mapped(rows.scores, rows.is_distance) * factors, False, factors)

    def best(self, score: float, is_distance: bool) -> float:
        score = float(self._mapped(np.array([score]), is_distance)[0])
        # A negative score is best where the factor is smallest.
        return score * max(1.0, self.decay.missing) if score >= 0 else 0.0

    def _mapped(self, scores: Float64Array, is_distance: bool) -> Float64Array:
        """Return scores of which larger ones are better."""
        if is_distance:
            return nearness(scores)
        return scores if self.unit is None else unit_scores(self.unit, (-scores).astype(np.float32))

    def _factors(self, values: Float64Array) -> Float64Array:
        decay = self.decay
        beyond = np.maximum(0.0, np.abs(values - self.origin) - self.offset) / self.scale
        if decay.function == "linear":
            factors = np.maximum(decay.decay, 1.0 - (1.0 - decay.decay) * beyond)
        else:
            power = beyond**2 if decay.function == "gauss" else beyond
            factors = np.exp(math.log(decay.decay) * power)
        return np.where(np.isnan(values), decay.missing, factors)

    def _numbers(self, source: SearchSource, rows: Int64Array) -> Float64Array:
        """Return the numbers of some rows, NaN where there is none."""
        node = self.node
        if isinstance(node, FieldRef):
            column = source.column(node.name)
            if not isinstance(column, FixedColumn):
                raise InvalidArgumentError(f"Decay: field {node.name!r} holds no numbers")
            values = column.values[rows].astype(np.float64)
            if column.validity is not None:
                values[~column.validity[rows]] = np.nan
            return values
        found = path_values(source, node, rows)
        return np.array([float(v) if _is_number(v) else math.nan for v in found], dtype=np.float64)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- boost ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoostStep:
    """``filters`` are those of the boosts, in order."""

    spec: FunctionScore
    filters: tuple[BoundFilter | None, ...]
    window: int | None = None
    is_rowwise: bool = True

    @property
    def title(self) -> str:
        parts = [
            f"{boost.weight:g}{'' if boost.random_score is None else ' x random'}"
            + ("" if bound is None else f" if {bound}")
            for boost, bound in zip(self.spec.functions, self.filters, strict=True)
        ]
        sign = "+" if self.spec.boost_mode == "sum" else "x"
        joined = " + " if self.spec.function_mode == "sum" else " x "
        return f"Boost({sign} {joined.join(parts)})"

    def apply(self, reader: RowReader, query: int, rows: RankedRows) -> Rescored:
        is_sum, adds_up = self._modes()
        count = len(rows.row_ids)
        weights = np.zeros(count) if adds_up else np.ones(count)
        is_boosted = np.zeros(count, dtype=np.bool_)
        for boost, bound in zip(self.spec.functions, self.filters, strict=True):
            passes = _passing(reader, rows, bound)
            weight = np.full(count, float(boost.weight))
            if boost.random_score is not None:
                weight *= _random(reader, rows, boost)
            changed = weights + weight if adds_up else weights * weight
            weights = np.where(passes, changed, weights)
            is_boosted |= passes
        factors = np.where(is_boosted, weights, 0.0 if is_sum else 1.0)
        if is_sum and rows.is_distance:
            # What a weight adds is nearness, and a distance falls by it.
            factors = np.where(is_boosted, -weights, 0.0)
        scores = rows.scores + factors if is_sum else rows.scores * factors
        return Rescored(scores, rows.is_distance, factors, is_sum)

    def best(self, score: float, is_distance: bool) -> float | None:
        is_sum, _ = self._modes()
        least, most = self._bounds()
        if is_sum:
            return score - most if is_distance else score + most
        if least < 0:
            return None
        if is_distance:
            return score * (least if score >= 0 else most)
        return score * (most if score >= 0 else least)

    def _modes(self) -> tuple[bool, bool]:
        return self.spec.boost_mode == "sum", self.spec.function_mode == "sum"

    def _bounds(self) -> tuple[float, float]:
        """Return the least and the largest factor that an entity may get."""
        is_sum, adds_up = self._modes()
        neutral = 0.0 if adds_up else 1.0
        least = most = neutral
        for boost, bound in zip(self.spec.functions, self.filters, strict=True):
            drawn = (0.0, 1.0) if boost.random_score is not None else (1.0, 1.0)
            own = [boost.weight * share for share in drawn]
            if bound is not None:
                own.append(neutral)
            ends = itertools.product((least, most), own)
            together = [a + b if adds_up else a * b for a, b in ends]
            least, most = min(together), max(together)
        if all(bound is not None for bound in self.filters):
            # An entity that passes no filter keeps its score.
            kept = 0.0 if is_sum else 1.0
            least, most = min(least, kept), max(most, kept)
        return least, most


def _passing(reader: RowReader, rows: RankedRows, bound: BoundFilter | None) -> BoolArray:
    if bound is None:
        return np.ones(len(rows.row_ids), dtype=np.bool_)
    return _read(
        rows, reader, lambda source, ids: source.columns.matching(bound).holds(ids), np.bool_
    )


def _random(reader: RowReader, rows: RankedRows, boost: Boost) -> Float64Array:
    drawn = boost.random_score
    assert drawn is not None
    name = reader.schema.primary.name if drawn.field is None else drawn.field
    seed = drawn.seed % 2**64
    return _read(
        rows,
        reader,
        lambda source, ids: random_numbers(source.column(name).take(ids), seed),
        np.float64,
    )


# --- models -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RerankStep:
    """``queries`` has a text for each query of the request; ``output`` names the text to read."""

    spec: Rerank
    queries: tuple[str, ...]
    output: str
    is_rowwise: bool = False

    @property
    def title(self) -> str:
        return f"Rerank({self.spec.model.info.name})"

    @property
    def window(self) -> int | None:
        return self.spec.top

    def apply(self, reader: RowReader, query: int, rows: RankedRows) -> Rescored:
        if not len(rows.row_ids):
            return Rescored(rows.scores, False)
        texts = self._texts(reader, rows)
        scores = np.asarray(self.spec.model.score(self.queries[query], texts), dtype=np.float64)
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise PluginError(
                f"reranker {self.spec.model.info.name!r}: expected {len(texts)} finite scores, got "
                f"an array of shape {scores.shape}; elanus.testing.reranker checks one"
            )
        return Rescored(scores, False)

    def best(self, score: float, is_distance: bool) -> None:
        return None

    def _texts(self, reader: RowReader, rows: RankedRows) -> Sequence[str]:
        schema, name = reader.schema, self.output
        found = read_places(
            reader.sources,
            rows.sources,
            rows.row_ids,
            lambda source, ids: [e.get(name) for e in project(schema, source, ids, (name,))],
        )
        for value in found:
            if value is not None and not isinstance(value, str):
                raise InvalidArgumentError(
                    f"Rerank: expected texts in {name!r}, got {type(value).__name__}"
                )
        return [value or "" for value in found]
