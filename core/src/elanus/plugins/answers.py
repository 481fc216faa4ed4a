"""What does the answer of a service hold, and is it whole?

Answers come from outside: every shape is checked before a number of it is used.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np

from elanus.errors import ProviderError
from elanus.types import Float32Array


def find(answer: object, keys: Sequence[str], service: str) -> Any:
    """Return what stands at ``keys`` in an answer.

    Args:
        answer: JSON values.
        keys: Names of members, one inside the other; "*" stands for each element of a list and
            makes the result one.
        service: For the message.

    Raises:
        ProviderError: Something else stands there.
    """
    found: Any = answer
    for position, key in enumerate(keys):
        if key == "*":
            if not isinstance(found, list):
                break
            rest = keys[position + 1 :]
            return [find(item, rest, service) for item in found] if rest else found
        if not isinstance(found, dict) or key not in found:
            break
        found = found[key]
    else:
        return found
    where = ".".join(keys)
    raise ProviderError(
        f"{service}: the answer has nothing at {where!r}, but {_shown(answer)}. Does base_url name "
        "a service of this kind?"
    )


def find_count(answer: object, keys: Sequence[str]) -> int:
    """Return the number at ``keys``, or 0 when there is none: counts are not worth an error."""
    found: Any = answer
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return int(found) if isinstance(found, int | float) and found > 0 else 0


def order_of(places: object, count: int, service: str) -> list[int]:
    """Return the places that an answer names, if they are 0 to ``count - 1`` in any order.

    Raises:
        ProviderError: They are not.
    """
    if isinstance(places, list):
        places = [int(p) if isinstance(p, str) and p.isdecimal() else p for p in places]
    if not isinstance(places, list) or sorted(map(repr, places)) != sorted(map(repr, range(count))):
        raise ProviderError(
            f"{service}: expected an answer for each of {count} texts, got the places "
            f"{str(places)[:120]}",
            retryable=True,
        )
    return [int(place) for place in places]


def matrix(rows: object, count: int, dim: int | None, service: str) -> Float32Array:
    """Return the vectors of an answer as float32, shape ``(count, dim)``.

    Args:
        rows: One list of numbers, or base64 of little-endian float32, per text.
        count: Texts that were sent.
        dim: Dimensions expected, or None to take those of the first vector.
        service: For the message.

    Raises:
        ProviderError: Another number of rows or dimensions, or something that is not a finite
            number.
    """
    if not isinstance(rows, list) or len(rows) != count:
        got = len(rows) if isinstance(rows, list) else _shown(rows)
        raise ProviderError(
            f"{service}: expected {count} vectors for {count} texts, got {got}", retryable=True
        )
    try:
        decoded = [_decoded(row) for row in rows]
        vectors = np.array(decoded, dtype=np.float32)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ProviderError(f"{service}: a vector is not a list of numbers: {error}") from error
    if count and vectors.ndim != 2:
        raise ProviderError(f"{service}: a vector is not a list of numbers")
    if count and dim is not None and vectors.shape[1] != dim:
        raise ProviderError(
            f"{service}: expected vectors of {dim} dimensions, got {vectors.shape[1]}: leave dim "
            "out, or give the one that this model makes"
        )
    if not np.isfinite(vectors).all():
        raise ProviderError(f"{service}: a vector has a value that is not finite")
    return vectors.reshape(count, -1 if count else dim or 0)


def _decoded(row: object) -> object:
    if isinstance(row, str):
        return np.frombuffer(base64.b64decode(row, validate=True), dtype="<f4")
    return row


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with {sorted(map(str, value))[:8]}"
    return f"a {type(value).__name__}"
