"""What do plug-ins whose options are the fields of a dataclass have in common?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from elanus.errors import InvalidArgumentError


def given_options(plugin: Any) -> dict[str, Any]:
    """Return the options of a plug-in by name: what builds an equal one."""
    return {f.name: getattr(plugin, f.name) for f in fields(plugin) if f.init}


def changed_options(plugin: Any, stored: Collection[str]) -> dict[str, object]:
    """Return those of the options that a collection stores and that are not the default.

    Args:
        plugin: An instance of a dataclass.
        stored: Names of the options that decide what the plug-in makes.
    """
    defaults = {f.name: f.default for f in fields(plugin) if f.name in stored}
    values = {name: getattr(plugin, name) for name in defaults}
    return {name: value for name, value in values.items() if value != defaults[name]}


def require_counts(where: str, plugin: Any, names: Sequence[str]) -> None:
    """Raise unless each of some options is None or an integer of at least 1.

    Raises:
        InvalidArgumentError: One of them is not; names it and the plug-in, ``where``.
    """
    for name in names:
        value = getattr(plugin, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InvalidArgumentError(
                f"{where}: {name} must be an integer of at least 1 or None, got {value!r}"
            )
