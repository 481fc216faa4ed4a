"""Aggregates and facets of paths of JSON fields and of dynamic fields, against plain Python."""

import math
from collections import Counter
from functools import cache

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import InvalidArgumentError

SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("lang", DataType.VARCHAR),
        Field("meta", DataType.JSON, nullable=True),
        Field("tags", DataType.ARRAY, element_type=DataType.INT64, max_capacity=4),
        Field("dense", DataType.FLOAT_VECTOR, dim=2),
    ],
    dynamic=True,
)
KEYS = {
    'meta["source"]': ("meta", "source"),
    "meta['any']": ("meta", "any"),
    'meta["in"]["year"]': ("meta", "in", "year"),
    'meta["many"]': ("meta", "many"),
    'meta["many"][1]': ("meta", "many", 1),
    'meta["nowhere"]': ("meta", "nowhere"),
    'meta["later"]': ("meta", "later"),
    "extra": ("extra",),
    'extra["deep"]': ("extra", "deep"),
    '$meta["price"]': ("price",),
    "lang": ("lang",),
}
PATHS = [name for name in KEYS if name != "lang"]
METRICS = ["count(*)", *(f"{f}({n})" for f in ("min", "max", "count", "sum", "avg") for n in PATHS)]
NUM_ROWS = 1500
ANY = [
    *(None, False, True, 0, 1, 1.0, 0.0, -0.0, 2, 2.5, 2**53 + 1, 2.0**53, -7, 1e300, math.nan),
    *("", "1", "a", "é", "中", "True"),
    *([], [1, 1, "a"], {"a": 1}, {}),
]
MANY = [True, 1, 1.0, 2, "a", "b", None, [1], {"a": 1}, 3.5]


@cache
def rows():
    rng = np.random.default_rng(11)

    def pick(values):
        return values[int(rng.integers(len(values)))]

    def row(pk):
        meta = {"source": f"{pick('abc')}.pdf", "any": pick(ANY)}
        meta["many"] = pick([[pick(MANY) for _ in range(int(rng.integers(4)))], "a", 1, None])
        if rng.random() < 0.8:
            meta["in"] = {"year": pick([2001, 2002, 2002.5, "2003", None])}
        if pk > 1400:
            meta["later"] = pick([3, 4, True])
        made = {
            "id": pk,
            "lang": pick(["en", "de"]),
            "meta": None if rng.random() < 0.1 else meta,
            "tags": [1, 2],
            "dense": [1.0, 0.0],
        }
        if rng.random() < 0.7:
            made |= {"extra": pick([1, 2, "x", ["x", "y"], {"deep": pick([1, "1"])}])}
            made |= {"price": pick([1.5, 2.25, 10])}
        return made

    return [row(pk) for pk in range(NUM_ROWS)]


@pytest.fixture(scope="module", params=["memory", "segments", "mixed"])
def collection(request, tmp_path_factory):
    with elanus.connect(tmp_path_factory.mktemp("paths") / "db") as db:
        made = db.create_collection("rows", SCHEMA)
        made.create_partition("odd")
        # The paths of a segment of 1,000 rows and more are columns.
        for start, stop in ((0, 1200), (1200, 1300), (1300, NUM_ROWS)):
            for partition in (None, "odd"):
                found = rows()[start:stop][0 if partition is None else 1 :: 2]
                given = {} if partition is None else {"partition": partition}
                made.insert(found, **given)
            if request.param == "segments" or (request.param == "mixed" and stop < NUM_ROWS):
                made.flush()
        yield made


def at(row, name):
    """Return what has a place in the order of values, or None."""
    value = there(row, name)
    is_nan = isinstance(value, float) and math.isnan(value)
    return None if isinstance(value, list | dict) or is_nan else value


def there(row, name):
    value = row
    for key in KEYS[name]:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
        if isinstance(value, str) and key == "many":
            return value if name.endswith('"many"]') else None
    return value


def place(value):
    """Return where a value stands: false, true, numbers, texts, null."""
    if value is None:
        return (3, 0)
    if isinstance(value, bool):
        return (0, value)
    return (1, value) if isinstance(value, int | float) else (2, value)


def plain(metric, found):
    function, _, name = metric.removesuffix(")").partition("(")
    if name == "*":
        return len(found)
    if function == "count":
        return sum(there(row, name) is not None for row in found)
    values = [value for row in found if (value := at(row, name)) is not None]
    if function in ("min", "max"):
        return (min if function == "min" else max)(values, key=place, default=None)
    values = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if not values:
        return None
    return sum(values) if function == "sum" else sum(values) / len(values)


def check(collection, group_by, condition=lambda row: True, **given):
    groups = {}
    for row in filter(condition, rows()):
        groups.setdefault(tuple(place(at(row, name)) for name in group_by), []).append(row)
    answer = collection.aggregate(METRICS, group_by=group_by, **given)
    assert [tuple(place(group[n]) for n in group_by) for group in answer] == sorted(groups)
    for group, key in zip(answer, sorted(groups), strict=True):
        assert list(group) == [*group_by, *METRICS]
        for metric in METRICS:
            got, wanted = group[metric], plain(metric, groups[key])
            if metric[:3] in ("min", "max"):
                assert place(got) == place(wanted), metric
            else:
                assert type(got) is type(wanted), metric
                assert got == (pytest.approx(wanted) if type(wanted) is float else wanted), metric


@pytest.mark.parametrize(
    "group_by",
    [(), *((name,) for name in PATHS), ("meta['any']", "lang"), ("lang", "extra", "meta['any']")],
)
def test_paths_group_and_add_up_as_plain_python_does(collection, group_by):
    check(collection, group_by)


def test_filters_and_partitions_choose_what_counts(collection):
    given = {"filter": 'meta["source"] == "a.pdf" and id % 3 == 0', "partitions": ["odd"]}

    def chosen(row):
        is_asked = there(row, 'meta["source"]') == "a.pdf" and row["id"] % 3 == 0
        return is_asked and row["id"] % 2 == 1

    check(collection, ("meta['any']",), chosen, **given)
    check_facets(collection, chosen, **given)
    assert collection.aggregate(["sum(extra)", "max(extra)"], filter="id < 0") == [
        {"sum(extra)": None, "max(extra)": None}
    ]
    assert collection.aggregate(group_by="extra", filter="id < 0") == []
    assert collection.facets("extra", filter="id < 0") == {"extra": []}


def check_facets(collection, condition=lambda row: True, limit=1000, **given):
    answer = collection.facets(PATHS, limit=limit, **given)
    assert list(answer) == PATHS
    for name in PATHS:
        counts = Counter()
        for row in filter(condition, rows()):
            value = there(row, name)
            held = value if isinstance(value, list) else [value]
            counts.update({place(v) for v in held if not isinstance(v, list | dict)})
        counts = {key: n for key, n in counts.items() if key[0] < 3 and key[1] == key[1]}
        wanted = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
        assert [(place(value), count) for value, count in answer[name]] == wanted, name


def test_facets_of_paths_count_values_and_elements(collection):
    check_facets(collection)
    check_facets(collection, limit=3)


def test_a_group_has_the_key_that_was_given():
    with elanus.connect(":memory:") as db:
        made = db.create_collection("rows", SCHEMA)
        metas = [{"lang": "en", "year": 2001}, {"lang": "de", "year": 1990}, {"lang": "en"}, None]
        made.insert(
            [
                {"id": i, "lang": "", "meta": meta, "tags": [], "dense": [0, 1]}
                for i, meta in enumerate(metas)
            ]
        )
        assert made.aggregate(' AVG( meta["year"] ) ', group_by=["meta['lang']"]) == [
            {"meta['lang']": "de", 'AVG( meta["year"] )': 1990.0},
            {"meta['lang']": "en", 'AVG( meta["year"] )': 2001.0},
            {"meta['lang']": None, 'AVG( meta["year"] )': None},
        ]
        assert made.facets("meta['lang']") == {"meta['lang']": [("en", 2), ("de", 1)]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.facets("meta"), "facets: 'meta' is JSON; .*, or a path such as meta\\['key'"),
        (lambda c: c.facets("lang['a']"), "facets: field 'lang' is VARCHAR, nothing lies at"),
        (lambda c: c.facets("meta['a"), "facets: "),
        (lambda c: c.facets("tags[0]"), r"facets: expected a field or a path .*, got 'tags\[0\]'"),
        (lambda c: c.facets("id + 3"), "facets: expected a field or a path"),
        (lambda c: c.aggregate(group_by="id >"), "group_by: "),
        (lambda c: c.aggregate("sum(meta['a') "), "metrics: sum: "),
        (lambda c: c.aggregate("sum()"), "metrics: expected count"),
    ],
)
def test_what_is_no_path_is_refused(collection, call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call(collection)
