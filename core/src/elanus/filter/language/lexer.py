"""Which words is a filter expression made of?

One regular expression whose repetitions give nothing back reads the text from left to right, so
the time is linear in its length whatever it holds. Tokens carry their positions for error messages,
and come as they are asked for: a fault at the beginning costs nothing of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from elanus.errors import FilterError

MAX_TEXT_LENGTH = 2**20
"""Longest expression, in characters. Long lists are better passed as parameters."""
MAX_DIGITS = 4_000
"""Longest integer; Python refuses to convert more than 4300 digits."""

KEYWORDS = frozenset(
    {"and", "or", "not", "in", "like", "ilike", "is", "null", "exists", "true", "false"}
)
"""Read in any case: ``AND``, ``And`` and ``and`` are the same."""


class TokenKind(StrEnum):
    """What a token is."""

    NAME = "name"
    KEYWORD = "keyword"
    NUMBER = "number"
    STRING = "string"
    LIST = "list"
    OPERATOR = "operator"
    ARGUMENT = "argument"
    END = "end"


class Token(NamedTuple):
    """One word of an expression.

    Attributes:
        kind: What it is.
        value: The name, the keyword or the name of an argument in small letters, the number, the
            text without quotes and escapes, the values of a list, or the operator.
        start: Offset of its first character.
        end: Offset behind its last character.
        word: Of an operator or keyword the one spelling of what it says; else "".
    """

    kind: TokenKind
    value: str | int | float | tuple[str, ...] | tuple[int, ...]
    start: int
    end: int
    word: str = ""


_OPERATORS = r"\*\*|==|!=|<>|<=|>=|&&|\|\||=~|!~|<<|>>|[-+*/%<>!()\[\],{}=&|^~$]"  # longest first
_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
      (?P<string>(?P<prefix>[rR]|u8|[uUL])?
        (?:"(?:[^"\\\r\n]++|\\[^\r\n])*+"|'(?:[^'\\\r\n]++|\\[^\r\n])*+'))
    | (?P<open>(?:[rR]|u8|[uUL])?["'])
    | (?P<number>(?:\.[0-9]|[0-9])(?:[eEpP][+-]?|[^\WeEpP]++|\.++)*+)
    | (?P<argument>
        (?i:minimum_should_match|max_edit_distance|slop|seed|threshold)[ \t\r\n]*=(?![=~]))
    | (?P<name>\$meta\b|[^\W\d]\w*)
    | (?P<quoted>`(?:[^`]++|``)*+`)
    | (?P<operator>"""
    + _OPERATORS
    + "))",
    re.VERBOSE,
)
_PLAIN_LIST = re.compile(
    r"""\[ B (?:
      (?P<integers>(?:N B , B)++ N)
    | (?P<double>(?:D B , B)++ D)
    | (?P<single>(?:S B , B)++ S)
    ) B \]""".replace("B", r"[ \t\r\n]*+")
    .replace("N", "-?+(?:0|[1-9][0-9]{0,17}+)")
    .replace("D", r'"[^"\\\r\n\ud800-\udfff]*+"')
    .replace("S", r"'[^'\\\r\n\ud800-\udfff]*+'"),
    re.VERBOSE,
)
"""Several integers or texts without escapes: lists of keys may have hundreds of thousands."""
_QUOTED_BY = {"double": re.compile('"([^"]*+)"'), "single": re.compile("'([^']*+)'")}
_OPERATOR_WORDS = {
    **{word: word for word in ("**", "==", "!=", "<=", ">=", "=~", "!~", *"-+*/%<>()[],{}&|^$")},
    "&&": "and",
    "||": "or",
    "!": "not",
}
"""Operators, and in which spelling each is read."""
_NAME = re.compile(r"\$meta|[^\W\d]\w*")

_INSTEAD = {
    "=": "write '==' to compare",
    "=>": "write '>='",
    "=<": "write '<='",
    "<>": "write '!=' for 'not equal'",
}


def is_plain_name(name: str) -> bool:
    """Whether ``name`` can stand in an expression without backticks."""
    return _NAME.fullmatch(name) is not None and name.lower() not in KEYWORDS


def tokenize(text: str) -> Iterator[Token]:
    """Yield the tokens of an expression; the last one has kind END.

    Raises:
        FilterError: The text is too long, a quote is not closed, or a character or number has no
            meaning; with its position.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise FilterError(
            f"the filter has {len(text)} characters, more than {MAX_TEXT_LENGTH}",
            hint="pass long lists as parameters: 'id in {ids}'",
        )
    position = 0
    read, end_of_text = _TOKEN.match, len(text.rstrip(" \t\r\n"))
    while position < end_of_text:
        match = read(text, position)
        if match is None:
            raise _unexpected(text, position + _num_blank(text, position))
        # "prefix" is a part of "string", and never the last group to close.
        group = match.lastgroup or ""
        written = match[group]
        position = match.end()
        start = position - len(written)
        if group == "name":
            yield _word(written, start, position)
        elif written == "[" and (several := _PLAIN_LIST.match(text, start)) is not None:
            position = several.end()
            yield Token(TokenKind.LIST, _values(several), start, position)
        elif group == "operator":
            yield _operator(text, written, start)
        elif group == "number":
            # Most numbers by far are these, which int() reads alike.
            is_short = written.isdecimal() and len(written) < 19 and written[0] != "0"
            number = int(written) if is_short else _number(text, written, start)
            yield Token(TokenKind.NUMBER, number, start, position)
        elif group == "string":
            value = _string(text, written, match["prefix"] or "", start)
            yield Token(TokenKind.STRING, value, start, position)
        elif group == "argument":
            name = written[:-1].rstrip().lower()
            yield Token(TokenKind.ARGUMENT, name, start, position)
        elif group == "quoted":
            name = written[1:-1].replace("``", "`")
            yield Token(TokenKind.NAME, name, start, position)
        elif group == "open":
            raise FilterError("a quote is not closed", expression=text, position=start)
    yield Token(TokenKind.END, "", len(text), len(text))


def _values(match: re.Match[str]) -> tuple[str, ...] | tuple[int, ...]:
    """Return the values of a list that is read at once."""
    group = match.lastgroup or ""
    if group == "integers":
        return tuple(map(int, match[group].split(",")))
    return tuple(_QUOTED_BY[group].findall(match[group]))


def _num_blank(text: str, position: int) -> int:
    """Return how many characters of space stand at a position."""
    rest = text[position : position + MAX_TEXT_LENGTH]
    return len(rest) - len(rest.lstrip(" \t\r\n"))


def _word(word: str, start: int, end: int) -> Token:
    lowered = word.lower()
    if lowered in KEYWORDS:
        return Token(TokenKind.KEYWORD, lowered, start, end, lowered)
    return Token(TokenKind.NAME, word, start, end)


def _operator(text: str, operator: str, start: int) -> Token:
    word = _OPERATOR_WORDS.get(operator)
    if word is not None:
        return Token(TokenKind.OPERATOR, operator, start, start + len(operator), word)
    for written in (text[start : start + 2], operator):
        if written in _INSTEAD:
            raise FilterError(
                f"unknown operator {written!r}",
                expression=text,
                position=start,
                hint=_INSTEAD[written],
            )
    raise FilterError(f"unknown operator {operator!r}", expression=text, position=start)


def _unexpected(text: str, position: int) -> FilterError:
    character = text[position]
    message = f"unexpected character {character!r}"
    if character == "`":
        message = "a backtick is not closed"
    hint = 'write keys in brackets: meta["key"]' if character == "." else None
    return FilterError(message, expression=text, position=position, hint=hint)


# --- numbers ----------------------------------------------------------------------------------

_DECIMAL = re.compile(r"0|[1-9][0-9]*")
_OCTAL = re.compile(r"0[0-7]+")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+")
_BINARY = re.compile(r"0[bB][01]+")
_FLOAT = re.compile(r"(?:[0-9]*\.[0-9]+|[0-9]+\.?)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEX_FLOAT = re.compile(r"0[xX](?:[0-9a-fA-F]*\.[0-9a-fA-F]+|[0-9a-fA-F]+\.?)[pP][+-]?[0-9]+")


def _number(text: str, written: str, start: int) -> int | float:
    """Read a number in C's notation, as Milvus does: ``017`` is 15."""
    if len(written) > MAX_DIGITS:
        raise FilterError(
            f"a number has {len(written)} characters, more than {MAX_DIGITS}",
            expression=text,
            position=start,
        )
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEX, 16), (_BINARY, 2)):
        if pattern.fullmatch(written):
            return int(written, base)
    if _FLOAT.fullmatch(written) and not written.isdigit():
        return float(written)
    if _HEX_FLOAT.fullmatch(written):
        try:
            return float.fromhex(written)
        except OverflowError:
            return float("inf")
    raise FilterError(f"malformed number {written!r}", expression=text, position=start)


# --- strings ----------------------------------------------------------------------------------

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))", re.DOTALL
)
_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
    "/": "/",
}


def _string(text: str, written: str, prefix: str, start: int) -> str:
    body = written[len(prefix) + 1 : -1]
    if prefix in ("r", "R") or "\\" not in body:
        return _encodable(text, body, start)
    try:
        value = _ESCAPE.sub(_unescape, body)
    except (ValueError, OverflowError):
        raise FilterError("an escape names no character", expression=text, position=start) from None
    return _encodable(text, value, start)


def _unescape(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    if match[4]:
        return chr(int(match[4], 8))
    # An escape without a meaning keeps its backslash: "50\%" is the pattern 50\%.
    return _SIMPLE_ESCAPES.get(match[5], match[0])


def _encodable(text: str, value: str, start: int) -> str:
    """Join surrogate pairs; refuse halves, which no stored text can hold."""
    if value.isascii():
        return value
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise FilterError(
            "a string holds half of a surrogate pair", expression=text, position=start
        ) from None
