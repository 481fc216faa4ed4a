"""Which field or key does a name mean?

Resolving replaces names by what they mean in a schema, parameters by their values, and seeds that
are not given by new ones. The result is a tree again, in which every ``FieldRef`` is a declared
field and every ``JsonPath`` starts at one, so its text means the same with and without a root.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from elanus.errors import FilterError
from elanus.filter.ast import (
    And,
    FieldRef,
    Interval,
    JsonPath,
    Literal,
    Node,
    Or,
    Parameter,
    RandomSample,
)
from elanus.filter.trees import rebuild
from elanus.schema.collection import DYNAMIC_FIELD, PARTITION_FIELD, Schema, did_you_mean
from elanus.schema.structs import struct_of
from elanus.schema.times import interval_text
from elanus.types import DataType

Casts: TypeAlias = frozenset[tuple[str, tuple[str | int, ...]]]
"""Fields, and keys of a path inside each."""

_HIDDEN = (DYNAMIC_FIELD, PARTITION_FIELD)


@dataclass(frozen=True, slots=True)
class Scope:
    """What names can mean.

    Attributes:
        schema: The declared fields.
        root: JSON field whose keys all names are; None: names are fields.
        params: Values of ``{name}``.
        text: The expression, for error messages.
        casts: Paths of JSON fields where texts that are numbers count as numbers.
    """

    schema: Schema
    root: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    casts: Casts = frozenset()

    def error(self, message: str, node: Node, hint: str | None = None) -> FilterError:
        """Return an error that points at ``node``."""
        return FilterError(message, expression=self.text, position=node.position, hint=hint)


def resolve(node: Node, scope: Scope) -> Node:
    """Return the tree with every name and parameter replaced by what it means.

    Raises:
        FilterError: A name or parameter is unknown, or the root is no JSON field.
    """
    _check_root(scope)
    return _resolve(node, scope)


def _resolve(node: Node, scope: Scope) -> Node:
    if type(node) is Literal:
        return node  # half of all nodes
    match node:
        case FieldRef(name):
            return _place(name, (), node, scope)
        case JsonPath(name, keys):
            return _place(name, keys, node, scope)
        case Parameter(name):
            return _value(name, node, scope)
        case And(terms) | Or(terms) if len(terms) == 1:
            return _resolve(terms[0], scope)
        case RandomSample(fraction, None):
            # Drawn once, so that every segment and every reader of the text choose alike.
            seed = Literal(random.getrandbits(63), position=node.position)
            return RandomSample(_resolve(fraction, scope), seed, position=node.position)
    return rebuild(node, lambda child: _resolve(child, scope))


def _place(name: str, keys: tuple[str | int, ...], node: Node, scope: Scope) -> Node:
    given = name
    if scope.root is not None and name != scope.root:
        name, keys = scope.root, (name, *keys)
    elif scope.root is None and name not in scope.schema and name not in _HIDDEN:
        if not scope.schema.dynamic:
            raise _unknown_field(name, node, scope)
        name, keys = DYNAMIC_FIELD, (name, *keys)
    elif name == DYNAMIC_FIELD and not scope.schema.dynamic:
        raise scope.error(f"{DYNAMIC_FIELD} needs a schema with dynamic=True", node)
    if name == given:
        return node
    if keys:
        return JsonPath(name, keys, position=node.position)
    return FieldRef(name, position=node.position)


def _unknown_field(name: str, node: Node, scope: Scope) -> FilterError:
    if struct_of(name) in scope.schema and name.endswith("]"):
        is_json = scope.schema.field(struct_of(name)).dtype is DataType.JSON
        hint = "a key of JSON stands in quotes" if is_json else None
        return scope.error(f"no field {name!r}", node, hint)
    names = [f.name for f in scope.schema.fields if not f.dtype.is_vector]
    return scope.error(f"no field {name!r}{did_you_mean(name, names)}", node)


def _value(name: str, node: Node, scope: Scope) -> Node:
    if name not in scope.params:
        near = did_you_mean(name, list(scope.params))
        raise scope.error(f"no value for parameter {{{name}}}{near}", node)
    value = scope.params[name]
    if isinstance(value, timedelta):
        return Interval(interval_text(value), position=node.position)
    try:
        return Literal(value, position=node.position)  # type: ignore[arg-type]
    except FilterError as error:
        raise scope.error(f"parameter {{{name}}}: {error}", node) from None


def _check_root(scope: Scope) -> None:
    if scope.root is None:
        return
    schema = scope.schema
    is_known = scope.root in schema or (schema.dynamic and scope.root == DYNAMIC_FIELD)
    if not is_known or schema.field(scope.root).dtype is not DataType.JSON:
        raise FilterError(f"root {scope.root!r} is not a JSON field of the schema")
