"""Aggregates and facets against plain Python over the rows."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import FilterError, InvalidArgumentError

FIELDS = [
    Field("id", DataType.INT64, primary=True),
    Field("flag", DataType.BOOL),
    Field("year", DataType.INT16, nullable=True),
    Field("big", DataType.INT64, nullable=True),
    Field("price", DataType.DOUBLE, nullable=True),
    Field("lang", DataType.VARCHAR, nullable=True),
    Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4),
    Field("meta", DataType.JSON, nullable=True),
    Field("dense", DataType.FLOAT_VECTOR, dim=2),
]
METRICS = ["count(*)", *(f"{f}({n})" for f in ("count", "min", "max") for n in ("flag", "lang"))]
METRICS += [
    f"{f}({n})" for f in ("count", "min", "max", "sum", "avg") for n in ("year", "big", "price")
]


def rows():
    rng = np.random.default_rng(6)

    def row(pk):
        return {
            "id": pk,
            "flag": bool(rng.integers(2)),
            "year": None if rng.random() < 0.2 else int(rng.integers(2000, 2004)),
            # Sums leave int64.
            "big": None if rng.random() < 0.5 else int(rng.integers(2**61, 2**63 - 1)),
            "price": None if rng.random() < 0.2 else float(rng.choice([0.5, -3.0, 1e9, 7.25])),
            "lang": None if rng.random() < 0.2 else str(rng.choice(["en", "de", "中", ""])),
            "tags": rng.choice(["a", "b", "c"], int(rng.integers(0, 4))).tolist(),
            "meta": None,
            "dense": [1.0, 0.0],
        }

    return [row(pk) for pk in range(150)]


@pytest.fixture(scope="module", params=["memory", "both"])
def collection(request, tmp_path_factory):
    memory = request.param == "memory"
    with elanus.connect(":memory:" if memory else tmp_path_factory.mktemp("sums") / "db") as db:
        made = db.create_collection("rows", Schema(FIELDS))
        for start in range(0, 150, 60):
            made.insert(rows()[start : start + 60])
            if not memory and start < 100:
                made.flush()
        yield made


def plain(metric, found):
    function, _, field = metric.rstrip(")").partition("(")
    if field == "*":
        return len(found)
    values = [row[field] for row in found if row[field] is not None]
    if function == "count":
        return len(values)
    if not values:
        return None
    if function in ("min", "max"):
        return min(values) if function == "min" else max(values)
    return sum(values) if function == "sum" else sum(values) / len(values)


def grouped(group_by, condition=lambda row: True):
    groups = {}
    for row in rows():
        if condition(row):
            groups.setdefault(tuple(row[name] for name in group_by), []).append(row)

    def nulls_last(values):
        return tuple((value is None, 0 if value is None else value) for value in values)

    return [(values, groups[values]) for values in sorted(groups, key=nulls_last)]


def check(collection, group_by, condition=lambda row: True, **given):
    answer = collection.aggregate(METRICS, group_by=group_by, **given)
    expected = grouped(group_by, condition)
    assert len(answer) == len(expected)
    for got, (values, found) in zip(answer, expected, strict=True):
        assert tuple(got[name] for name in group_by) == values
        for metric in METRICS:
            wanted = plain(metric, found)
            expected_value = pytest.approx(wanted, rel=1e-12) if type(wanted) is float else wanted
            assert got[metric] == expected_value, metric
            assert type(got[metric]) is type(wanted)


@pytest.mark.parametrize(
    "group_by",
    [(), ("flag",), ("year",), ("lang",), *itertools.permutations(["year", "flag", "lang"], 2)],
)
def test_groups_and_sums_are_those_of_plain_python(collection, group_by):
    check(collection, group_by)


def test_filters_choose_what_counts(collection):
    check(collection, ("lang",), lambda row: row["id"] % 3 == 0, filter="id % 3 == 0")


def test_nothing_to_count(collection):
    assert collection.aggregate(["count(*)", "max(year)"], filter="id < 0") == [
        {"count(*)": 0, "max(year)": None}
    ]
    assert collection.aggregate(["count(*)"], group_by="year", filter="id < 0") == []


def test_a_metric_as_a_text_and_its_spelling(collection):
    assert collection.aggregate() == [{"count(*)": 150}]
    latest = max(row["year"] for row in rows() if row["year"] is not None)
    assert collection.aggregate(" MAX( year ) ") == [{"MAX( year )": latest}]


def test_what_is_not_a_number_counts_where_nothing_else_is():
    with elanus.connect(":memory:") as db:
        fields = [
            Field("id", DataType.INT64, primary=True),
            Field("kind", DataType.VARCHAR),
            Field("price", DataType.FLOAT),
            Field("dense", DataType.FLOAT_VECTOR, dim=2),
        ]
        made = db.create_collection("rows", Schema(fields))
        prices = [("a", math.nan), ("a", 2.0), ("a", 1.0), ("b", math.nan)]
        made.insert(
            [
                {"id": i, "kind": kind, "price": price, "dense": [0.0, 1.0]}
                for i, (kind, price) in enumerate(prices)
            ]
        )
        first, second = made.aggregate(["min(price)", "max(price)", "sum(price)"], group_by="kind")
        assert (first["min(price)"], first["max(price)"]) == (1.0, 2.0)
        assert math.isnan(first["sum(price)"])
        assert math.isnan(second["min(price)"])


def test_facets_are_the_commonest_values(collection):
    answer = collection.facets(["lang", "year", "flag", "tags"], limit=3)
    for name in ("lang", "year", "flag"):
        counts = Counter(row[name] for row in rows() if row[name] is not None)
        assert answer[name] == sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    held = Counter(tag for row in rows() for tag in set(row["tags"]))
    assert answer["tags"] == sorted(held.items(), key=lambda item: (-item[1], item[0]))
    few = collection.facets("lang", filter="id < 20")["lang"]
    assert sum(count for _, count in few) == sum(
        row["lang"] is not None for row in rows() if row["id"] < 20
    )
    assert collection.facets("lang", filter="id < 0") == {"lang": []}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metrics": []}, "metrics: expected at least one"),
        ({"metrics": "median(price)"}, r"metrics: expected count\(\*\) or one of count, min"),
        ({"metrics": "price"}, "got 'price'"),
        ({"metrics": ["sum(*)"]}, "sum needs a field"),
        ({"metrics": ["sum(lang)"]}, "metrics: sum: 'lang' is VARCHAR; expected one of .*'year'"),
        ({"metrics": ["max(meta)"]}, "'meta' is JSON; expected one of"),
        ({"metrics": ["max(yaer)"]}, "'yaer'.*year"),
        ({"group_by": "dense"}, "group_by: 'dense' is FLOAT_VECTOR; expected one of .*'year'"),
        ({"group_by": ["year", 3]}, "group_by: no field 3; expected one of .*'year'"),
    ],
)
def test_what_cannot_be_asked_is_refused(collection, given, message):
    with pytest.raises(InvalidArgumentError, match=message):
        collection.aggregate(**given)


def test_what_cannot_be_counted_is_refused(collection):
    with pytest.raises(InvalidArgumentError, match="facets: 'meta' is JSON; expected one of 'id'"):
        collection.facets("meta")
    with pytest.raises(InvalidArgumentError, match="limit"):
        collection.facets("lang", limit=0)
    with pytest.raises(FilterError):
        collection.facets("lang", filter="lang ==")


def test_groups_of_many_fields_stay_apart_and_in_order():
    """The numbers of their values, multiplied, leave int64."""
    names = [f"f{i}" for i in range(9)]
    rng = np.random.default_rng(4)
    columns = {name: rng.permutation(200) for name in names}
    with elanus.connect(":memory:") as db:
        fields = [Field("id", DataType.INT64, primary=True)]
        made = db.create_collection(
            "rows", Schema(fields + [Field(name, DataType.INT64) for name in names])
        )
        made.insert({"id": np.arange(200), **columns})
        found = made.aggregate("count(*)", group_by=names)
    wanted = sorted(zip(*(columns[name].tolist() for name in names), strict=True))
    assert [tuple(group[name] for name in names) for group in found] == wanted
    assert {group["count(*)"] for group in found} == {1}


@pytest.mark.parametrize("limit", [1, 40, 500])
def test_many_values_that_are_as_common_come_in_their_order(limit):
    with elanus.connect(":memory:") as db:
        fields = [Field("id", DataType.INT64, primary=True), Field("n", DataType.INT64)]
        made = db.create_collection("rows", Schema(fields))
        values = np.random.default_rng(8).integers(0, 300, 900)
        made.insert({"id": np.arange(900), "n": values})
        wanted = Counter(row["n"] for row in made.query(output=["n"]))
        ordered = sorted(wanted.items(), key=lambda found: (-found[1], found[0]))
        assert made.facets("n", limit=limit) == {"n": ordered[:limit]}
