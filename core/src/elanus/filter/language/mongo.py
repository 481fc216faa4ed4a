"""How does a dict of conditions become a tree?

``{"year": {"$gte": 2020}, "lang": "en"}``: a conjunction of keys, each with a value or with
operators. Keys are literal, dots included; values inside nested objects are reached by nesting.
``$ne`` and ``$nin`` are the negations of ``$eq`` and ``$in``, so that a missing key matches them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Final, NoReturn

from elanus.errors import FilterError
from elanus.filter.ast import (
    And,
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
    IsEmpty,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Node,
    Not,
    Or,
    PhraseMatch,
    RandomSample,
    RegexMatch,
    Spatial,
    TextContains,
    TextMatch,
)
from elanus.filter.constants import MAX_DEPTH, MAX_JOINED, too_deep, too_many
from elanus.filter.operators import CompareOp, Relation
from elanus.filter.trees import rebuild
from elanus.schema.collection import did_you_mean


def from_mongo(conditions: Mapping[str, object], root: str | None = None) -> Node | None:
    """Return the tree of a dict of conditions; None for an empty dict.

    Args:
        conditions: Keys with values or operators, and ``$and``, ``$or``, ``$not``.
        root: JSON field whose keys the names are; None: names are fields.

    Raises:
        FilterError: An operator is unknown or its value has the wrong form; says where.
    """
    if not isinstance(conditions, Mapping):
        raise FilterError(f"expected a dict of conditions, got {type(conditions).__name__}")
    if not conditions:
        return None
    return _Reader(root).conjunction(conditions, "filter", 0)


class _Reader:
    """Reads dicts; ``where`` is the Python expression of the place, for error messages."""

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._joined = 0

    def conjunction(self, conditions: object, where: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise too_deep()
        if not isinstance(conditions, Mapping) or not conditions:
            _fail(where, "a dict of conditions that is not empty", conditions)
        self._count(len(conditions))
        terms: list[Node] = []
        for key, value in conditions.items():
            here = f"{where}[{key!r}]"
            if not isinstance(key, str):
                raise FilterError(f"{where}: expected keys of str, got {key!r}")
            if key.startswith("$") and key != "$meta":
                terms.append(self._logical(key, value, here, depth))
            else:
                terms.append(self._field((key,), value, here, depth))
        return _joined(And, terms)

    def _logical(self, key: str, value: object, where: str, depth: int) -> Node:
        if key == "$not":
            if isinstance(value, Mapping):
                return _negated(self.conjunction(value, where, depth + 1))
            return _negated(_joined(Or, self._members(value, where, depth)))
        if key in ("$and", "$or"):
            return _joined(And if key == "$and" else Or, self._members(value, where, depth))
        if key == "$sampleRate":
            return _read_value(_sample, Literal(True), value, where)
        if key in _OPERATORS:
            example = f"{{'year': {{{key!r}: ...}}}}"
            raise FilterError(f"{where}: expected a key around the operator, as in {example}")
        if key == "$nor":
            raise FilterError(f"{where}: unknown operator; write {{'$not': {{'$or': [...]}}}}")
        known = [*_LOGICAL, *_OPERATORS]
        raise FilterError(f"{where}: unknown operator{did_you_mean(key, known)}")

    def _members(self, value: object, where: str, depth: int) -> list[Node]:
        if not isinstance(value, list | tuple) or not value:
            _fail(where, "a list of dicts that is not empty", value)
        self._count(len(value))
        return [
            self.conjunction(member, f"{where}[{i}]", depth + 1) for i, member in enumerate(value)
        ]

    def _count(self, joined: int) -> None:
        self._joined += joined - 1
        if self._joined >= MAX_JOINED:
            raise too_many()

    def _field(self, path: tuple[str, ...], value: object, where: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise too_deep()
        if not isinstance(value, Mapping):
            return _read_value(_equal, self._node(path), value, where)
        if not value:
            _fail(where, "operators or keys", value)
        self._count(len(value))
        operators = [isinstance(key, str) and key.startswith("$") for key in value]
        if any(operators) and not all(operators):
            raise FilterError(f"{where}: operators and keys cannot stand in one dict")
        terms: list[Node] = []
        for key, operand in value.items():
            here = f"{where}[{key!r}]"
            if not isinstance(key, str):
                raise FilterError(f"{where}: expected keys of str, got {key!r}")
            if not operators[0] and not path:
                raise FilterError(f"{here}: elements of arrays have no keys here, only operators")
            if not operators[0]:
                terms.append(self._field((*path, key), operand, here, depth + 1))
            elif key == "$not":
                terms.append(_negated(self._field(path, operand, here, depth + 1)))
            elif key == "$elemMatch":
                condition = self._field((), operand, here, depth + 1)
                terms.append(ElementMatch(self._node(path), condition))
            elif key in _OPERATORS:
                terms.append(_read_value(_OPERATORS[key], self._node(path), operand, here))
            else:
                known = ["$not", "$elemMatch", *_OPERATORS]
                raise FilterError(f"{here}: unknown operator{did_you_mean(key, known)}")
        return _joined(And, terms)

    def _node(self, path: tuple[str, ...]) -> Node:
        if not path:
            return Element()
        if self._root is not None:
            return JsonPath(self._root, path)
        return FieldRef(path[0]) if len(path) == 1 else JsonPath(path[0], path[1:])


_Operator = Callable[[Node, object, str], Node]


def _read_value(operator: _Operator, node: Node, value: object, where: str) -> Node:
    try:
        return operator(node, value, where)
    except FilterError as error:
        if str(error).startswith(where):
            raise
        raise FilterError(f"{where}: {error}") from None


def _joined(kind: type[And] | type[Or], terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else kind(tuple(terms))


def _literal(value: object) -> Literal:
    return Literal(value)  # type: ignore[arg-type]


def _equal(node: Node, value: object, where: str) -> Node:
    if isinstance(value, Mapping):
        _fail(where, "a value; nest the keys of an object instead", value)
    literal = _literal(value)
    return IsNull(node) if literal.value is None else Compare(CompareOp.EQ, node, literal)


def _negated(node: Node) -> Not:
    """Return the negation, which holds where ``$elemMatch`` finds no array."""

    def known(node: Node) -> Node:
        if isinstance(node, ElementMatch):
            is_array = Compare(CompareOp.GE, ArrayLength(node.operand), Literal(0))
            return And((node, is_array))
        # Below another negation it is known already.
        return node if isinstance(node, Not) else rebuild(node, known)

    return Not(known(node))


def _not_equal(node: Node, value: object, where: str) -> Node:
    return Not(_equal(node, value, where))


def _ordered(op: CompareOp) -> _Operator:
    def make(node: Node, value: object, where: str) -> Node:
        return Compare(op, node, _bound(value, where))

    return make


def _bound(value: object, where: str) -> Literal:
    literal = _literal(value)
    if literal.value is None or isinstance(literal.value, tuple):
        _fail(where, "a number or text", value)
    return literal


def _between(node: Node, value: object, where: str) -> Node:
    if not isinstance(value, list | tuple) or len(value) != 2:
        _fail(where, "a list of two values", value)
    return Between(node, _bound(value[0], where), _bound(value[1], where))


def _in(node: Node, value: object, where: str) -> Node:
    literal = _list(value, where)
    values = literal.value if isinstance(literal.value, tuple) else ()
    if None not in values:
        return In(node, literal)
    rest = tuple(v for v in values if v is not None)
    return Or((In(node, Literal(rest)), IsNull(node))) if rest else IsNull(node)


def _not_in(node: Node, value: object, where: str) -> Node:
    return Not(_in(node, value, where))


def _list(value: object, where: str) -> Literal:
    is_array = hasattr(value, "dtype") and hasattr(value, "tolist")
    is_text = isinstance(value, str | bytes)
    if is_text or not (is_array or isinstance(value, Sequence | Set)):
        _fail(where, "a list", value)
    return _literal(value if is_array else list(value))  # type: ignore[call-overload]


def _contains(node: Node, value: object, where: str) -> Node:
    return Contains(node, _literal(value))


def _contains_any(node: Node, value: object, where: str) -> Node:
    return ContainsAny(node, _list(value, where))


def _contains_all(node: Node, value: object, where: str) -> Node:
    return ContainsAll(node, _list(value, where))


def _like(ignore_case: bool) -> _Operator:
    return lambda node, value, where: Like(node, _text(value, where), ignore_case)


def _regex(node: Node, value: object, where: str) -> Node:
    return RegexMatch(node, _text(value, where))


def _match(node: Node, value: object, where: str) -> Node:
    text, minimum = _with_option(value, "minimum_should_match", 1, where)
    return TextMatch(node, text, minimum)


def _fuzzy(node: Node, value: object, where: str) -> Node:
    if not isinstance(value, Mapping) or "max_edit_distance" not in value:
        _fail(where, "a dict of 'query' and 'max_edit_distance'", value)
    text, most = _with_option(value, "max_edit_distance", 0, where)
    return FuzzyMatch(node, text, most)


def _phrase(node: Node, value: object, where: str) -> Node:
    text, slop = _with_option(value, "slop", 0, where)
    return PhraseMatch(node, text, slop)


def _sample(node: Node, value: object, where: str) -> Node:
    if not isinstance(value, Mapping):
        return RandomSample(_literal(value))
    if set(value) != {"fraction", "seed"}:
        _fail(where, "a number, or a dict of 'fraction' and 'seed'", value)
    return RandomSample(_literal(value["fraction"]), _literal(value["seed"]))


def _with_option(value: object, option: str, default: int, where: str) -> tuple[Literal, Literal]:
    """Read ``"text"``, or ``{"query": "text", option: number}``."""
    if not isinstance(value, Mapping):
        return _text(value, where), Literal(default)
    for key in value:
        if key not in ("query", option):
            near = did_you_mean(key, ["query", option])
            raise FilterError(f"{where}: unknown key {key!r}{near}")
    return _text(value.get("query"), where), _literal(value.get(option, default))


def _spatial(relation: Relation) -> _Operator:
    return lambda node, value, where: Spatial(relation, node, _text(value, where))


def _near(node: Node, value: object, where: str) -> Node:
    if not isinstance(value, Mapping) or set(value) != {"shape", "distance"}:
        _fail(where, "a dict of 'shape' and 'distance'", value)
    distance = _literal(value["distance"])
    return Spatial(Relation.DWITHIN, node, _text(value["shape"], where), distance)


def _valid(node: Node, value: object, where: str) -> Node:
    condition = Spatial(Relation.IS_VALID, node)
    return condition if _flag(value, where) else Not(condition)


def _text_contains(ignore_case: bool) -> _Operator:
    return lambda node, value, where: TextContains(node, _text(value, where), ignore_case)


def _text(value: object, where: str) -> Literal:
    literal = _literal(value)
    if not isinstance(literal.value, str):
        _fail(where, "text", value)
    return literal


def _exists(node: Node, value: object, where: str) -> Node:
    return Exists(node) if _flag(value, where) else Not(Exists(node))


def _empty(node: Node, value: object, where: str) -> Node:
    return IsEmpty(node) if _flag(value, where) else Not(IsEmpty(node))


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        _fail(where, "True or False", value)
    return value


def _fail(where: str, wanted: str, got: object) -> NoReturn:
    shown = repr(got)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    raise FilterError(f"{where}: expected {wanted}, got {type(got).__name__} {shown}")


_LOGICAL: Final = ("$and", "$or", "$not", "$sampleRate")
_OPERATORS: Final[dict[str, _Operator]] = {
    "$eq": _equal,
    "$ne": _not_equal,
    "$gt": _ordered(CompareOp.GT),
    "$gte": _ordered(CompareOp.GE),
    "$lt": _ordered(CompareOp.LT),
    "$lte": _ordered(CompareOp.LE),
    "$between": _between,
    "$in": _in,
    "$nin": _not_in,
    "$contains": _contains,
    "$contains_any": _contains_any,
    "$contains_all": _contains_all,
    "$like": _like(ignore_case=False),
    "$ilike": _like(ignore_case=True),
    "$regex": _regex,
    "$match": _match,
    "$fuzzy": _fuzzy,
    "$phrase": _phrase,
    "$text_match": _text_contains(ignore_case=False),
    "$itext_match": _text_contains(ignore_case=True),
    **{f"${r}": _spatial(r) for r in Relation if r is not Relation.IS_VALID},
    "$st_dwithin": _near,
    "$st_isvalid": _valid,
    "$exists": _exists,
    "$empty": _empty,
}
