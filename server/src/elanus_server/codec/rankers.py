"""How are hits ranked anew? Rankers, from messages to what ``Collection`` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elanus import (
    RRF,
    Boost,
    ByScore,
    DataType,
    Decay,
    FunctionScore,
    RandomScore,
    Rerank,
    Schema,
    Weighted,
)
from elanus_server.codec.orders import name_of
from elanus_server.codec.pairs import loose_value, read_integer, read_pairs
from elanus_server.failures import invalid, mismatch

_DECAYS = ("gauss", "exp", "linear")
_SCORE_MODES = ("max", "sum", "avg")
_MODES = ("multiply", "sum")


def decode_fusion(params: Mapping[str, str], legs: int) -> Any:
    """Return the fusion of ``rank_params``; RRF where they name none.

    Raises:
        MilvusError: An unknown strategy, or weights that do not fit the legs.
    """
    strategy = params.get("strategy", "rrf").strip('"').lower()
    inner = loose_value(params.get("params", "{}"))
    given = inner if isinstance(inner, dict) else {}
    norm_score = _truth(given.get("norm_score", True))
    if norm_score is None and strategy == "weighted":
        raise invalid("the type of rank param norm_score should be bool")
    return _fusion(strategy, given, legs, norm_score=norm_score is not False)


def _truth(value: Any) -> bool | None:
    """Return a truth value, also of a text as Go reads it; None where it is none."""
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    return False if value in ("0", "f", "F", "FALSE", "false", "False") else None


def _fusion(strategy: str, params: Mapping[str, Any], legs: int, *, norm_score: bool) -> Any:
    if strategy == "rrf":
        k = params.get("k", 60)
        if not isinstance(k, int | float) or isinstance(k, bool) or not 0 < k < 16_384:
            raise invalid(f"The rank params k should be in range (0, 16384), got {k}")
        return RRF(k=k)
    if strategy != "weighted":
        raise invalid(f"unsupported rank type {strategy}")
    weights = params.get("weights", [])
    if not isinstance(weights, Sequence) or len(weights) != legs:
        count = len(weights) if isinstance(weights, Sequence) else 0
        told = "the length of weights param mismatch with ann search requests"
        raise mismatch(told, legs, count)
    for weight in weights:
        if not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise invalid(f"rank param weight should be in range [0, 1], got {weight}")
    return Weighted(weights=tuple(weights), norm_score=norm_score)


def decode_function_score(message: Any, legs: int, schema: Schema) -> tuple[Any, list[Any]]:
    """Return the fusion, or None, and the rankers of a ``FunctionScore``.

    Args:
        message: Of a search, or of a hybrid search.
        legs: That are joined; 1 of a search.
        schema: Of the collection.

    Raises:
        MilvusError: A function that is no ranker, or wrong parameters.
    """
    fusion: Any = None
    joined: Any = None
    boosts: list[Boost] = []
    rankers: list[Any] = []
    for function in message.functions:
        params = {name.lower(): text for name, text in read_pairs(function.params).items()}
        kind = params.get("reranker", "").lower()
        inputs = list(function.input_field_names)
        if kind in ("rrf", "weighted"):
            if fusion is not None:
                raise invalid("currently only supports one rerank function that joins searches")
            fusion = _function_fusion(kind, params, legs)
        elif kind == "decay":
            mode = params.get("score_mode", "max").lower()
            if mode not in _SCORE_MODES:
                raise invalid(f"unsupported score_mode: {mode}, only supports [max, sum, avg]")
            norm_score = _truth(params.get("norm_score", "false")) is True
            joined = ByScore(mode, norm_score=norm_score)
            own_norm = norm_score and legs == 1
            rankers.append(_decay(params, inputs, schema, norm_score=own_norm))
        elif kind == "boost":
            boosts.append(_boost(params))
        elif kind == "model":
            rankers.append(_model(params, inputs))
        else:
            raise invalid(f"unsupported reranker {kind or function.name}")
    if boosts:
        rankers.append(_boosted(boosts, read_pairs(message.params)))
    # A decay joins legs only where nothing else does.
    return fusion or (joined if legs > 1 else None), rankers


def _boosted(boosts: Sequence[Boost], params: Mapping[str, str]) -> FunctionScore:
    modes = {}
    for name in ("boost_mode", "function_mode"):
        mode = params.get(name, "multiply").lower()
        if mode not in _MODES:
            raise invalid(f"unknown {name.replace('_', ' ')}: {mode}")
        modes[name] = mode
    return FunctionScore(boosts, **modes)


def _function_fusion(kind: str, params: Mapping[str, str], legs: int) -> Any:
    norm_score = _truth(params.get("norm_score", "false"))
    if norm_score is None and kind == "weighted":
        raise invalid(f"failed to parse norm_score: {params['norm_score']!r} is no truth value")
    given = {name: loose_value(text) for name, text in params.items()}
    # Unlike that of rank_params, the ranker of a function takes scores as they are.
    return _fusion(kind, given, legs, norm_score=norm_score is True)


def _decay(
    params: Mapping[str, str], inputs: Sequence[str], schema: Schema, *, norm_score: bool
) -> Decay:
    if len(inputs) != 1:
        raise invalid(f"decay reranker requires exactly 1 input field, got {len(inputs)}")
    function = params.get("function", "").lower()
    for name in ("function", "origin", "scale"):
        if name not in params:
            raise invalid(f"decay {name} not specified")
    numbers = {
        name: _number(name, params[name])
        for name in ("origin", "scale", "offset", "decay")
        if name in params
    }
    _check_input(inputs[0], schema)
    if not numbers["scale"] > 0:
        raise invalid(f"decay: scale must be > 0, got {numbers['scale']:f}")
    if numbers.get("offset", 0) < 0:
        raise invalid(f"decay: offset must be >= 0, got {numbers['offset']:f}")
    if not 0 < numbers.get("decay", 0.5) < 1:
        raise invalid(f"decay: decay must be 0 < decay < 1, got {numbers['decay']:f}")
    if function not in _DECAYS:
        raise invalid(
            f'decay: invalid function "{function}", must be one of [{", ".join(_DECAYS)}]'
        )
    return Decay(inputs[0], function, **numbers, norm_score=norm_score)


def _number(name: str, text: str) -> float:
    value = loose_value(text)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(f"decay param {name}: {text} is not a number")
    return value


def _check_input(name: str, schema: Schema) -> None:
    base = name.partition("[")[0]
    if base not in schema:
        if not schema.dynamic:
            raise invalid(f"input field {name} not found in collection schema")
        return
    dtype = schema.field(base).dtype
    if dtype is DataType.VARCHAR:
        raise invalid(f"decay input field {name} must be numeric, got VarChar")
    is_path = base != name and dtype is DataType.JSON
    if not (dtype.is_number or dtype is DataType.TIMESTAMPTZ or is_path):
        raise invalid(f"unsupported field type: {name_of(dtype)}")


def _boost(params: Mapping[str, str]) -> Boost:
    drawn = None
    if "random_score" in params:
        given = loose_value(params["random_score"])
        given = given if isinstance(given, dict) else {}
        drawn = RandomScore(read_integer("seed", given.get("seed", 0)), given.get("field"))
    if "weight" not in params:
        raise invalid("must set weight params for weight scorer")
    weight = loose_value(params["weight"])
    if not isinstance(weight, int | float) or isinstance(weight, bool):
        raise invalid(f"parse function scorer weight params failed with error: {params['weight']}")
    return Boost(params.get("filter") or None, weight, drawn)


def _model(params: Mapping[str, str], inputs: Sequence[str]) -> Rerank:
    if len(inputs) != 1:
        raise invalid(f"model ranker: expected one input field, got {list(inputs)}")
    provider = params.get("provider", "")
    if not provider:
        raise invalid("model ranker: param provider not found")
    model = params.get("model_name", "")
    queries = loose_value(params.get("queries", "null"))
    name = f"{provider}:{model}" if model else provider
    return Rerank(name, inputs[0], queries)
