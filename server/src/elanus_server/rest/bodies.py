"""Bodies of requests and responses: bytes on one side, JSON values on the other."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from elanus_server.rest.parameters import not_json

# Half of a pair of code points, which JSON can spell and no text can hold.
_LONE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_body(raw: bytes) -> dict[str, Any]:
    """Return the object that a body is.

    Raises:
        MilvusError: It is no JSON, or no object.
    """
    if not raw.strip():
        raise not_json("the request body should not be empty, however {} is valid")
    try:
        body = json.loads(raw.decode(), parse_constant=_refuse)
        if _LONE.search(raw):
            json.dumps(body, ensure_ascii=False).encode()
    except RecursionError:
        raise not_json("the request body is nested too deeply") from None
    except ValueError as error:
        raise not_json(str(error)) from None
    if not isinstance(body, dict):
        raise not_json(f"expected an object, got {type(body).__name__}")
    return body


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def write_body(body: dict[str, Any]) -> bytes:
    """Return an object as bytes; numbers without a word in JSON become texts."""
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
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
