"""Tokens, numbers and strings of filter expressions."""

from __future__ import annotations

import pytest

from elanus.errors import FilterError
from elanus.filter.language.lexer import MAX_TEXT_LENGTH, Token, TokenKind
from elanus.filter.language.lexer import tokenize as read_tokens


def tokenize(text: str) -> list[Token]:
    return list(read_tokens(text))


def values(text: str) -> list[object]:
    return [token.value for token in tokenize(text)[:-1]]


def test_tokens_carry_kind_value_and_position() -> None:
    found = [tuple(token[:4]) for token in tokenize('Year >= 20 AND `in`[ "a" ]')]
    assert found == [
        (TokenKind.NAME, "Year", 0, 4),
        (TokenKind.OPERATOR, ">=", 5, 7),
        (TokenKind.NUMBER, 20, 8, 10),
        (TokenKind.KEYWORD, "and", 11, 14),
        (TokenKind.NAME, "in", 15, 19),
        (TokenKind.OPERATOR, "[", 19, 20),
        (TokenKind.STRING, "a", 21, 24),
        (TokenKind.OPERATOR, "]", 25, 26),
        (TokenKind.END, "", 26, 26),
    ]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0", 0),
        ("42", 42),
        ("9223372036854775808", 2**63),
        ("017", 15),
        ("0x1F", 31),
        ("0XfF", 255),
        ("0b101", 5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("08.5", 8.5),
        ("1e999", float("inf")),
        ("0x1.8p3", 12.0),
        ("0x1p99999", float("inf")),
    ],
)
def test_numbers_are_read_as_in_c(written: str, number: float) -> None:
    (found,) = values(written)
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize(
    "written", ["12abc", "09", "0x", "0b12", "1.2.3", "1e", "1e+", "1_000", "0x1.8", "٣" + "x1."]
)
def test_malformed_numbers_are_refused(written: str) -> None:
    with pytest.raises(FilterError):
        tokenize("a == " + written + " .")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"it\'s"', "it's"),
        ("'say \"x\"'", 'say "x"'),
        (r'"a\"b\\c\n\t\/"', 'a"b\\c\n\t/'),
        (r'"\x41\u00e9\U0001F600\101"', "Aé😀A"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"50\%\_\d"', r"50\%\_\d"),
        (r'r"a\n\"b"', r"a\n\"b"),
        ('u8"x"', "x"),
        ('L"x"', "x"),
        ('""', ""),
        ('"日本"', "日本"),
    ],
)
def test_strings_and_escapes(written: str, text: str) -> None:
    assert values(written) == [text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'a == "b',
            'a quote is not closed\n  a == "b\n       ^',
        ),
        (
            "a = 1",
            "unknown operator '='\n  a = 1\n    ^\n  write '==' to compare",
        ),
        (
            "a <> 1",
            "unknown operator '<>'\n  a <> 1\n    ^\n  write '!=' for 'not equal'",
        ),
        (
            "a => 1",
            "unknown operator '=>'\n  a => 1\n    ^\n  write '>='",
        ),
        (
            "meta.a == 1",
            "unexpected character '.'\n  meta.a == 1\n      ^\n"
            '  write keys in brackets: meta["key"]',
        ),
        ("a == 1;", "unexpected character ';'\n  a == 1;\n        ^"),
        ("`a == 1", "a backtick is not closed\n  `a == 1\n  ^"),
        ("a << 1", "unknown operator '<<'\n  a << 1\n    ^"),
        (
            r'a == "\ud800"',
            'a string holds half of a surrogate pair\n  a == "\\ud800"\n       ^',
        ),
        (
            r'a == "\UFFFFFFFF"',
            'an escape names no character\n  a == "\\UFFFFFFFF"\n       ^',
        ),
    ],
)
def test_faults_point_at_their_place(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        tokenize(text)
    assert str(caught.value) == message


def test_length_of_text_and_numbers_is_bounded() -> None:
    with pytest.raises(FilterError, match="pass long lists as parameters"):
        tokenize("a" * (MAX_TEXT_LENGTH + 1))
    with pytest.raises(FilterError, match="a number has 5000 characters"):
        tokenize("a == " + "1" * 5000)
