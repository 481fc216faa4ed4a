"""How does the protocol carry settings?

As pairs of texts. Their values are JSON where they are not plain words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from elanus_server.failures import invalid
from elanus_server.wire import common


def read_name(kind: Any, value: int) -> str:
    """Return the name of a number of an enumeration.

    Raises:
        MilvusError: It has none.
    """
    try:
        name: str = kind.Name(value)
    except ValueError as error:
        raise invalid(str(error)) from None
    return name


def read_text(raw: bytes) -> str:
    """Return bytes of a message as text.

    Raises:
        MilvusError: They are not UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise invalid(f"expected text in UTF-8: {error}") from None


def read_pairs(pairs: Iterable[Any]) -> dict[str, str]:
    """Return ``KeyValuePair`` messages as a dict; of a key that comes twice the last one counts."""
    return {pair.key: pair.value for pair in pairs}


def write_pairs(values: Mapping[str, Any]) -> list[Any]:
    """Return a dict as ``KeyValuePair`` messages."""
    return [common.KeyValuePair(key=key, value=as_text(value)) for key, value in values.items()]


def as_text(value: Any) -> str:
    """Return a value as the protocol spells it: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def loose_value(text: str) -> Any:
    """Return what a text says: the JSON value, a Python word, or the text itself."""
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_flag(name: str, text: str) -> bool:
    """Return a truth value.

    Raises:
        MilvusError: It is none.
    """
    lowered = text.strip().lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0", ""):
        return False
    raise invalid(f"{name}: expected true or false, got {text!r}")


def read_integer(name: str, value: Any) -> int:
    """Return a whole number, of a text or of JSON.

    Raises:
        MilvusError: It is none.
    """
    try:
        return int(value)
    except (OverflowError, TypeError, ValueError):
        raise invalid(f"{name} [{value}] is invalid: expected a whole number") from None


def read_number(name: str, value: Any) -> float:
    """Return a number, of a text or of JSON.

    Raises:
        MilvusError: It is none.
    """
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        raise invalid(f"{name} [{value}] is invalid: expected a number") from None


def read_object(name: str, text: str) -> dict[str, Any]:
    """Return a JSON object; of an empty text an empty one.

    Raises:
        MilvusError: It is none.
    """
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        value = None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{name}: expected a JSON object, got {text!r}")
    return value
