"""JSON documents, as bytes and as values: what ``json`` does, as fast as orjson is.

Where the two differ it is as ``json`` has it: whole numbers of more than 64 bits stay whole, and
NaN and the infinities are numbers.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_WIDE = 2.0**63
"""From here on a number without a fraction may have been a whole one that has no 64 bits."""


def load(raw: bytes) -> Any:
    """Return the value of a document.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        value = orjson.loads(raw)
        return json.loads(raw) if has_wide(value) else value
    except orjson.JSONDecodeError:
        return json.loads(raw)


def dump(value: Any) -> bytes:
    """Return a value as a document."""
    try:
        raw = orjson.dumps(value)
        if b"null" not in raw:
            return raw
        # orjson writes the same for numbers that are none.
    except TypeError:
        # A whole number of more than 64 bits, or a key that is no text.
        pass
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def has_wide(value: Any) -> bool:
    """Whether a value that orjson has read holds a number that may have been a whole one."""
    kind = type(value)
    if kind is float:
        return not -_WIDE < value < _WIDE
    if kind is dict:
        return any(map(has_wide, value.values()))
    if kind is not list:
        return False
    if value and type(value[0]) is float:
        try:
            # A vector, most likely.
            return not -_WIDE < min(value) <= max(value) < _WIDE
        except TypeError:
            pass
    return any(map(has_wide, value))
