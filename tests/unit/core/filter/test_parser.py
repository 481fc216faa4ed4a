"""From text to trees and back."""

from __future__ import annotations

import pytest

from elanus.errors import FilterError
from elanus.filter import (
    And,
    Arithmetic,
    ArithmeticOp,
    ArrayLength,
    Between,
    Compare,
    CompareOp,
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
    Parameter,
    PhraseMatch,
    Quantifier,
    RandomSample,
    RegexMatch,
    TextContains,
    TextMatch,
    parse,
    to_text,
)

A, B, C = FieldRef("a"), FieldRef("b"), FieldRef("c")
ONE, TWO, THREE = Literal(1), Literal(2), Literal(3)


def equal(left: Node, right: Node) -> Compare:
    return Compare(CompareOp.EQ, left, right)


def add(op: str, left: Node, right: Node) -> Arithmetic:
    return Arithmetic(ArithmeticOp(op), left, right)


@pytest.mark.parametrize(
    ("text", "tree", "canonical"),
    [
        ("a == 1", equal(A, ONE), "a == 1"),
        ("(((a)) == (1))", equal(A, ONE), "a == 1"),
        ("1 < a <= 2", Between(A, ONE, TWO, False, True), "1 < a <= 2"),
        ("2 > a >= 1", Between(A, ONE, TWO, True, False), "1 <= a < 2"),
        ("a in [1, 2,]", In(A, Literal((1, 2))), "a in [1, 2]"),
        ("a not in []", Not(In(A, Literal(()))), "a not in []"),
        ("a in {ids}", In(A, Parameter("ids")), "a in {ids}"),
        ("a LIKE 'x%'", Like(A, Literal("x%")), 'a like "x%"'),
        ("a not ilike 'x'", Not(Like(A, Literal("x"), True)), 'a not ilike "x"'),
        ("a Is Null", IsNull(A), "a is null"),
        ("a is not null", Not(IsNull(A)), "a is not null"),
        ("EXISTS a['k'][0]", Exists(JsonPath("a", ("k", 0))), 'exists a["k"][0]'),
        ("exists (a)", Exists(A), "exists a"),
        ('$meta["k"] == 1', equal(JsonPath("$meta", ("k",)), ONE), '$meta["k"] == 1'),
        ("`like` == TRUE", equal(FieldRef("like"), Literal(True)), "`like` == true"),
        ("`a``b` == 1", equal(FieldRef("a`b"), ONE), "`a``b` == 1"),
        ("città == 1", equal(FieldRef("città"), ONE), "città == 1"),
        ("a == 1 && b and c", And((equal(A, ONE), B, C)), "a == 1 and b and c"),
        ("a or b and c", Or((A, And((B, C)))), "a or b and c"),
        ("(a || b) && c", And((Or((A, B)), C)), "(a or b) and c"),
        ("a and (b and c)", And((A, And((B, C)))), "a and (b and c)"),
        ("not a and b", And((Not(A), B)), "not a and b"),
        ("!(a and b)", Not(And((A, B))), "not (a and b)"),
        ("not a == 1", Not(equal(A, ONE)), "not a == 1"),
        ("not not a", Not(Not(A)), "not not a"),
        ("a + 1 == 2", equal(add("+", A, ONE), TWO), "a + 1 == 2"),
        ("a + b * c == 1", equal(add("+", A, add("*", B, C)), ONE), "a + b * c == 1"),
        ("(a + b) * c == 1", equal(add("*", add("+", A, B), C), ONE), "(a + b) * c == 1"),
        ("a - (b - c) == 1", equal(add("-", A, add("-", B, C)), ONE), "a - (b - c) == 1"),
        ("a - b - c == 1", equal(add("-", add("-", A, B), C), ONE), "a - b - c == 1"),
        ("a & 1 == b", equal(add("&", A, ONE), B), "a & 1 == b"),
        ("a | b ^ c & 1 + 2 == 3", equal(
            add("|", A, add("^", B, add("&", C, add("+", ONE, TWO)))), THREE
        ), "a | b ^ c & 1 + 2 == 3"),
        ("(a | b) & (c ^ 1) == 2", equal(add("&", add("|", A, B), add("^", C, ONE)), TWO),
         "(a | b) & (c ^ 1) == 2"),
        ("a ^ (b ^ c) == 1", equal(add("^", A, add("^", B, C)), ONE), "a ^ (b ^ c) == 1"),
        ("a == -1", equal(A, Literal(-1)), "a == -1"),
        ("-a == 1", equal(add("-", Literal(0), A), ONE), "0 - a == 1"),
        ("+a == 1", equal(A, ONE), "a == 1"),
        (
            "-2 ** 2 == a",
            equal(add("-", Literal(0), add("**", TWO, TWO)), A),
            "0 - 2 ** 2 == a",
        ),
        (
            "2 ** 3 ** 2 == a",
            equal(add("**", add("**", TWO, THREE), TWO), A),
            "2 ** 3 ** 2 == a",
        ),
        ("2 ** -1 == a", equal(add("**", TWO, Literal(-1)), A), "2 ** (-1) == a"),
        ("json_contains(a, 1)", Contains(A, ONE, True), "json_contains(a, 1)"),
        ("ARRAY_CONTAINS(a, 1)", Contains(A, ONE, True), "json_contains(a, 1)"),
        (
            "json_contains_any(a, [1])",
            ContainsAny(A, Literal((1,)), True),
            "json_contains_any(a, [1])",
        ),
        ("contains_all(a, [1])", ContainsAll(A, Literal((1,))), "contains_all(a, [1])"),
        ("array_length(a) > 1", Compare(CompareOp.GT, ArrayLength(A), ONE), "array_length(a) > 1"),
        ("a =~ 'x+'", RegexMatch(A, Literal("x+")), 'a =~ "x+"'),
        (r"a !~ r'\d'", Not(RegexMatch(A, Literal(r"\d"))), r'a !~ "\\d"'),
        ("Text_Match(a, 'x y')", TextMatch(A, Literal("x y")), 'text_match(a, "x y")'),
        (
            "text_match(a, 'x', Minimum_should_match = 2)",
            TextMatch(A, Literal("x"), TWO),
            'text_match(a, "x", minimum_should_match=2)',
        ),
        (
            "text_match_fuzzy(a, 'x', 1)",
            FuzzyMatch(A, Literal("x"), ONE),
            'text_match_fuzzy(a, "x", max_edit_distance=1)',
        ),
        ("phrase_match(a, 'x', 0)", PhraseMatch(A, Literal("x")), 'phrase_match(a, "x")'),
        (
            "phrase_match(a, {q}, slop={s})",
            PhraseMatch(A, Parameter("q"), Parameter("s")),
            "phrase_match(a, {q}, slop={s})",
        ),
        ("random_sample(0.5)", RandomSample(Literal(0.5)), "random_sample(0.5)"),
        ("random_sample(.5, 1)", RandomSample(Literal(0.5), ONE), "random_sample(0.5, seed=1)"),
        (
            "element_filter(a, $ == 1)",
            ElementMatch(A, equal(Element(), ONE), chooses=True),
            "element_filter(a, $ == 1)",
        ),
        ("MATCH_ALL(a, $)", ElementMatch(A, Element(), Quantifier.ALL), "match_all(a, $)"),
        (
            "match_least(a, $ + 1 in [2], THRESHOLD=2)",
            ElementMatch(
                A, In(add("+", Element(), ONE), Literal((2,))), Quantifier.LEAST, TWO
            ),
            "match_least(a, $ + 1 in [2], threshold=2)",
        ),
        ("slop == 1", equal(FieldRef("slop"), ONE), "slop == 1"),
        ("text_contains(a, 'x')", TextContains(A, Literal("x")), 'text_contains(a, "x")'),
        ("text_icontains(a, 'x')", TextContains(A, Literal("x"), True), 'text_icontains(a, "x")'),
        ("is_empty(a)", IsEmpty(A), "is_empty(a)"),
        ("a == [1, ['x'], null]", equal(A, Literal((1, ("x",), None))), 'a == [1, ["x"], null]'),
    ],
)  # fmt: skip
def test_text_becomes_tree_and_canonical_text(text: str, tree: Node, canonical: str) -> None:
    assert parse(text) == tree
    assert to_text(tree) == canonical
    assert parse(canonical) == tree


def test_equal_numbers_of_other_types_are_other_constants() -> None:
    assert len({parse("a == 1"), parse("a == 1.0"), parse("a == true"), parse("a == 1")}) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a ==", "expected a value, a field or '(', got the end\n  a ==\n      ^"),
        ("and a", "expected a value, a field or '(', got 'and'\n  and a\n  ^"),
        ("(a == 1", "expected ')', got the end\n  (a == 1\n         ^"),
        ("a == 1)", "expected an operator or the end, got ')'\n  a == 1)\n        ^"),
        ("a is nul", "expected 'null', got 'nul'\n  a is nul\n       ^"),
        ("a not 5", "expected 'in' or 'like' after 'not', got '5'\n  a not 5\n        ^"),
        ("a[-1] == 1", "expected a key in quotes or a place from 0, got '-'\n  a[-1] == 1\n    ^"),
        ("a in (1, 2)", "'in' takes a list such as [1, 2], or {name}\n  a in (1, 2)\n       ^"),
        (
            "a in [b]",
            "a list holds constants only\n  a in [b]\n        ^\n  pass a whole list as {name}",
        ),
        (
            "a in [1 + b]",
            "a list holds constants only\n  a in [1 + b]\n        ^\n"
            "  pass a whole list as {name}",
        ),
        (
            "a in [1 / 0]",
            "a constant in a list has no value\n  a in [1 / 0]\n          ^\n"
            "  an integer outside int64 and a division by zero have none",
        ),
        ("a in [1.5 | 2]", "'|' takes integers\n  a in [1.5 | 2]\n            ^"),
        ("a == {1}", "expected the name of a parameter, got '1'\n  a == {1}\n        ^"),
        ("exists 5", "'exists' takes a field or a path\n  exists 5\n         ^"),
        (
            "1 < a > 2",
            "comparisons cannot be chained like this\n  1 < a > 2\n        ^\n"
            "  join them with 'and'; a range is 'low < x <= high'",
        ),
        (
            "a == 1 & b == 2",
            "comparisons cannot be chained like this\n  a == 1 & b == 2\n             ^\n"
            "  join them with 'and'; a range is 'low < x <= high'",
        ),
        (
            "json_contain(a, 1)",
            "unknown function 'json_contain'; did you mean 'json_contains'?\n"
            "  json_contain(a, 1)\n  ^",
        ),
        (
            "text_match(a, 'x', slop=1)",
            "text_match has no argument 'slop=' here; it takes 'minimum_should_match=' at its end\n"
            "  text_match(a, 'x', slop=1)\n                     ^",
        ),
        (
            "json_contains(a, slop=1)",
            "json_contains has no argument 'slop=' here; it takes no names\n"
            "  json_contains(a, slop=1)\n                   ^",
        ),
        (
            "match_most(a, $ == 1)",
            "match_most takes 3 arguments, got 2\n  match_most(a, $ == 1)\n  ^",
        ),
        (
            "match_any(a, $['k'] == 1)",
            "the elements of an array are single values, so '$' has no keys\n"
            "  match_any(a, $['k'] == 1)\n                ^",
        ),
        (
            "phrase_match(a)",
            "phrase_match takes 2 or 3 arguments, got 1\n  phrase_match(a)\n  ^",
        ),
        (
            "json_contains(a)",
            "json_contains takes 2 arguments, got 1\n  json_contains(a)\n  ^",
        ),
    ],
)  # fmt: skip
def test_faults_point_at_their_place(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert caught.value.expression == text


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "a" + ")" * 5000,
        "not " * 5000 + "a",
        "-" * 5000 + "1 == a",
        "a" + " + 1" * 5000 + " == 1",
        "a in " + "[" * 5000,
        "exists " * 5000 + "a",
        " or ".join(["(a and " * 200]),
        "a" + "(" * 5000,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


def test_flat_chains_may_be_long() -> None:
    tree = parse(" or ".join(f"a == {i}" for i in range(4096)))
    assert isinstance(tree, Or)
    assert len(tree.terms) == 4096
    assert parse(to_text(tree)) == tree


def test_joining_conditions_in_a_loop_stays_flat() -> None:
    tree: Node = equal(A, ONE)
    for _ in range(500):
        tree = tree | equal(B, TWO)
    assert tree == Or((equal(A, ONE), *[equal(B, TWO)] * 500))


def test_a_tree_that_is_too_deep_has_no_text() -> None:
    tree: Node = A
    for _ in range(5000):
        tree = Not(tree)
    with pytest.raises(FilterError, match="nested deeper than 64 levels"):
        to_text(tree)


EQUALITIES = [
    "a == 'b'",
    ' a=="b" ',
    "\ta_1\n==\r'it\"s'",
    "iso == 'x'",
    "array_length == 3",
    "slop == 0",
    "a == 017",
    "a == 123456789012345678901",
    "a == 'b\\n'",
    "a == 'ä'",
    "ä == 'b'",
    "True == 'b'",
    "a == ''",
]


def shape(node: Node) -> object:
    """Return a tree with the places of its nodes."""
    return type(node), node.position, getattr(node, "value", None), [*map(shape, node.children())]


@pytest.mark.parametrize("text", EQUALITIES)
def test_an_equality_is_read_as_within_parentheses(text: str) -> None:
    # Parentheses around it take the long way, and move it by one place.
    longer = parse(f"({text})")
    tree = parse(f" {text}")
    assert tree == longer
    assert shape(tree) == shape(longer)


@pytest.mark.parametrize("text", ["not == 1", "a == 'b", "a == 1 2", "a = 1", "1 == a == 'b'"])
def test_what_is_no_equality_is_refused_as_before(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)
