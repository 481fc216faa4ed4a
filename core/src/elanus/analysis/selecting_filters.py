"""Which tokens stay, by the characters they are made of?"""

from __future__ import annotations

import re
import unicodedata

from elanus.analysis.characters import HAN
from elanus.errors import SchemaError

MAX_EXPRESSION_LENGTH = 1_000
"""Characters of the expression of a ``regex`` filter."""


class _PlainFilter:
    """A filter without settings.

    Attributes:
        name: Its name.
    """

    name = ""

    def to_params(self) -> str | dict[str, object]:
        """Return the name."""
        return self.name


class AlphaNumOnlyFilter(_PlainFilter):
    """Keeps tokens of ASCII letters and digits alone, as in Tantivy."""

    name = "alphanumonly"

    def apply(self, token: str) -> str | None:
        return token if token.isascii() and token.isalnum() else None


class CnCharOnlyFilter(_PlainFilter):
    """Keeps tokens of Chinese characters alone."""

    name = "cncharonly"

    def apply(self, token: str) -> str | None:
        return token if _CHINESE.fullmatch(token) else None


class CnAlphaNumOnlyFilter(_PlainFilter):
    """Keeps tokens of Chinese characters, ASCII letters and digits alone."""

    name = "cnalphanumonly"

    def apply(self, token: str) -> str | None:
        return token if _CHINESE_OR_ALNUM.fullmatch(token) else None


class RemovePunctFilter(_PlainFilter):
    """Drops tokens that are nothing but punctuation, symbols of ASCII and white space."""

    name = "removepunct"

    def apply(self, token: str) -> str | None:
        return None if all(map(_is_punctuation, token)) else token


class RegexFilter:
    """Keeps tokens in which an expression matches somewhere.

    Attributes:
        expr: An expression of Python's ``re``, of 1,000 characters at most.

    Raises:
        SchemaError: ``expr`` is no expression.
    """

    def __init__(self, expr: str) -> None:
        self.expr = expr
        if len(expr) > MAX_EXPRESSION_LENGTH:
            raise SchemaError(
                f"regex: expr: expected at most {MAX_EXPRESSION_LENGTH} characters, got {len(expr)}"
            )
        try:
            self._search = re.compile(expr).search
        except (re.error, RecursionError, OverflowError) as error:
            raise SchemaError(f"regex: expr: {expr!r} is no regular expression: {error}") from None

    def apply(self, token: str) -> str | None:
        return token if self._search(token) else None

    def to_params(self) -> str | dict[str, object]:
        return {"type": "regex", "expr": self.expr}


_CHINESE = re.compile(f"[{HAN}]+")
_CHINESE_OR_ALNUM = re.compile(f"[{HAN}A-Za-z0-9]+")
_SYMBOLS = frozenset("$+<=>^`|~")


def _is_punctuation(char: str) -> bool:
    return char.isspace() or char in _SYMBOLS or unicodedata.category(char)[0] == "P"
