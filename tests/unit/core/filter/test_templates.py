"""Filters that differ from earlier ones in their constants alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from elanus.errors import FilterError
from elanus.filter import BoundFilter, compile_filter
from elanus.filter.templates import MAX_TEMPLATES, FilledFilter, FilterTemplates
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType

SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("year", DataType.INT16),
        Field("share", DataType.FLOAT),
        Field("title", DataType.VARCHAR, analyzer="standard"),
        Field("flag", DataType.BOOL),
        Field("at", DataType.TIMESTAMPTZ),
        Field("meta", DataType.JSON),
        Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR),
    ],
    dynamic=True,
)
NONE: frozenset[Any] = frozenset()
Asked = tuple[str, Mapping[str, object] | None]


def outcome(text: str, params: Mapping[str, object] | None, root: str | None = None) -> Any:
    try:
        return compile_filter(text, SCHEMA, params=params, root=root)
    except FilterError as error:
        return str(error)


def ask(templates: FilterTemplates, asked: list[Asked], root: str | None = None) -> int:
    """Ask all, and compare each with itself read alone; return how many were filled in."""
    filled = 0
    for text, params in asked:
        made = templates.filled(text, params, root, NONE)
        wanted = outcome(text, params, root)
        if made is None:
            continue
        assert isinstance(made, FilledFilter)
        assert isinstance(wanted, BoundFilter), wanted
        assert made.tree == wanted.tree
        assert str(made) == str(wanted)
        assert made == wanted
        assert hash(made) == hash(wanted)
        filled += 1
    return filled


def texts(*asked: str) -> list[Asked]:
    return [(text, None) for text in asked]


@pytest.mark.parametrize(
    "form",
    [
        'title == "{}"',
        "'{}' == title",
        'year > {n} and title == "{}"',
        "year > -{n}",
        "{n} < year <= 99",
        "share >= {n}.5 or not (year != {n})",
        "id in [1, {n}, 3]",
        'title in ["a", "{}"]',
        'meta["page"] > {n}',
        'meta["page"] == "{}" and meta["page"] != {n}',
        "note == '{}'",
        "array_length(tags) == {n}",
        "id + 5 > {n}",
        "{n} > year and year < 5",
        "year == {n} and year == {n}",
    ],
)
def test_only_the_first_two_of_a_form_are_read(form: str) -> None:
    values = ["a", "b", "", "ü", "and", "[1]", "x, y", "\x01", "\x010", "a == b", "日本"]
    asked = texts(*[form.replace("{}", v).replace("{n}", str(i)) for i, v in enumerate(values)])
    filled = ask(FilterTemplates(SCHEMA), asked)
    assert filled >= len(asked) - 3


@pytest.mark.parametrize(
    "asked",
    [
        ["meta[0] == 1", 'meta["0"] == 1', 'meta["1"] == 1', "meta[1] == 1"],
        ["meta == 1", 'meta == "1"', "meta == 1.0", "meta == true", "meta == [1]"],
        ["id == 9223372036854775807", "id == 9223372036854775808", "id == -9223372036854775808"],
        ["id == 1152921504606846976", "id == 1152921504606846977", "id == 5"],
        [f"id == 1152921504606846976 and year > {i}" for i in range(4)],
        [f"id == 0x1000000000000000 and year > {i}" for i in range(4)],
        ["""title == r"a " and title == "b\"""", """title == r"a ' and title == 'b\""""] * 2,
        ["year > 5 ** id", "year > -5 ** id", "year > -4 ** id", "year > 4 ** id"],
        [r'title == "a\"b"', r'title == "a\x41"', 'title == r"a"', 'title == u8"a"'],
        ["title == 'it''s'", "title == 'its'", 'title == "it\'s"'],
        ["year in [1]", "year in [1, 2]", "year in []", "year in [1, 2, 3]"],
        ["year == 1", "year == '1'", "year == 1.5", "year == true", "year == null"],
        ["year == 017", "year == 17", "year == 0x11", "year == 1e1", "year == .5", "year == 5."],
        ["year - 5 > 3", "year -5 > 3", "year > - 5", "year > -5", "year > --5", "year-5>3"],
        ["`year` == 1", "`a'b` == 'x'", "flag == true", "flag", "flag == 1"],
        ["at > '2024-01-01'", "at > '2025-01-01'", "at > 'never'", "at > ISO '2024-01-01'"],
        ["title like 'a%'", "title like 'b%'", "title =~ '['", "title =~ 'a'"],
        ["text_match(title, 'a', minimum_should_match=2)", "text_match(title, 'a', 1)"],
        ["random_sample(0.5) and year > 1", "random_sample(0.5) and year > 2"],
        ["5 == 5", "5 == 6", "1 + 2 == year", "2 + 2 == year"],
        ["year == 1 year", "year == ", "yeer == 1", "", " "],
        ["match_exact(tags, $ == 'a', threshold=1)", "match_exact(tags, $ == 'b', threshold=2)"],
        ["tags[0] == 'a'", "tags[1] == 'a'", "tags[0] == 'b'"],
        ["contains(tags, 'a')", "contains(tags, 'b')", "contains(meta, 'b')"],
    ],
)
def test_what_only_looks_alike_is_not_confused(asked: list[str]) -> None:
    templates = FilterTemplates(SCHEMA)
    for order in (asked, asked[::-1], [text for text in asked for _ in range(3)]):
        ask(templates, texts(*order))


@pytest.mark.parametrize(
    "form",
    [
        "id in [{a} % {b}]",
        "id in [{a} | {b}, {b}]",
        "id in [{a} + {b} * 2, 7]",
        'meta["l"][0] in [[1], {a} & {b}, [2]]',
        "json_contains_any(meta['l'], [-{a} - {b}, {a} ** {b} / 2])",
        "json_contains(meta['l'], {a} | {b})",
        "id == {a} | {b}",
    ],
)
def test_calculated_constants_are_read_each_time(form: str) -> None:
    pairs = [(3, 40), (900, 40), (1, 2), (1, 4), (1, 6), (4, 6), (4, 1), (900, 40), (0, 5)]
    ask(
        FilterTemplates(SCHEMA),
        texts(*[form.replace("{a}", str(a)).replace("{b}", str(b)) for a, b in pairs]),
    )


def test_values_of_parameters_are_filled_in() -> None:
    text = "year > {low} and title == {name}"
    asked: list[Asked] = [(text, {"low": i, "name": f"n{i}"}) for i in range(9)]
    assert ask(FilterTemplates(SCHEMA), asked) == 8
    others: list[Mapping[str, object]] = [
        {"low": 1.5, "name": "x"},
        {"low": True, "name": "x"},
        {"low": "1", "name": "x"},
        {"low": None, "name": "x"},
        {"low": 2**63, "name": "x"},
        {"low": 2**60, "name": "x"},
        {"low": -(2**63), "name": "\ud800"},
        {"low": 3, "name": ["x"]},
        {"low": float("nan"), "name": "x"},
        {"low": 3, "more": "x"},
        {"low": -3, "name": "x", "more": "x"},
        {"name": "x", "low": 7},
    ]
    templates = FilterTemplates(SCHEMA)
    for _ in range(3):
        ask(templates, [(text, params) for params in others] + asked)
        ask(templates, [("year > -{low}", {"low": i}) for i in range(-2, 3)])
        ask(templates, [("{a} < year < {a}", {"a": i}) for i in range(3)])
        ask(templates, [("meta[{k}] == 1", {"k": f"k{i}"}) for i in range(3)])
        ask(templates, [("year in {a}", {"a": i}) for i in range(3)])


def test_roots_are_apart() -> None:
    templates = FilterTemplates(SCHEMA)
    for _ in range(3):
        ask(templates, texts("year > 1", "year > 2"), "meta")
        ask(templates, texts("year > 1", "year > 2", "year > 'a'"))


def test_forms_are_bounded() -> None:
    templates = FilterTemplates(SCHEMA)
    for i in range(3 * MAX_TEMPLATES):
        ask(templates, texts(f"name{i} == 1", f"name{i} == 2"))
    assert len(templates._known) <= MAX_TEMPLATES  # how many cannot be seen from outside


def test_many_threads_get_their_own_constants() -> None:
    templates = FilterTemplates(SCHEMA)
    failures: list[str] = []

    def work(first: int) -> None:
        for i in range(first, first + 300):
            text = f"year > {i} and title == 't{i % 7}' and note{i % 5} == {i}"
            made = templates.filled(text, None, None, NONE)
            if made is not None and str(made) != str(compile_filter(text, SCHEMA)):
                failures.append(text)

    threads = [threading.Thread(target=work, args=(1_000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
