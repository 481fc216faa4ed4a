"""How does what a user wrote become something that can be evaluated?

One entry point for text, dicts and trees. The result is hashable, prints as canonical text, and
can be evaluated on any number of segments.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from elanus.errors import FilterError, InternalError
from elanus.filter.ast import (
    And,
    Compare,
    ElementMatch,
    FieldRef,
    In,
    Literal,
    Node,
    attribute_names,
)
from elanus.filter.binder import Binder
from elanus.filter.columns import FilterColumns, Trace
from elanus.filter.constants import Constant
from elanus.filter.contents import ElementTest
from elanus.filter.evaluator import CompareConstant
from elanus.filter.language.mongo import from_mongo
from elanus.filter.language.parser import parse
from elanus.filter.language.text import to_text
from elanus.filter.logic import Conjunction
from elanus.filter.names import Casts, Scope, resolve
from elanus.filter.operators import CompareOp
from elanus.filter.trees import check_tree
from elanus.kernels.bitset import Bitset
from elanus.schema.collection import Schema
from elanus.types import BoolArray, DataType, PrimaryKey

FilterSource = str | Mapping[str, object] | Node
"""An expression, a dict of conditions, or a tree."""


class BoundFilter:
    """A filter whose names and types fit a schema.

    Two are equal when their schemas are and their trees say the same. ``str()`` gives the
    canonical expression, which compiles to an equal filter. Safe from many threads.

    Attributes:
        fields: Names of the fields that the filter reads.
        casts: Paths of JSON fields where texts that are numbers count as numbers.
    """

    def __init__(self, tree: Node, scope: Scope) -> None:
        self._tree = tree
        self._schema = scope.schema
        self.casts = scope.casts
        binder = Binder(scope)
        self._condition = binder.condition(tree)
        self.fields = binder.fields
        # By identity: equal conditions may stand in a filter twice.
        self._nodes = binder.nodes
        # Looked up with every search.
        self._hash = hash_of(self.fields, constants_of(tree))

    @property
    def tree(self) -> Node:
        """The tree, with names resolved and parameters filled in."""
        return self._tree

    def evaluate(self, columns: FilterColumns) -> BoolArray:
        """Return which rows the filter allows, bool of shape ``(num_rows,)``."""
        return self._condition.evaluate(columns).true

    def allowed(self, columns: FilterColumns) -> Bitset:
        """Return the rows that the filter allows."""
        condition = self._condition
        if isinstance(condition, Conjunction):
            return condition.allowed(columns)  # which asks for the bounds of each term itself
        decided = self._decided(columns)
        return condition.allowed(columns) if decided is None else decided

    @property
    def identity(self) -> Hashable:
        """What only filters have in common that allow the same rows, and is quick to look up."""
        return self

    def at_once(self, columns: FilterColumns) -> Bitset | None:
        """Return the rows that the filter allows, where an index finds few in no time."""
        condition = self._condition
        return condition.few(columns) if isinstance(condition, CompareConstant) else None

    def rows_at_once(self, columns: FilterColumns) -> NDArray[np.uint32] | None:
        """Return the rows that the filter allows, ascending, where an index keeps them so."""
        condition = self._condition
        return condition.rows(columns) if isinstance(condition, CompareConstant) else None

    def explain(self, columns: FilterColumns) -> list[tuple[str, str, int, int]]:
        """Evaluate once more; return what each condition did, in order.

        Returns:
            Text, ``columns``, ``ranges`` (bounds of the fields, and no row was looked at) or type
            of index, rows asked about, and rows let through.
        """
        decided = self._decided(columns)
        if decided is not None:
            return [(str(self), "ranges", columns.num_rows, decided.count())]
        trace: Trace = []
        self._condition.allowed(columns.traced(trace))
        return [(self._text(s.condition), s.method, s.asked, s.allowed) for s in trace]

    def _decided(self, columns: FilterColumns) -> Bitset | None:
        """Return what the bounds of the fields allow; None: rows have to be looked at."""
        possible = self._condition.outcomes(columns)
        if not possible.true:
            return Bitset.empty(columns.num_rows)
        is_open = possible.false or possible.unknown
        return None if is_open else Bitset.full(columns.num_rows)

    def _text(self, condition: object) -> str:
        nodes = self._nodes.get(id(condition), ())
        return " and ".join(to_text(node) for node in nodes) or type(condition).__name__

    def primary_keys(self) -> tuple[PrimaryKey, ...] | None:
        """Return the keys when the filter is exactly ``pk == x`` or ``pk in [...]``, else None.

        Every key once, in the order given. The primary-key index can answer such a filter.
        """
        primary = self._schema.primary
        match self.tree:
            case Compare(CompareOp.EQ, FieldRef(primary.name), Literal(value)):
                keys: tuple[Constant, ...] = (value,)
            case Compare(CompareOp.EQ, Literal(value), FieldRef(primary.name)):
                keys = (value,)
            case In(FieldRef(primary.name), Literal(tuple(values))):
                keys = values
            case _:
                return None
        if primary.dtype is DataType.VARCHAR:
            return tuple(dict.fromkeys(key for key in keys if isinstance(key, str)))
        return tuple(dict.fromkeys(_integers(keys)))

    def has_one_value_of(self, name: str) -> bool:
        """Whether what the filter allows has one value of a field, which it names: ``name == x``,
        alone or with others that must hold as well."""
        return _names_one(self.tree, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundFilter):
            return NotImplemented
        if self is other:
            return True
        same = self.tree == other.tree and self.casts == other.casts
        return same and self._schema == other._schema

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return to_text(self.tree)

    def __repr__(self) -> str:
        return f"BoundFilter({str(self)!r})"


def constants_of(tree: Node) -> list[Constant]:
    """Return the constants of a tree, those of lists one by one, always in the same order."""
    found: list[Constant] = []
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, Literal):
            value = node.value
            found.extend(value) if isinstance(value, tuple) else found.append(value)
            continue
        for name in attribute_names(node):
            value = getattr(node, name)
            if isinstance(value, Node):
                left.append(value)
            elif name == "terms":
                left.extend(value)
    return found


def hash_of(fields: frozenset[str], constants: Iterable[Constant]) -> int:
    """Return the hash of a filter that reads some fields and has such constants in its tree."""
    return hash((fields, tuple(constants)))


def _names_one(tree: Node, name: str) -> bool:
    match tree:
        case And(terms):
            return any(_names_one(term, name) for term in terms)
        case Compare(CompareOp.EQ, FieldRef(found), Literal(value)):
            return found == name and value is not None
        case Compare(CompareOp.EQ, Literal(value), FieldRef(found)):
            return found == name and value is not None
        case In(FieldRef(found), Literal(tuple(values))):
            return found == name and len(set(values)) == 1
    return False


class ElementFilter(BoundFilter):
    """A single ``element_filter``, which allows elements instead of rows."""

    @property
    def of_rows(self) -> BoundFilter:
        """The filter that allows rows, those of which an element meets the condition."""
        return BoundFilter(self.tree, Scope(self._schema, casts=self.casts))

    def at_once(self, columns: FilterColumns) -> Bitset | None:
        return None

    def allowed(self, columns: FilterColumns) -> Bitset:
        """Return the elements that meet the condition, those of all rows one after the other."""
        if not isinstance(self._condition, ElementTest):
            raise InternalError(f"{self} is no condition on elements")
        return Bitset.from_mask(self._condition.meeting(columns))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ElementFilter) and BoundFilter.__eq__(self, other)

    def __hash__(self) -> int:
        # Other than that of the filter that allows rows: both are keys of what is remembered.
        return hash((ElementFilter, self._hash))


def split_elements(
    bound: BoundFilter, schema: Schema, name: str
) -> tuple[BoundFilter | None, list[ElementFilter]]:
    """Return what a filter asks of rows, and what of the elements of an array.

    Args:
        bound: A filter; its conditions that must all hold are looked at.
        schema: What it is bound to.
        name: The array whose ``element_filter`` chooses elements.
    """
    scope = Scope(schema, casts=bound.casts)
    chosen, others = [], []
    for term in _terms(bound.tree):
        match term:
            case ElementMatch(operand=FieldRef(field), chooses=True) if field == name:
                chosen.append(ElementFilter(term, scope))
            case _:
                others.append(term)
    if not chosen:
        return bound, []
    if not others:
        return None, chosen
    rest = others[0] if len(others) == 1 else And(tuple(others))
    return BoundFilter(rest, scope), chosen


def element_arrays(bound: BoundFilter) -> frozenset[str]:
    """Return the fields whose elements a filter chooses by ``element_filter``."""
    names = set()
    for term in _terms(bound.tree):
        match term:
            case ElementMatch(operand=FieldRef(name), chooses=True):
                names.add(name)
    return frozenset(names)


def _terms(tree: Node) -> list[Node]:
    """Return the conditions that must all hold, also those of ``and`` within ``and``."""
    if not isinstance(tree, And):
        return [tree]
    return [found for term in tree.terms for found in _terms(term)]


def compile_filter(
    source: FilterSource | None,
    schema: Schema,
    *,
    params: Mapping[str, object] | None = None,
    root: str | None = None,
    casts: Casts = frozenset(),
) -> BoundFilter | None:
    """Read a filter and bind it to a schema.

    Args:
        source: An expression, a dict of conditions, or a tree. None, an empty dict and blank text
            mean no filter.
        schema: What names and types are bound to.
        params: Values of the parameters ``{name}`` of an expression or tree. Others are not
            looked at, because the filters of one call share them.
        root: JSON field whose keys all names are, such as ``"metadata"``. The root's own name
            still names the field. None: names are fields, or keys of ``$meta`` if the schema is
            dynamic.
        casts: Paths of JSON fields where texts that are numbers count as numbers.

    Returns:
        The bound filter, or None when there is nothing to filter by.

    Raises:
        FilterError: The filter cannot be read, or names or types in it do not fit the schema;
            with the place where that can be said.
    """
    if source is None or (isinstance(source, str) and not source.strip()):
        return None
    if isinstance(source, str):
        return _bind(parse(source), Scope(schema, root, params or {}, source, casts))
    if isinstance(source, Mapping):
        # Names in the tree that comes from a dict are rooted already.
        node, root = from_mongo(source, root), None
        if node is None:
            return None
    elif isinstance(source, Node):
        node = source
    else:
        raise FilterError(
            f"a filter is an expression, a dict or a tree, got {type(source).__name__}"
        )
    check_tree(node)
    try:
        return _bind(node, Scope(schema, root, params or {}, casts=casts))
    except FilterError as error:
        _raise_with_text(node, Scope(schema, root, params or {}), error)
        raise


def _bind(node: Node, scope: Scope) -> BoundFilter:
    return BoundFilter(resolve(node, scope), scope)


def _raise_with_text(node: Node, scope: Scope, error: FilterError) -> None:
    """Raise the error of a tree again, with a caret in its canonical text."""
    try:
        text = to_text(node)
        located = parse(text)
    except FilterError:
        raise error from None
    _bind(located, Scope(scope.schema, scope.root, scope.params, text))


def _integers(keys: tuple[Constant, ...]) -> Iterator[int]:
    for key in keys:
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if isinstance(key, int) and -(2**63) <= key < 2**63:
            yield key
