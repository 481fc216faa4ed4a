"""How is a tree written as text?

In one canonical form that parses back to the same tree: small keywords, double quotes, and only
the parentheses that are needed.
"""

from __future__ import annotations

import json
from typing import Final

from elanus.errors import FilterError
from elanus.filter.ast import (
    And,
    Arithmetic,
    ArrayLength,
    Between,
    Compare,
    Contains,
    ContainsAll,
    ContainsAny,
    Element,
    ElementMatch,
    Exists,
    FieldRef,
    FuzzyMatch,
    In,
    Interval,
    IsEmpty,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Moment,
    Node,
    Not,
    Or,
    Parameter,
    PhraseMatch,
    RandomSample,
    RegexMatch,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.filter.constants import Constant
from elanus.filter.language.lexer import is_plain_name
from elanus.filter.operators import ArithmeticOp
from elanus.filter.trees import check_tree

# How tightly a piece of text holds together; weaker pieces need parentheses inside stronger ones.
_OR, _AND, _NOT, _COMPARISON, _BIT_OR, _BIT_XOR, _BIT_AND, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = (
    range(1, 13)
)
_VALUE = _BIT_OR
_STRENGTHS: Final = {
    ArithmeticOp.BIT_OR: _BIT_OR,
    ArithmeticOp.BIT_XOR: _BIT_XOR,
    ArithmeticOp.BIT_AND: _BIT_AND,
    ArithmeticOp.ADD: _SUM,
    ArithmeticOp.SUB: _SUM,
    ArithmeticOp.POW: _POWER,
}

_CONTAINS: Final = {Contains: "contains", ContainsAny: "contains_any", ContainsAll: "contains_all"}


def to_text(node: Node) -> str:
    """Return the expression that ``parse`` reads as the same tree.

    ``And`` and ``Or`` of one term are written as that term.

    Raises:
        FilterError: Something in the tree is not a node, or it is nested too deeply.
    """
    check_tree(node)
    return _render(node)[0]


def _wrap(node: Node, strength: int) -> str:
    text, own = _render(node)
    return text if own >= strength else f"({text})"


def _render(node: Node) -> tuple[str, int]:
    """Return the text of a node and its strength."""
    match node:
        case And(terms) | Or(terms) if len(terms) == 1:
            return _render(terms[0])
        case And(terms):
            return " and ".join(_wrap(t, _NOT) for t in terms), _AND
        case Or(terms):
            return " or ".join(_wrap(t, _AND) for t in terms), _OR
        case Not(term):
            return _render_not(term)
        case Compare(op, left, right):
            return f"{_wrap(left, _VALUE)} {op} {_wrap(right, _VALUE)}", _COMPARISON
        case Between():
            return _render_between(node), _COMPARISON
        case In() | Like() | IsNull() | RegexMatch():
            return _render_suffix(node, ""), _COMPARISON
        case Arithmetic():
            return _render_arithmetic(node)
        case Literal(value):
            is_negative = isinstance(value, int | float) and constant_to_text(value)[0] == "-"
            return constant_to_text(value), _SIGN if is_negative else _ATOM
        case FieldRef(name):
            return _render_name(name), _ATOM
        case JsonPath(name, keys):
            return _render_name(name) + "".join(f"[{constant_to_text(k)}]" for k in keys), _ATOM
        case Moment(iso):
            return f"ISO {constant_to_text(iso)}", _ATOM
        case Interval(iso):
            return f"INTERVAL {constant_to_text(iso)}", _ATOM
        case Element(key):
            return "$" if key is None else f"$[{_render_name(key)}]", _ATOM
        case Parameter(name):
            return f"{{{name}}}", _ATOM
        case Exists(operand):
            return f"exists {_wrap(operand, _POWER)}", _ATOM
    return _render_call(node), _ATOM


def _render_not(term: Node) -> tuple[str, int]:
    if isinstance(term, In | Like | IsNull | RegexMatch):
        return _render_suffix(term, "not "), _COMPARISON
    return f"not {_wrap(term, _NOT)}", _NOT


def _render_suffix(node: In | Like | IsNull | RegexMatch, negation: str) -> str:
    operand = _wrap(node.operand, _VALUE)
    if isinstance(node, IsNull):
        return f"{operand} is {negation}null"
    if isinstance(node, In):
        return f"{operand} {negation}in {_wrap(node.values, _VALUE)}"
    if isinstance(node, RegexMatch):
        return f"{operand} {'!~' if negation else '=~'} {_wrap(node.pattern, _VALUE)}"
    word = "ilike" if node.ignore_case else "like"
    return f"{operand} {negation}{word} {_wrap(node.pattern, _VALUE)}"


def _render_between(node: Between) -> str:
    low = "<=" if node.includes_low else "<"
    high = "<=" if node.includes_high else "<"
    operands = [_wrap(n, _VALUE) for n in (node.low, node.operand, node.high)]
    return f"{operands[0]} {low} {operands[1]} {high} {operands[2]}"


def _render_arithmetic(node: Arithmetic) -> tuple[str, int]:
    strength = _STRENGTHS.get(node.op, _PRODUCT)
    # Operators of one strength group from the left, so the right side needs a stronger one. A
    # sign is stronger than a product, but weaker than a power.
    right = _ATOM if strength == _POWER else strength + 1
    return f"{_wrap(node.left, strength)} {node.op} {_wrap(node.right, right)}", strength


def _render_call(node: Node) -> str:
    match node:
        case Contains(operand, value, arrays_only):
            arguments = (operand, value)
        case ContainsAny(operand, value, arrays_only) | ContainsAll(operand, value, arrays_only):
            arguments = (operand, value)
        case TextContains(operand, text, ignore_case):
            name = "text_icontains" if ignore_case else "text_contains"
            return f"{name}({_render(operand)[0]}, {_render(text)[0]})"
        case TextMatch(operand, text, minimum):
            return _render_option("text_match", operand, text, "minimum_should_match", minimum)
        case FuzzyMatch(operand, text, most):
            given = f"{_render(text)[0]}, max_edit_distance={_render(most)[0]}"
            return f"text_match_fuzzy({_render(operand)[0]}, {given})"
        case PhraseMatch(operand, text, slop):
            return _render_option("phrase_match", operand, text, "slop", slop)
        case ElementMatch(operand, condition, chooses=True):
            return f"element_filter({_render(operand)[0]}, {_render(condition)[0]})"
        case ElementMatch(operand, condition, quantifier, count):
            given = f", threshold={_render(count)[0]}" if quantifier.has_count else ""
            return f"match_{quantifier}({_render(operand)[0]}, {_render(condition)[0]}{given})"
        case RandomSample(fraction, seed):
            given = "" if seed is None else f", seed={_render(seed)[0]}"
            return f"random_sample({_render(fraction)[0]}{given})"
        case Spatial(relation, operand, shape, distance):
            parts = [a for a in (operand, shape, distance) if a is not None]
            return f"{relation}({', '.join(_render(a)[0] for a in parts)})"
        case ArrayLength(operand):
            return f"array_length({_render(operand)[0]})"
        case IsEmpty(operand):
            return f"is_empty({_render(operand)[0]})"
        case _:
            raise FilterError(f"{type(node).__name__} is not a node of the filter language")
    name = ("json_" if arrays_only else "") + _CONTAINS[type(node)]
    return f"{name}({', '.join(_render(a)[0] for a in arguments)})"


def _render_option(name: str, operand: Node, text: Node, option: str, value: Node) -> str:
    default = Literal(1 if option == "minimum_should_match" else 0)
    given = "" if value == default else f", {option}={_render(value)[0]}"
    return f"{name}({_render(operand)[0]}, {_render(text)[0]}{given})"


def _render_name(name: str) -> str:
    return name if is_plain_name(name) else "`" + name.replace("`", "``") + "`"


def constant_to_text(value: Constant) -> str:
    """Return a constant as it stands in an expression."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(constant_to_text, value))}]"
    if value is None:
        return "null"
    # 1e999 is read as infinity, which has no digits of its own.
    return repr(value).replace("inf", "1e999")
