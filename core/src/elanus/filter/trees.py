"""What is true of every tree, whatever its nodes say?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from elanus.errors import FilterError
from elanus.filter.ast import Literal, Node, attribute_names
from elanus.filter.constants import MAX_DEPTH, too_deep

NodeT = TypeVar("NodeT", bound=Node)


def rebuild(node: NodeT, transform: Callable[[Node], Node]) -> NodeT:
    """Return ``node`` with every child replaced by what ``transform`` makes of it."""
    changes: dict[str, Any] = {}
    for name in attribute_names(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            made = transform(value)
            if made is not value:
                changes[name] = made
        elif name == "terms":
            changes[name] = tuple(transform(term) for term in value)
    return dataclasses.replace(node, **changes) if changes else node


def check_tree(node: Node) -> None:
    """Check the shape of a tree without recursion.

    Raises:
        FilterError: Something in it is not a node, or it is nested deeper than ``MAX_DEPTH``.
    """
    stack: list[tuple[object, int]] = [(node, 1)]
    while stack:
        current, depth = stack.pop()
        if not isinstance(current, Node):
            raise FilterError(
                f"a filter tree holds nodes, got {type(current).__name__}; "
                f"write a constant as Literal(...)"
            )
        if depth > MAX_DEPTH:
            raise too_deep()
        for name in attribute_names(current):
            value = getattr(current, name)
            is_node = name in _NODE_ATTRIBUTES and not isinstance(current, Literal)
            if isinstance(value, Node) or is_node:
                stack.append((value, depth + 1))
            elif name == "terms":
                stack.extend((term, depth + 1) for term in value)


_NODE_ATTRIBUTES = frozenset(
    {
        "operand",
        "left",
        "right",
        "low",
        "high",
        "value",
        "values",
        "pattern",
        "text",
        "term",
        "minimum",
        "slop",
        "fraction",
        "condition",
        "count",
    }
)


def depth(node: Node) -> int:
    """Return how many nodes stand on the longest way down, without recursion."""
    deepest, level = 0, [node]
    while level:
        deepest += 1
        level = [child for parent in level for child in parent.children()]
    return deepest
