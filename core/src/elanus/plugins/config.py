"""How is a plug-in named in a stored collection, so that opening it can build the plug-in again?

A configuration is plain JSON, ``{"name": ..., "params": ...}``, holds only what decides the vectors
or scores (not devices or batch sizes), and never holds a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from elanus.errors import InvalidArgumentError
from elanus.plugins.protocols import AnyEmbedder, Reranker

_SECRET_NAMES = ("api_key", "apikey", "token", "access_token", "password", "secret")


def plugin_config(plugin: AnyEmbedder | Reranker) -> dict[str, object]:
    """Return what has to be stored to build ``plugin`` again.

    A plug-in that can be built again has an attribute ``config``: a mapping with ``name``, as its
    entry point is called, and ``params``, the keyword arguments of its factory.

    Returns:
        ``{"name": str, "params": dict}`` of JSON values; ``params`` is None for an object without
        ``config``, which the user must pass again when the collection is opened.

    Raises:
        InvalidArgumentError: ``config`` has another form, does not survive JSON, or holds a secret.
    """
    declared = getattr(plugin, "config", None)
    if declared is None:
        return {"name": plugin.info.name, "params": None}
    owner = type(plugin).__name__
    if not isinstance(declared, Mapping) or set(declared) != {"name", "params"}:
        raise InvalidArgumentError(
            f"{owner}.config: expected a mapping with 'name' and 'params', got {declared!r}"
        )
    params = declared["params"]
    if not isinstance(declared["name"], str) or not isinstance(params, Mapping):
        raise InvalidArgumentError(
            f"{owner}.config: expected a string 'name' and a mapping 'params', got {declared!r}"
        )
    check_storable(f"{owner}.config", params)
    return {"name": declared["name"], "params": dict(params)}


def check_storable(where: str, params: Mapping[str, object]) -> None:
    """Raise unless the options of a plug-in can stand in a collection: plain JSON, no secrets.

    Raises:
        InvalidArgumentError: They cannot; names ``where`` they are.
    """
    for key in params:
        if str(key).lower() in _SECRET_NAMES:
            raise InvalidArgumentError(
                f"{where}: {key!r} is a secret and would be stored in the collection; "
                f"store the name of an environment variable instead, such as '{key}_env'"
            )
    try:
        survives = json.loads(json.dumps(params)) == params
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{where} is not JSON: {error}") from error
    if not survives:
        raise InvalidArgumentError(f"{where} changes when it is written as JSON: {params!r}")
