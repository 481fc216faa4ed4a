"""How does the text of a filter become a tree?

A Pratt parser: every operator has a binding power, and one loop decides how far an operand
reaches. Milvus' grammar with three widenings that read what Milvus refuses: ``not`` takes in the
whole comparison that follows, ``is null`` and ``like`` may be negated in place, and ``& | ^`` reach
less far than comparisons, as in Python and not as in C.

Powers from weak to strong: ``or``; ``and``; ``not``; comparisons, ``in``, ``like``, ``=~``, ``is``;
``|``; ``^``; ``&``; ``+ -``; ``* / %``; unary ``+ -``; ``**``, which groups from the left as in
Milvus.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from elanus.errors import FilterError
from elanus.filter.ast import (
    And,
    Arithmetic,
    Between,
    Compare,
    Element,
    Exists,
    FieldRef,
    In,
    Interval,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Moment,
    Node,
    Not,
    Or,
    Parameter,
    RegexMatch,
)
from elanus.filter.constants import (
    MAX_DEPTH,
    MAX_JOINED,
    MAX_LIST_LENGTH,
    Constant,
    stored_constant,
    too_deep,
    too_many,
)
from elanus.filter.language.functions import FUNCTIONS, Function
from elanus.filter.language.lexer import (
    KEYWORDS,
    MAX_TEXT_LENGTH,
    Token,
    TokenKind,
    is_plain_name,
    tokenize,
)
from elanus.filter.operators import ArithmeticOp, CompareOp
from elanus.filter.trees import depth
from elanus.filter.values.numbers import calculated
from elanus.schema.collection import did_you_mean

_OR, _AND, _NOT, _COMPARISON, _BIT_OR, _BIT_XOR, _BIT_AND, _SUM, _PRODUCT, _SIGN, _POWER = range(
    1, 12
)
_LOOK_AHEAD: Final = 2
"""Tokens that are looked at before they are taken."""
_READ_TOKENS: Final = 256
_VALUE = _BIT_OR
"""The weakest operator of a value."""

_POWERS: Final = {
    "or": _OR,
    "and": _AND,
    "|": _BIT_OR,
    "^": _BIT_XOR,
    "&": _BIT_AND,
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "%": _PRODUCT,
    "**": _POWER,
    **dict.fromkeys((*CompareOp, "not", "in", "like", "ilike", "is", "=~", "!~"), _COMPARISON),
}
_TEXT_NODES: Final = {"iso": Moment, "interval": Interval}
"""What a name makes of a string behind it; by themselves they are names like others."""
_MAX_EXPRESSIONS: Final = 2 * MAX_DEPTH + 2
"""A level of a tree may need two nested expressions: a term, and the parentheses around it."""
_EQUALITY: Final = re.compile(
    r"""[ \t\r\n]*+([A-Za-z_][A-Za-z0-9_]*+)[ \t\r\n]*+(==)[ \t\r\n]*+
    (?P<value>"[^"\\\r\n\x80-\U0010ffff]*+"|'[^'\\\r\n\x80-\U0010ffff]*+'
    |(?P<digits>0|[1-9][0-9]{0,17}))[ \t\r\n]*+""",
    re.VERBOSE,
)
"""``name == constant`` without escapes, in ASCII."""
_ORDERS: Final = frozenset((CompareOp.LT, CompareOp.LE, CompareOp.GT, CompareOp.GE))
_ASCENDING = (CompareOp.LT, CompareOp.LE)
_DESCENDING = (CompareOp.GT, CompareOp.GE)


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        FilterError: The text is no expression, with the position of the fault, or it is too long
            or nested too deeply.
    """
    return _equality(text) or _Parser(text).parse()


def _equality(text: str) -> Compare | None:
    """Return the tree of ``name == constant``, by far the commonest expression, read at once."""
    match = _EQUALITY.fullmatch(text)
    if match is None or len(text) > MAX_TEXT_LENGTH:
        return None
    name = match[1]
    if name.lower() in KEYWORDS:
        return None
    digits = match["digits"]
    value = int(digits) if digits else match["value"][1:-1]
    left = FieldRef(name, position=match.start(1))
    right = Literal(value, position=match.start("value"))
    return Compare(CompareOp.EQ, left, right, position=match.start(2))


class _Parser:
    """Reads one text; every step takes at least one token or ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._unread = tokenize(text)
        self._tokens: list[Token] = []
        self._next = 0
        self._depth = 0
        self._joined_terms = 0

    def parse(self) -> Node:
        node = self._expression(0)
        if self._peek().kind is not TokenKind.END:
            raise self._expected("an operator or the end")
        if depth(node) > MAX_DEPTH:
            raise too_deep(self._text, node.position)
        return node

    # --- tokens ---

    def _peek(self) -> Token:
        if self._next + _LOOK_AHEAD > len(self._tokens):
            self._read()
        return self._tokens[self._next]

    def _read(self) -> None:
        """Read some tokens more, so that a text that is wrong early is not read to its end."""
        self._tokens.extend(islice(self._unread, _READ_TOKENS))

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _word(self) -> str:
        """Return the next token's operator or keyword in one spelling, or ""."""
        if self._next + _LOOK_AHEAD > len(self._tokens):
            self._read()
        return self._tokens[self._next].word

    def _accept(self, word: str) -> bool:
        if self._word() != word:
            return False
        self._next += 1
        return True

    def _require(self, word: str) -> Token:
        if self._word() != word:
            raise self._expected(repr(word))
        return self._take()

    def _error(self, message: str, position: int, hint: str | None = None) -> FilterError:
        return FilterError(message, expression=self._text, position=position, hint=hint)

    def _expected(self, what: str) -> FilterError:
        token = self._peek()
        if token.kind is TokenKind.END:
            found = "the end"
        else:
            found = repr(self._text[token.start : token.end][:40])
        return self._error(f"expected {what}, got {found}", token.start)

    # --- expressions ---

    def _expression(self, min_power: int) -> Node:
        """Read an operand and all operators behind it that bind at least ``min_power``."""
        self._depth += 1
        if self._depth > _MAX_EXPRESSIONS:
            raise too_deep(self._text, self._peek().start)
        node = self._operand()
        steps = 0
        while True:
            word = self._word()
            power = _POWERS.get(word, 0)
            if power < min_power or power == 0:
                break
            if power == _COMPARISON:
                node = self._comparison(node, word)
                continue
            token = self._take()
            if power <= _AND:
                node = self._joined(node, word, power)
                continue
            # A chain of sums is a tree as deep as it is long.
            steps += 1
            if steps > MAX_DEPTH:
                raise too_deep(self._text, token.start)
            right = self._expression(power + 1)
            node = Arithmetic(ArithmeticOp(word), node, right, position=token.start)
        self._depth -= 1
        return node

    def _joined(self, first: Node, word: str, power: int) -> Node:
        terms = [first, self._next_term(power)]
        while self._accept(word):
            terms.append(self._next_term(power))
        made = And if word == "and" else Or
        return made(tuple(terms), position=first.position)

    def _next_term(self, power: int) -> Node:
        self._joined_terms += 1
        if self._joined_terms == MAX_JOINED:
            raise too_many(self._text, self._peek().start)
        return self._expression(power + 1)

    def _operand(self) -> Node:
        token = self._peek()
        if token.kind is TokenKind.NUMBER or token.kind is TokenKind.STRING:
            self._next += 1
            return Literal(token.value, position=token.start)
        if token.kind is TokenKind.NAME:
            return self._name()
        if token.kind is TokenKind.LIST:
            self._next += 1
            return Literal(token.value, position=token.start)
        return self._prefixed(self._word())

    # --- prefixes ---

    def _prefixed(self, word: str) -> Node:
        self._next += 1
        token = self._tokens[self._next - 1]
        match word:
            case "not":
                return Not(self._expression(_NOT), position=token.start)
            case "+" | "-":
                return self._sign(token)
            case "(":
                return self._parenthesis()
            case "[":
                return self._list(token)
            case "{":
                return self._parameter(token)
            case "$":
                return self._element(token)
            case "exists":
                return self._exists(token)
            case "true" | "false" | "null":
                value = None if word == "null" else word == "true"
                return Literal(value, position=token.start)
        self._next -= 1
        raise self._expected("a value, a field or '('")

    def _sign(self, token: Token) -> Node:
        operand = self._expression(_SIGN)
        if token.value == "+":
            return operand
        if isinstance(operand, Literal) and _is_number(operand.value):
            return Literal(-operand.value, position=token.start)  # type: ignore[operator]
        zero = Literal(0, position=token.start)
        return Arithmetic(ArithmeticOp.SUB, zero, operand, position=token.start)

    def _parenthesis(self) -> Node:
        node = self._expression(0)
        self._require(")")
        return node

    def _list(self, token: Token) -> Literal:
        values: list[Constant] = []
        while not self._accept("]"):
            if len(values) == MAX_LIST_LENGTH:
                raise self._error(f"a list has more than {MAX_LIST_LENGTH} values", token.start)
            values.append(self._item())
            if not self._accept(",") and self._word() != "]":
                raise self._expected("',' or ']'")
        return Literal(tuple(values), position=token.start)

    def _item(self) -> Constant:
        token, behind = self._peek(), self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        is_plain = token.kind is TokenKind.NUMBER or token.kind is TokenKind.STRING
        if is_plain and behind.value in (",", "]"):
            self._next += 1
            return token.value
        item = self._expression(_VALUE)
        if isinstance(item, Literal):
            return item.value
        if isinstance(item, Moment):
            return item.iso
        if depth(item) > MAX_DEPTH:
            raise too_deep(self._text, token.start)
        return self._folded(item, token.start)

    def _folded(self, node: Node, start: int) -> int | float:
        """Calculate with constants, as the binder does outside of lists."""
        value = stored_constant(node.value) if isinstance(node, Literal) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if not isinstance(node, Arithmetic):
            hint = "pass a whole list as {name}"
            raise self._error("a list holds constants only", start, hint)
        left, right = self._folded(node.left, start), self._folded(node.right, start)
        if node.op.is_bitwise and (isinstance(left, float) or isinstance(right, float)):
            raise self._error(f"'{node.op}' takes integers", node.position or start)
        made = calculated(node.op, left, right)
        if made is None:
            hint = "an integer outside int64 and a division by zero have none"
            raise self._error("a constant in a list has no value", node.position or start, hint)
        return made

    def _parameter(self, token: Token) -> Parameter:
        name = self._peek()
        if name.kind is not TokenKind.NAME or not is_plain_name(str(name.value)):
            raise self._expected("the name of a parameter")
        self._next += 1
        self._require("}")
        return Parameter(str(name.value), position=token.start)

    def _element(self, token: Token) -> Element:
        if not self._accept("["):
            return Element(position=token.start)
        key = self._take()
        if key.kind is not TokenKind.NAME:
            bracket = self._tokens[self._next - 2]
            raise self._error(
                "the elements of an array are single values, so '$' has no keys", bracket.start
            )
        self._require("]")
        return Element(str(key.value), position=token.start)

    def _exists(self, token: Token) -> Exists:
        start = self._peek().start
        operand = self._expression(_POWER)
        if not isinstance(operand, FieldRef | JsonPath):
            raise self._error("'exists' takes a field or a path", start)
        return Exists(operand, position=token.start)

    # --- names ---

    def _name(self) -> Node:
        token = self._take()
        if self._word() == "(":
            return self._call(token)
        name = str(token.value)
        if self._peek().kind is TokenKind.STRING and name.lower() in _TEXT_NODES:
            text = str(self._take().value)
            return _TEXT_NODES[name.lower()](text, position=token.start)
        keys: list[str | int] = []
        while self._accept("["):
            key = self._take()
            # A part of an array of structs, as chunks[page][0] or, in Milvus, chunks[0][page].
            is_first = not keys or (len(keys) == 1 and isinstance(keys[0], int))
            if key.kind is TokenKind.NAME and is_first and name == token.value:
                name = f"{name}[{key.value}]"
                self._require("]")
                continue
            is_place = key.kind is TokenKind.NUMBER and isinstance(key.value, int)
            if key.kind is not TokenKind.STRING and not is_place:
                self._next -= 1
                raise self._expected("a key in quotes or a place from 0")
            keys.append(key.value if isinstance(key.value, int) else str(key.value))
            self._require("]")
        if keys:
            return JsonPath(name, tuple(keys), position=token.start)
        return FieldRef(name, position=token.start)

    def _call(self, token: Token) -> Node:
        name = str(token.value).lower()
        function = FUNCTIONS.get(name)
        if function is None:
            near = did_you_mean(name, list(FUNCTIONS))
            raise self._error(f"unknown function {token.value!r}{near}", token.start)
        arguments = self._arguments(name, function)
        wanted = function.numbers
        if len(arguments) not in wanted:
            number = " or ".join(map(str, wanted))
            plural = "s" if max(wanted) > 1 else ""
            raise self._error(
                f"{name} takes {number} argument{plural}, got {len(arguments)}", token.start
            )
        return function.make(arguments, token.start)

    def _arguments(self, name: str, function: Function) -> list[Node]:
        self._require("(")
        arguments: list[Node] = []
        while not self._accept(")"):
            token = self._peek()
            if token.kind is TokenKind.ARGUMENT:
                is_here = len(arguments) == function.num_arguments
                if token.value != function.option or not is_here:
                    takes = f"'{function.option}=' at its end" if function.option else "no names"
                    raise self._error(
                        f"{name} has no argument '{token.value}=' here; it takes {takes}",
                        token.start,
                    )
                self._next += 1
            arguments.append(self._expression(0))
            if not self._accept(",") and self._word() != ")":
                raise self._expected("',' or ')'")
        return arguments

    # --- comparisons ---

    def _comparison(self, left: Node, word: str) -> Node:
        token = self._take()
        if word == "is":
            negated = self._accept("not")
            self._require("null")
            node: Node = IsNull(left, position=token.start)
        else:
            negated = word in ("not", "!~")
            if word == "not":
                word = self._word()
                if word not in ("in", "like", "ilike"):
                    raise self._expected("'in' or 'like' after 'not'")
                self._next += 1
            if word == "in":
                node = In(left, self._in_values(), position=token.start)
            elif word in ("like", "ilike"):
                pattern = self._expression(_VALUE)
                node = Like(left, pattern, word == "ilike", position=token.start)
            elif word in ("=~", "!~"):
                node = RegexMatch(left, self._expression(_VALUE), position=token.start)
            else:
                node = self._chain(left, CompareOp(word), token)
        if _POWERS.get(self._word()) == _COMPARISON:
            raise self._error(
                "comparisons cannot be chained like this",
                self._peek().start,
                "join them with 'and'; a range is 'low < x <= high'",
            )
        return Not(node, position=token.start) if negated else node

    def _in_values(self) -> Node:
        start = self._peek().start
        if self._word() == "(":
            raise self._error("'in' takes a list such as [1, 2], or {name}", start)
        values = self._expression(_VALUE)
        is_list = isinstance(values, Literal) and isinstance(values.value, tuple)
        if not is_list and not isinstance(values, Parameter):
            raise self._error("'in' takes a list such as [1, 2], or {name}", start)
        return values

    def _chain(self, left: Node, op: CompareOp, token: Token) -> Node:
        """Read ``left op middle``, or the range ``left op middle op right``."""
        middle = self._expression(_VALUE)
        second = self._word()
        if second not in _ORDERS:
            return Compare(op, left, middle, position=token.start)
        for direction in (_ASCENDING, _DESCENDING):
            if op not in direction or second not in direction:
                continue
            self._next += 1
            right = self._expression(_VALUE)
            includes_left, includes_right = op == direction[1], second == direction[1]
            if direction is _ASCENDING:
                return Between(
                    middle, left, right, includes_left, includes_right, position=token.start
                )
            return Between(middle, right, left, includes_right, includes_left, position=token.start)
        return Compare(op, left, middle, position=token.start)


def _is_number(value: Constant) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
