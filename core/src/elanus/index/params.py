"""Which build parameters may an index have?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from elanus.errors import InvalidArgumentError

Ranges = Mapping[str, tuple[float, float, float]]
"""Name → (least, most, default); both ends are allowed."""


def ranged_params(
    index_type: str,
    given: Mapping[str, Any],
    ranges: Ranges,
    *,
    aliases: Mapping[str, str] | None = None,
    fractions: Collection[str] = (),
) -> dict[str, Any]:
    """Return every parameter of ``ranges``: as given, or its default.

    Args:
        index_type: Who asks, for messages.
        given: What the user gave.
        ranges: What there is.
        aliases: Other names of parameters.
        fractions: Parameters that need not be integers.

    Raises:
        InvalidArgumentError: An unknown parameter, not a number, or out of range.
    """
    named = {(aliases or {}).get(name, name): value for name, value in given.items()}
    unknown = sorted(set(named) - set(ranges))
    if unknown:
        raise InvalidArgumentError(
            f"{index_type} has no parameter {unknown[0]!r}; it takes {', '.join(ranges)}"
        )
    parsed = {}
    for name, (least, most, default) in ranges.items():
        value = named.get(name, default)
        kinds = (int, float) if name in fractions else int
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            kind = "a number" if name in fractions else "an integer"
            raise InvalidArgumentError(
                f"{index_type} {name} must be {kind} in {least}..{most}, got {value!r}"
            )
        parsed[name] = value
    return parsed
