"""Function chains of a search, from JSON to the protocol's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elanus_server.failures import invalid
from elanus_server.rest.parameters import Parameter, not_json, read_all
from elanus_server.wire import schema as messages

_NAME = "functionChains"
CHAINS = Parameter(
    _NAME,
    "objects",
    default=[],
    about=(
        "What is computed of the hits: name, stage (FunctionChainStageL2Rerank) and ops ([{op: "
        "map, sort or limit, inputs, outputs, params, expr: {name, args: [{column} or {literal}], "
        "params}}])."
    ),
)
_CHAIN = (
    Parameter("name", default=""),
    Parameter("stage", default="FunctionChainStageUnspecified"),
    Parameter("ops", "objects", default=[]),
)
_PARAMS = Parameter("params", "object", default={})
_OP = (
    Parameter("op", default=""),
    Parameter("inputs", "strings", default=[]),
    Parameter("outputs", "strings", default=[]),
    Parameter("expr", "object"),
    _PARAMS,
)
_EXPR = (Parameter("name", default=""), Parameter("args", "objects", default=[]), _PARAMS)
_COLUMN = Parameter("column")


def function_chains(given: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return function chains as ``FunctionChain`` messages.

    Raises:
        MilvusError: One has another shape.
    """
    return [_chain(one) for one in given]


def refuse_chains(given: Mapping[str, Any]) -> None:
    """Refuse the function chains of a hybrid search, or of a part of one.

    Raises:
        MilvusError: There are some.
    """
    if given.get(_NAME):
        raise invalid(f"{_NAME} is not supported for hybrid search yet")


def _chain(given: Mapping[str, Any]) -> Any:
    values = read_all(_CHAIN, given, f"{_NAME}.")
    stages = messages.FunctionChainStage
    if values["stage"] not in list(stages.keys()):
        raise invalid(
            f"{_NAME}.stage: expected one of {list(stages.keys())}, got {values['stage']!r}"
        )
    return messages.FunctionChain(
        name=values["name"],
        stage=stages.Value(values["stage"]),
        ops=[_op(one) for one in values["ops"]],
    )


def _op(given: Mapping[str, Any]) -> Any:
    where = f"{_NAME}.ops."
    values = read_all(_OP, given, where)
    return messages.FunctionChainOp(
        op=values["op"],
        inputs=values["inputs"],
        outputs=values["outputs"],
        params=_values(values["params"], f"{where}params."),
        expr=None if values["expr"] is None else _expr(values["expr"], f"{where}expr."),
    )


def _expr(given: Mapping[str, Any], where: str) -> Any:
    values = read_all(_EXPR, given, where)
    return messages.FunctionChainExpr(
        name=values["name"],
        args=[_argument(one, f"{where}args.") for one in values["args"]],
        params=_values(values["params"], f"{where}params."),
    )


def _argument(given: Mapping[str, Any], where: str) -> Any:
    column = _COLUMN.read(given, where)
    if (column is None) == ("literal" not in given):
        raise not_json(f"{where}: expected one of column and literal, got {sorted(given)}")
    if column is None:
        return messages.FunctionChainExprArg(literal=_value(given["literal"], f"{where}literal"))
    return messages.FunctionChainExprArg(column=messages.FunctionChainColumnArg(name=column))


def _values(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {name: _value(value, f"{where}{name}") for name, value in given.items()}


def _value(value: Any, where: str) -> Any:
    made = messages.FunctionParamValue()
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int) and -(2**63) <= value < 2**63:
        made.int64_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, list):
        made.array_value.values.extend([_value(one, where) for one in value])
    else:
        raise not_json(f"{where}: expected numbers, texts, or arrays of them, got {value!r}")
    return made
