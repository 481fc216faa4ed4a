"""Bodies of requests and responses: bytes on one side, JSON values on the other."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from elanus_server.codec.documents import has_wide
from elanus_server.failures import RATE_LIMIT, MilvusError
from elanus_server.rest.parameters import not_json

_CODES = {RATE_LIMIT: 1807}
"""Numbers that the RESTful API has of its own."""


def read_json(raw: bytes) -> dict[str, Any]:
    """Return the object that a body is.

    Raises:
        MilvusError: It is no JSON, or no object.
    """
    if not raw.strip():
        raise not_json("the request body should not be empty, however {} is valid")
    try:
        body = orjson.loads(raw)
        if has_wide(body):
            # Of whole numbers beyond 64 bits orjson makes floats.
            body = json.loads(raw)
    except RecursionError:
        raise not_json("the request body is nested too deeply") from None
    except ValueError as error:
        raise not_json(str(error)) from None
    if not isinstance(body, dict):
        raise not_json(f"expected an object, got {type(body).__name__}")
    return body


class Written(float):
    """A number with a fraction or an exponent, and how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Written:
        made = super().__new__(cls, text)
        made.text = text
        return made


def as_written(raw: bytes) -> dict[str, Any]:
    """Return the object that a body is, as ``read_json`` does, with floats that know their text."""
    body: dict[str, Any] = json.loads(raw, parse_float=Written)
    return body


def write_json(body: dict[str, Any]) -> bytes:
    """Return an object as bytes; numbers without a word in JSON become texts."""
    try:
        raw = orjson.dumps(body)
        if b"null" not in raw:
            return raw
        # orjson writes the same for numbers that are none.
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(_finite(body), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def error_body(error: MilvusError) -> dict[str, Any]:
    """Return what a request is answered with that came to an error."""
    return {"code": _CODES.get(error.code, error.code), "message": str(error)}
