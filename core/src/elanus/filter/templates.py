"""Which filters differ from earlier ones in their constants alone?

Programs ask ``tenant == "a"`` and then ``tenant == "b"``. A text is cut into what is the same and
its constants; for the same kinds of constants between the same words the bound form is made once,
with places for them. Anything that is not certain to be read alike, and everything that is wrong,
is read by ``filter.compiler``: answers and errors are those of that way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from elanus.errors import FilterError
from elanus.filter.ast import Literal, Node
from elanus.filter.binder import Binder
from elanus.filter.columns import FilterColumns
from elanus.filter.compiler import BoundFilter, constants_of, hash_of
from elanus.filter.constants import Constant
from elanus.filter.evaluator import CompareConstant, CompareRange, Membership
from elanus.filter.language.parser import parse
from elanus.filter.logic import Condition, Conjunction, Disjunction, Negation
from elanus.filter.names import Casts, Scope, resolve
from elanus.filter.trees import rebuild
from elanus.filter.values.operands import Constants
from elanus.schema.collection import Schema

MAX_TEMPLATES = 256
"""Forms of filters that are remembered."""
MAX_TEXT, MAX_CONSTANTS = 4_096, 64
"""Longest text, in characters, and most constants of what is looked at at all."""

Slot: TypeAlias = int | float | str
"""A constant that may be another one the next time."""
Fill: TypeAlias = Callable[[Sequence[Slot]], Condition]
"""Returns a condition with the constants that are given."""

_CONSTANT: Final = re.compile(
    r"""((?<!\w)(?:"[^"\\\r\n\ud800-\udfff]*+"|'[^'\\\r\n\ud800-\udfff]*+')
    |(?<![\w.])-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?![\w.]))""",
    re.VERBOSE,
)
"""Texts without escapes and numbers in decimal notation, which are read as Python reads them."""
_UNREAD: Final = re.compile(r"""["'`\\]|(?<!\w)[0-9.]""")
"""What between constants shows that not all of them were seen, or not where they begin."""
_LARGEST: Final = 2**60
"""Integers up to it are constants; those from it on mark places."""
_LARGEST_FLOAT: Final = 2.0**80
_MARK: Final = "\x01"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _Seen:
    """Stands for a form that was seen once."""


_SEEN: Final = _Seen()


class _Template:
    """A bound filter with places for its constants.

    Args:
        tree: A resolved tree with marks instead of constants.
        scope: What it is bound to.
        marks: Which constant each mark stands for.

    Raises:
        FilterError: Types in it do not fit.
    """

    def __init__(self, tree: Node, scope: Scope, marks: Mapping[Slot, int]) -> None:
        self.tree, self.scope, self._marks = tree, scope, marks
        binder = Binder(scope)
        condition = binder.condition(tree)
        self.fields = binder.fields
        filled: Counter[int] = Counter()
        self.fill = _fill_of(condition, marks, filled)
        self._flat = tuple(constants_of(tree))
        places = [(at, _slot_of(value, marks)) for at, value in enumerate(self._flat)]
        self._places = [(at, slot) for at, slot in places if slot is not None]
        said = Counter(slot for _, slot in self._places)
        slots = marks.values()
        self.fixed = frozenset(s for s in slots if not said[s] or said[s] != filled[s])
        """Constants that are more than values that rows are compared with."""

    def in_order(self, constants: Sequence[Slot]) -> list[Constant]:
        """Return all constants in the order of the tree."""
        flat = list(self._flat)
        for at, slot in self._places:
            flat[at] = constants[slot]
        return flat

    def tree_with(self, constants: Sequence[Slot]) -> Node:
        """Return the tree that has these constants."""

        def value_of(value: Constant) -> Constant:
            if isinstance(value, tuple):
                return tuple(map(value_of, value))
            slot = _slot_of(value, self._marks)
            return value if slot is None else constants[slot]

        def with_constants(node: Node) -> Node:
            if isinstance(node, Literal):
                return Literal(value_of(node.value))
            return rebuild(node, with_constants)

        return with_constants(self.tree)


class FilledFilter(BoundFilter):
    """A template with constants. Its tree is made when somebody looks at it."""

    def __init__(self, template: _Template, constants: tuple[Slot, ...]) -> None:
        self._template, self._constants = template, constants
        self._filled: Node | None = None
        self._hashed: int | None = None
        self._scope = scope = template.scope
        self._schema, self.casts = scope.schema, scope.casts
        self.fields = template.fields
        self._condition = template.fill(constants)

    @property
    def tree(self) -> Node:
        made = self._filled
        if made is None:
            made = self._filled = self._template.tree_with(self._constants)
        return made

    def explain(self, columns: FilterColumns) -> list[tuple[str, str, int, int]]:
        return BoundFilter(self.tree, self._scope).explain(columns)

    @property
    def identity(self) -> Hashable:
        # One of template and kind is for one type of each constant: 1 is not taken for 1.0.
        return self._template, self._constants

    def is_filled_like(self, template: _Template, constants: tuple[Slot, ...]) -> bool:
        """Whether it is this template with these constants."""
        return self._template is template and self._constants == constants

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FilledFilter) and other.is_filled_like(
            self._template, self._constants
        ):
            return True
        return BoundFilter.__eq__(self, other)

    def __hash__(self) -> int:
        made = self._hashed
        if made is None:
            constants = self._template.in_order(self._constants)
            made = self._hashed = hash_of(self.fields, constants)
        return made


class FilterTemplates:
    """The forms of filters that were read for one schema. Safe from many threads.

    Args:
        schema: What names and types are bound to.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        # Of a form: its template, which of its constants belong to the form, or that there is
        # none. Of one that was seen once, and may be the only one of its kind: that.
        self._known: dict[Hashable, _Template | frozenset[int] | _Seen | None] = {}

    def filled(
        self,
        text: str,
        params: Mapping[str, object] | None,
        root: str | None,
        casts: Casts,
    ) -> BoundFilter | None:
        """Return the filter of a text if one of its form was read before; None: it is to be read.

        What is returned is what ``compile_filter`` returns, which takes the same arguments.
        """
        form = _form_of(text, params)
        if form is None:
            return None
        words, kinds, constants = form[:3]
        key: Hashable = words, kinds, root, casts
        found = self._known.get(key)
        if type(found) is _Template:
            return FilledFilter(found, constants)
        # What is known is read as the parser does, and so is what is cut into the same pieces.
        if found is None and _UNREAD.search(words):
            return None
        fixed: frozenset[int] = frozenset()
        if isinstance(found, frozenset):
            fixed = found
            key = key, tuple([constants[slot] for slot in fixed])
            found = self._known.get(key)
        if isinstance(found, _Template):
            return FilledFilter(found, constants)
        if key not in self._known:
            self._remember(key, _SEEN)
        elif found is _SEEN:
            made = self._made(form, root, casts, fixed)
            self._remember(key, made)
            if isinstance(made, _Template):
                return FilledFilter(made, constants)
        return None

    def _made(
        self, form: _Form, root: str | None, casts: Casts, fixed: frozenset[int]
    ) -> _Template | frozenset[int] | None:
        """Return the template of a form, or which of its constants belong to the form."""
        # Each text is another sample, and what is calculated may look like another mark.
        if "random_sample" in form.words.lower() or _calculates_in_list(form.words):
            return None
        constants, marks = list(form.constants), {}
        for slot, value in enumerate(constants):
            if slot not in fixed:
                constants[slot] = mark = _mark_of(value, slot)
                marks[mark] = slot
        text, params = form.text_with(constants)
        scope = Scope(self._schema, root, params, text, casts)
        try:
            template = _Template(resolve(parse(text), scope), scope, marks)
        except FilterError:
            return None
        if not template.fixed:
            return template
        return None if fixed else template.fixed

    def _remember(self, key: Hashable, made: _Template | frozenset[int] | _Seen | None) -> None:
        if len(self._known) >= MAX_TEMPLATES:
            self._known.clear()
        self._known[key] = made


# --- forms ------------------------------------------------------------------------------------


class _Form(NamedTuple):
    """A text, cut up.

    Attributes:
        words: What stands between the constants, joined by NUL.
        kinds: The type of each constant; of parameters with their names.
        constants: Those of the text, then the values of parameters.
        names: Names of the parameters.
    """

    words: str
    kinds: tuple[Hashable, ...]
    constants: tuple[Slot, ...]
    names: tuple[str, ...]

    def text_with(self, constants: Sequence[Slot]) -> tuple[str, dict[str, object]]:
        """Return the text and the parameters of the form that has these constants."""
        pieces = self.words.split("\0")
        text = pieces[0]
        for constant, piece in zip(constants, pieces[1:], strict=False):
            shown = f'"{constant}"' if isinstance(constant, str) else repr(constant)
            text += (shown if '"' not in shown[1:-1] else f"'{constant}'") + piece
        return text, dict(zip(self.names, constants[len(pieces) - 1 :], strict=True))


def _form_of(text: str, params: Mapping[str, object] | None) -> _Form | None:
    """Cut up a text; None where it is not certain that it is cut as the parser reads it.

    Whether ``_UNREAD`` is in the words is still to be seen.
    """
    pieces = _CONSTANT.split(text) if len(text) <= MAX_TEXT else []
    words = "\0".join(pieces[::2])
    if not pieces or len(pieces) > 2 * MAX_CONSTANTS:
        return None
    if words.count("\0") != len(pieces) // 2:
        return None
    constants: list[Slot] = []
    for written in pieces[1::2]:
        if written[0] in "\"'":
            constants.append(written[1:-1])
        else:
            constants.append(float(written) if "." in written else int(written))
    kinds: list[Hashable] = list(map(type, constants))
    if not params:
        return _Form(words, tuple(kinds), tuple(constants), ()) if constants else None
    for name, value in params.items():
        if not _is_slot(value):
            return None
        constants.append(value)  # type: ignore[arg-type]
        kinds.append((name, type(value)))
    return _Form(words, tuple(kinds), tuple(constants), tuple(params))


def _calculates_in_list(words: str) -> bool:
    """Whether there are operators between brackets; signs of numbers are not in the words."""
    depth = 0
    for character in words:
        depth += (character == "[") - (character == "]")
        if depth and character in "+-*/%&|^":
            return True
    return False


def _is_slot(value: object) -> bool:
    """Whether the value of a parameter may be another one of its type."""
    if type(value) is int:
        return -_LARGEST < value < _LARGEST
    if type(value) is float:
        return -_LARGEST_FLOAT < value < _LARGEST_FLOAT
    return type(value) is str and (value.isascii() or not _SURROGATE.search(value))


def _mark_of(value: Slot, slot: int) -> Slot:
    """Return a constant of the type of another that stands nowhere else."""
    if isinstance(value, str):
        return f"{_MARK}{slot}"
    return _LARGEST_FLOAT * (slot + 1) if isinstance(value, float) else _LARGEST + slot


def _slot_of(value: Constant, marks: Mapping[Slot, int]) -> int | None:
    """Return which constant a value stands for; None: it stands for itself."""
    return marks.get(value) if isinstance(value, int | float | str) else None


# --- conditions -------------------------------------------------------------------------------


def _fill_of(condition: Condition, marks: Mapping[Slot, int], filled: Counter[int]) -> Fill:
    """Return what makes the condition with other constants; count those that it puts in."""
    match condition:
        case CompareConstant(operand, op, constant) if constant in marks:
            slot = marks[constant]
            filled[slot] += 1
            return lambda given: CompareConstant(operand, op, given[slot])
        case CompareRange(low, high):
            ends = [_fill_of(end, marks, filled) for end in (low, high)]
            return lambda given: CompareRange(*[end(given) for end in ends])  # type: ignore[arg-type]
        case Membership(operand, wanted):
            constants = _constants_fill(wanted, marks, filled)
            return lambda given: Membership(operand, constants(given))
        case Negation(term):
            inner = _fill_of(term, marks, filled)
            return lambda given: Negation(inner(given))
        case Conjunction(terms) | Disjunction(terms):
            joined, parts = type(condition), [_fill_of(term, marks, filled) for term in terms]
            return lambda given: joined(tuple([part(given) for part in parts]))
    return lambda given: condition


def _constants_fill(
    wanted: Constants, marks: Mapping[Slot, int], filled: Counter[int]
) -> Callable[[Sequence[Slot]], Constants]:
    """The same for the constants of a list."""
    numbers = [(value, marks.get(value)) for value in wanted.numbers]
    texts = [(value, marks.get(value)) for value in wanted.texts]
    filled.update(slot for _, slot in (*numbers, *texts) if slot is not None)

    def fill(given: Sequence[Slot]) -> Constants:
        return Constants(
            tuple([v if slot is None else given[slot] for v, slot in numbers]),  # type: ignore[misc]
            tuple([v if slot is None else given[slot] for v, slot in texts]),  # type: ignore[misc]
            wanted.lists,
            wanted.has_null,
        )

    return fill
