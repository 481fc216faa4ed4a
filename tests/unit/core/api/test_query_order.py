"""Entities ordered by fields, against sorting them in Python."""

import itertools
import math

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import InvalidArgumentError

FIELDS = [
    Field("id", DataType.INT64, primary=True),
    Field("flag", DataType.BOOL),
    Field("year", DataType.INT16, nullable=True),
    Field("price", DataType.DOUBLE, nullable=True),
    Field("title", DataType.VARCHAR, nullable=True),
    Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4),
    Field("dense", DataType.FLOAT_VECTOR, dim=2),
]


def rows():
    rng = np.random.default_rng(5)
    prices = [float("nan"), None, -0.0, 0.0, 1e300, -math.inf, math.inf, 2.5]
    return [
        {
            "id": int(pk),
            "flag": bool(rng.integers(2)),
            "year": None if rng.random() < 0.2 else int(rng.integers(-3, 3)),
            "price": prices[rng.integers(len(prices))],
            "title": None
            if rng.random() < 0.2
            else str(rng.choice(["a", "B", "", "ä", "中", "aa"])),
            "tags": [],
            "dense": [1.0, 0.0],
        }
        for pk in rng.permutation(120)
    ]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with elanus.connect(tmp_path_factory.mktemp("order") / "db") as db:
        made = db.create_collection("rows", Schema(FIELDS))
        for start in range(0, 120, 50):
            made.insert(rows()[start : start + 50])
            if start < 100:
                made.flush()
        yield made


def plain(order_by, condition=lambda row: True):
    """Sort by the least important key first, as Python does it."""
    found = sorted((row for row in rows() if condition(row)), key=lambda row: row["id"])
    for text in reversed(order_by):
        name, _, said = text.partition(" ")
        sign = -1 if "desc" in said else 1
        nulls = -1 if "first" in said else 2

        def rank(row, name=name, sign=sign, nulls=nulls):
            value = row[name]
            if value is None:
                return nulls, 0
            if isinstance(value, float) and math.isnan(value):
                return 1, 0
            if isinstance(value, str):
                known = ["", "B", "a", "aa", "ä", "中"]
                return 0, sign * known.index(value)
            return 0, sign * value

        found.sort(key=rank)
    return [row["id"] for row in found]


KEYS = [
    f"{name}{way}" for name in ("id", "flag", "year", "price", "title") for way in ("", " desc")
]
NULLS = [
    f"{name}{way} {nulls}"
    for name in ("id", "year", "price", "title")
    for way in ("", " asc", " desc")
    for nulls in ("nulls first", "NULLS  Last")
]


@pytest.mark.parametrize(
    "order_by", [(key,) for key in KEYS] + list(itertools.combinations(KEYS, 2))
)
def test_every_key_and_two_of_them(collection, order_by):
    assert [row["id"] for row in collection.query(order_by=order_by)] == plain(order_by)


@pytest.mark.parametrize("key", NULLS)
def test_nulls_stand_where_it_is_said(collection, key):
    assert [row["id"] for row in collection.query(order_by=[key, "flag"])] == plain([key, "flag"])


def test_pages_and_filters(collection):
    wanted = plain(["year desc", "title"], lambda row: row["flag"])
    given = {"filter": "flag == true", "order_by": ["year  DESC", "title asc"]}
    assert [row["id"] for row in collection.query(limit=7, offset=5, **given)] == wanted[5:12]
    assert [row["id"] for row in collection.query(offset=3, **given)] == wanted[3:]
    assert collection.query(filter="id < 0", order_by="year") == []


def test_one_key_as_a_text(collection):
    assert [row["id"] for row in collection.query(order_by="year desc")] == plain(["year desc"])


@pytest.mark.parametrize(
    ("order_by", "message"),
    [
        (
            "yaer",
            "order_by: expected a field of numbers, bools, moments or texts, got 'yaer'.*year",
        ),
        ("tags", "expected a field of numbers, bools, moments or texts, got 'tags'"),
        ("dense desc", "expected a field of numbers, bools, moments or texts, got 'dense'"),
        ("year down", "expected a field, followed by asc or desc and .* got 'year down'"),
        ("year nulls", "nulls first or nulls last if at all, got 'year nulls'"),
        ("year nulls first desc", "got 'year nulls first desc'"),
        ("", "expected a field, followed by asc or desc"),
        ([3], "expected a field, followed by asc or desc and by .* got 3"),
    ],
)
def test_what_cannot_be_ordered_by_is_refused(collection, order_by, message):
    with pytest.raises(InvalidArgumentError, match=message):
        collection.query(order_by=order_by)
