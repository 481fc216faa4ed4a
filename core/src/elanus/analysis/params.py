"""Are these the parameters of an analyzer?

Each check names the tokenizer or filter and the parameter, what was expected and what came.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from elanus.errors import SchemaError

AnalyzerParams = Mapping[str, object]


def choice(what: str, value: object, names: Collection[str]) -> str:
    """Return ``value`` if it is one of ``names``."""
    if isinstance(value, str) and value in names:
        return value
    if not isinstance(value, str):
        raise SchemaError(f"{what}: expected a name, got {value!r}")
    raise SchemaError(unknown_name(what, value, names))


def unknown_name(what: str, name: str, names: Collection[str]) -> str:
    """Return what to say of a name that is not one of ``names``."""
    near = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known names are {', '.join(sorted(names))}"
    return f"{what}: unknown name {name!r}; {hint}"


def check_keys(what: str, params: AnalyzerParams, allowed: Collection[str]) -> None:
    """Raise ``SchemaError`` if ``params`` has another key than those."""
    for key in params:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {sorted(allowed)}"
            raise SchemaError(f"{what}: unknown parameter {key!r}; {hint}")


def typed(what: str, value: object) -> AnalyzerParams:
    """Return a name or a dict with a ``type`` as the dict."""
    if isinstance(value, str):
        return {"type": value}
    if not isinstance(value, Mapping) or "type" not in value:
        raise SchemaError(f"{what}: expected a name or a dict with 'type', got {value!r}")
    return value


def mapping(what: str, value: object) -> Mapping[str, object]:
    """Return ``value`` if it is a dict with names as its keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise SchemaError(f"{what}: expected a dict of names, got {value!r}")
    return value


def sequence(what: str, value: object) -> list[object]:
    """Return ``value`` if it is a list."""
    if not isinstance(value, list | tuple):
        raise SchemaError(f"{what}: expected a list, got {value!r}")
    return list(value)


def strings(what: str, value: object) -> list[str]:
    """Return ``value`` if it is a list of strings."""
    items = sequence(what, value)
    for item in items:
        if not isinstance(item, str):
            raise SchemaError(f"{what}: expected strings, got {item!r}")
    return [str(item) for item in items]


def string(what: str, value: object) -> str:
    """Return ``value`` if it is a string."""
    if not isinstance(value, str):
        raise SchemaError(f"{what}: expected a string, got {value!r}")
    return value


def boolean(what: str, value: object) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool):
        raise SchemaError(f"{what}: expected True or False, got {value!r}")
    return value
