"""Function chains: what a client computes of the hits of a search, and how it orders and cuts them.

A chain is a list of steps over columns: those that hits have, ``$score`` and ``$id``, fields, and
what an earlier step made. It sees the hits of one query, after all ranking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elanus import Field, Schema
from elanus_server.failures import invalid
from elanus_server.service.replication import unimplemented
from elanus_server.wire import schema as messages

SCORE, ID = "$score", "$id"
_L2 = messages.FunctionChainStage.FunctionChainStageL2Rerank
_COMBINED = {
    "sum": lambda values: values.sum(axis=0),
    "multiply": lambda values: values.prod(axis=0),
    "max": lambda values: values.max(axis=0),
    "min": lambda values: values.min(axis=0),
    "avg": lambda values: values.mean(axis=0),
}
_DECAYS = ("gauss", "exp", "linear")


@dataclass(frozen=True, slots=True)
class ChainedHits:
    """What chains leave of the hits of a query.

    Attributes:
        places: Of the hits that are left, in their new order.
        scores: Of those hits.
    """

    places: list[int]
    scores: list[float]


class Chains:
    """Function chains, read.

    Args:
        given: ``FunctionChain`` messages, in the order in which they are applied.
        schema: Of the collection.

    Raises:
        MilvusError: A step, function or column that there is not.
    """

    def __init__(self, given: Sequence[Any], schema: Schema) -> None:
        self._steps: list[Any] = []
        self._schema = schema
        self._fields: dict[str, None] = {}
        made = {SCORE, ID}
        for chain in given:
            if chain.stage != _L2:
                name = messages.FunctionChainStage.Name(chain.stage)
                raise invalid(f"function chain stage {name} is not supported by search")
            for op in chain.ops:
                self._check(op, made)
                self._steps.append(op)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that the chains read."""
        return tuple(self._fields)

    def apply(
        self, ids: Sequence[Any], scores: Sequence[float], entities: Sequence[Mapping[str, Any]]
    ) -> ChainedHits:
        """Return what the chains leave of hits, given in their order."""
        columns: dict[str, Any] = {ID: np.array(ids, dtype=object), SCORE: np.array(scores, float)}
        for name in self._fields:
            columns[name] = np.array([_number(entity.get(name)) for entity in entities], float)
        places = np.arange(len(ids))
        for op in self._steps:
            params = {name: _value(one) for name, one in op.params.items()}
            if op.op == "map":
                columns[op.outputs[0]] = _mapped(op.expr, columns)
                continue
            kept = _sorted(params, columns) if op.op == "sort" else _cut(params, len(places))
            places = places[kept]
            columns = {name: column[kept] for name, column in columns.items()}
        return ChainedHits(places.tolist(), columns[SCORE].astype(np.float32).tolist())

    def _check(self, op: Any, made: set[str]) -> None:
        if op.op == "map":
            if op.expr.name not in _FUNCTIONS:
                raise unimplemented(f"function chain: function {op.expr.name!r}")
            if len(op.outputs) != 1:
                raise invalid("function chain map: expected one output")
            if op.outputs[0].startswith("$") and op.outputs[0] != SCORE:
                raise invalid(
                    f"function chain map: {op.outputs[0]!r} cannot be written; of the columns that "
                    f"begin with $ only {SCORE} can"
                )
            for one in op.expr.args:
                if one.WhichOneof("arg") == "literal":
                    _check_literal(_value(one.literal))
                else:
                    self._check_column(one.column.name, made)
            _FUNCTIONS[op.expr.name][0](_params(op.expr), len(op.expr.args))
            made.add(op.outputs[0])
        elif op.op == "sort":
            params = _params(op)
            for name in ("column", "tie_break_col"):
                if name == "column" or name in params:
                    self._check_column(str(params.get(name, "")), made)
        elif op.op != "limit":
            raise unimplemented(f"function chain: step {op.op!r}")
        elif not (int(_params(op).get("limit", 0)) > 0 and int(_params(op).get("offset", 0)) >= 0):
            raise invalid("function chain limit: expected a limit above 0 and no offset below 0")

    def _check_column(self, name: str, made: set[str]) -> None:
        if name in made:
            return
        field = self._schema.field(name) if name in self._schema else None
        if field is None or not _is_numeric(field):
            raise invalid(f"function chain: {name!r} is no numeric column")
        self._fields[name] = None


def chains_of(
    request: Any, schema: Schema, options: Mapping[str, Any], *, is_iterator: bool
) -> Chains | None:
    """Return the function chains of a search; None: there are none.

    Args:
        request: A ``SearchRequest``.
        schema: Of the collection.
        options: Of the search, of which some do not go with chains.
        is_iterator: Whether it is a step of an iterator.

    Raises:
        MilvusError: They do not go with what else is asked, or cannot be applied.
    """
    if not request.function_chains:
        return None
    unfit = [name for name in ("group_by", "highlight", "ranker") if name in options]
    if unfit or is_iterator:
        raise invalid(f"function chains cannot be used with {' and '.join(unfit) or 'iterators'}")
    return Chains(request.function_chains, schema)


def _is_numeric(field: Field) -> bool:
    return field.dtype.is_integer or field.dtype.name in ("FLOAT", "DOUBLE")


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _value(message: Any) -> Any:
    kind = message.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in message.array_value.values]
    return getattr(message, kind) if kind else None


def _params(message: Any) -> dict[str, Any]:
    return {name: _value(one) for name, one in message.params.items()}


# --- steps ------------------------------------------------------------------------------------


def _sorted(params: Mapping[str, Any], columns: Mapping[str, Any]) -> list[int]:
    """Return places by a column; nulls come last, and equals stay in order."""
    column, tie = columns[params["column"]], columns.get(params.get("tie_break_col", ""))
    places = list(range(len(column)))
    if tie is not None:
        places.sort(key=lambda place: tie[place])
    known = [place for place in places if params["column"] == ID or not np.isnan(column[place])]
    rest = [place for place in places if place not in set(known)]
    known.sort(key=lambda place: column[place], reverse=bool(params.get("desc", True)))
    return known + rest


def _cut(params: Mapping[str, Any], count: int) -> list[int]:
    start = int(params.get("offset", 0))
    return list(range(count))[start : start + int(params["limit"])]


def _mapped(expr: Any, columns: Mapping[str, Any]) -> Any:
    count = len(columns[SCORE])
    values = np.array([_argument(one, columns, count) for one in expr.args], float)
    return _FUNCTIONS[expr.name][1](_params(expr), values)


def _argument(one: Any, columns: Mapping[str, Any], count: int) -> Any:
    if one.WhichOneof("arg") == "literal":
        return np.full(count, _value(one.literal), float)
    return columns[one.column.name].astype(float)


def _check_literal(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"function chain map: expected a number as a literal, got {value!r}")


# --- functions: what they refuse, and what they make of columns of shape (n arguments, n hits) --


def _check_combined(params: Mapping[str, Any], count: int) -> None:
    mode, weights = params.get("mode", "sum"), params.get("weights")
    if mode != "weighted" and mode not in _COMBINED:
        raise invalid(f"num_combine: unsupported mode {mode!r}")
    if mode == "weighted" and (not isinstance(weights, list) or len(weights) != count):
        raise invalid(f"num_combine: expected {count} weights, got {weights}")


def _combined(params: Mapping[str, Any], values: Any) -> Any:
    mode = params.get("mode", "sum")
    if mode == "weighted":
        return np.array(params["weights"], float) @ values
    return _COMBINED[mode](values)


def _check_decay(params: Mapping[str, Any], count: int) -> None:
    function, scale, decay = (params.get(name) for name in ("function", "scale", "decay"))
    if count != 1 or function not in _DECAYS:
        raise invalid(f"decay: expected one column and one of {', '.join(_DECAYS)}")
    numbers = [scale, decay, params.get("origin"), params.get("offset", 0)]
    if not all(isinstance(one, int | float) for one in numbers):
        raise invalid("decay: expected origin, scale, offset and decay as numbers")
    if not scale > 0 or not 0 < decay < 1 or params.get("offset", 0) < 0:  # type: ignore[operator]
        raise invalid("decay: expected scale > 0, offset >= 0 and decay between 0 and 1")


def _decayed(params: Mapping[str, Any], values: Any) -> Any:
    scale, decay = float(params["scale"]), float(params["decay"])
    far = np.maximum(0.0, np.abs(values[0] - params["origin"]) - params.get("offset", 0))
    if params["function"] == "gauss":
        return np.exp(math.log(decay) * (far / scale) ** 2)
    if params["function"] == "exp":
        return np.exp(math.log(decay) * far / scale)
    return np.maximum(decay, 1.0 - (1.0 - decay) * far / scale)


def _check_rounded(params: Mapping[str, Any], count: int) -> None:
    decimal = params.get("decimal")
    if count != 1 or not isinstance(decimal, int) or not 0 <= decimal <= 6:
        raise invalid(f"round_decimal: expected one column and a decimal of 0 to 6, got {decimal}")


def _rounded(params: Mapping[str, Any], values: Any) -> Any:
    return np.round(values[0], params["decimal"])


_FUNCTIONS: Mapping[str, tuple[Any, Any]] = {
    "num_combine": (_check_combined, _combined),
    "decay": (_check_decay, _decayed),
    "round_decimal": (_check_rounded, _rounded),
}
