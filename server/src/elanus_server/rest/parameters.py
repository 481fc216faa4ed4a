"""What does a route take, and does a body fit it?

A parameter is declared once: bodies are checked by it and OpenAPI describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from elanus_server.failures import MilvusError

NOT_JSON = 1801
MISSING = 1802
BAD_ROWS = 1804
BAD_KEYS = 1806
_INT32 = 2**31
_INT64 = 2**63


def not_json(reason: str) -> MilvusError:
    """Return the error of a body that is no JSON, or JSON of another shape."""
    return MilvusError(NOT_JSON, f"can only accept json format request, error: {reason}")


def missing(reason: str) -> MilvusError:
    """Return the error of a parameter that is not there."""
    return MilvusError(MISSING, f"missing required parameters, error: {reason}")


def bad_rows(reason: str) -> MilvusError:
    """Return the error of entities that do not fit the collection."""
    return MilvusError(BAD_ROWS, f"fail to deal the insert data, error: {reason}")


def _is_integer(value: Any, bound: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _array_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(schema)}


# Of each kind: how it is called, what is one, its JSON schema.
_KINDS: dict[str, tuple[str, Callable[[Any], bool], dict[str, Any]]] = {
    "string": ("a string", lambda v: isinstance(v, str), {"type": "string"}),
    "integer": (
        "a whole number of 32 bits",
        lambda v: _is_integer(v, _INT32),
        {"type": "integer", "format": "int32"},
    ),
    "long": (
        "a whole number of 64 bits",
        lambda v: _is_integer(v, _INT64),
        {"type": "integer", "format": "int64"},
    ),
    "number": ("a number", _is_number, {"type": "number"}),
    "boolean": ("true or false", lambda v: isinstance(v, bool), {"type": "boolean"}),
    "object": ("an object", lambda v: isinstance(v, dict), {"type": "object"}),
    "array": ("an array", lambda v: isinstance(v, list), _array_of({})),
    "strings": (
        "an array of strings",
        lambda v: _all(v, str),
        _array_of({"type": "string"}),
    ),
    "objects": (
        "an array of objects",
        lambda v: _all(v, dict),
        _array_of({"type": "object"}),
    ),
    "files": (
        "an array of arrays of strings",
        lambda v: isinstance(v, list) and all(_all(one, str) for one in v),
        _array_of(_array_of({"type": "string"})),
    ),
    "any": ("a value", lambda v: True, {}),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a body.

    Attributes:
        name: In JSON.
        kind: ``string``, ``integer``, ``long``, ``number``, ``boolean``, ``object``, ``array``,
            ``strings``, ``objects``, ``files`` or ``any``.
        field: Of the protocol's message that it fills as it is; empty where a route does more.
        required: Empty values count as missing, as with Milvus.
        default: Taken where it is missing.
        about: One sentence for the reader of the documentation.
    """

    name: str
    kind: str = "string"
    field: str = ""
    required: bool = False
    default: Any = None
    about: str = ""

    def read(self, body: Mapping[str, Any], where: str = "") -> Any:
        """Return the value in a body.

        Raises:
            MilvusError: It is missing, or of another kind.
        """
        value = body.get(self.name)
        if value is None:
            value = self.default
        shown = f"{where}{self.name}"
        if self.required and (value is None or value in ("", [], {})):
            raise missing(f"'{shown}' is required")
        if value is None:
            return None
        words, fits, _ = _KINDS[self.kind]
        if not fits(value):
            raise not_json(f"{shown}: expected {words}, got {_shown(value)}")
        return value

    def schema(self) -> dict[str, Any]:
        """Return its JSON schema."""
        made = dict(_KINDS[self.kind][2])
        if self.default is not None:
            made["default"] = self.default
        if self.about:
            made["description"] = self.about
        return made


def read_all(
    parameters: Iterable[Parameter], body: Mapping[str, Any], where: str = ""
) -> dict[str, Any]:
    """Return the values of a body by name.

    Args:
        parameters: What it may hold; anything else is passed over, as Milvus does.
        body: A JSON object.
        where: Shown before the names in errors.

    Raises:
        MilvusError: As for one parameter.
    """
    # Most are left out of most bodies.
    return {
        one.name: one.read(body, where) if one.required or one.name in body else one.default
        for one in parameters
    }


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
