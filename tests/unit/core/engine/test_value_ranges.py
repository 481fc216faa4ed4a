"""Segments that the bounds of their fields rule out are not read, by queries and every search."""

import math
import operator

import numpy as np
import pytest

import elanus
from elanus.errors import CorruptionError
from support.stored_files import damage

ROWS = 50
COMPARED = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def schema(**year):
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
            elanus.Field("year", elanus.INT64, nullable=True, **year),
            elanus.Field("score", elanus.FLOAT),
            elanus.Field("name", elanus.VARCHAR),
            elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("words", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def entities(part):
    """Return the entities of a segment: years 2000 to 2009 in part 0, 2010 to 2019 in part 1."""
    return [
        {
            "id": part * ROWS + i,
            "v": [i, part],
            "year": None if i == 7 else 2000 + 10 * part + i % 10,
            "score": math.nan if i == 9 else part + i / ROWS,
            "name": f"part {part} of the whole, number {i:02}",
            "text": f"word{i % 5} common",
        }
        for i in range(ROWS)
    ]


@pytest.fixture
def parts(tmp_path):
    """A collection of three segments, and the folder of the columns of each."""
    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("c", schema())
        known = set()
        folders = []
        for part in range(3):
            collection.insert(entities(part))
            collection.flush()
            found = {path.parent for path in (tmp_path / "db").rglob("*-year.col")}
            folders += found - known
            known |= found
    return tmp_path / "db", folders


def pruned(collection, text):
    (plan,) = collection.explain(text)
    return [source.is_pruned for source in plan.sources]


@pytest.mark.parametrize(
    ("text", "ruled_out"),
    [
        ("year < 2010", [False, True, True]),
        ("year >= 2012 and year <= 2013", [True, False, True]),
        ("year in [2001, 2021]", [False, True, False]),
        ("year == 2040", [True, True, True]),
        ("not (year >= 2010)", [False, True, True]),
        ("year < 2010 or score > 2.5", [False, True, False]),
        ("year != 2040", [False, False, False]),
        ("score > 2.5", [True, True, False]),
        ('name < "part 1"', [False, True, True]),
        ('name == "part 1 of the whole, number 03"', [True, False, True]),
        ('name like "part 2%3"', [True, True, False]),
        ("year is null", [False, False, False]),
        ("score is null", [True, True, True]),
    ],
)
def test_bounds_rule_segments_out(parts, text, ruled_out):
    rows = [row for part in range(3) for row in entities(part)]
    with elanus.connect(parts[0]) as db:
        collection = db.collection("c")
        assert pruned(collection, text) == ruled_out
        found = [e["id"] for e in collection.query(text, ["id"])]
        collection.compact()
        assert pruned(collection, text) == [all(ruled_out)]
        assert [e["id"] for e in collection.query(text, ["id"])] == found
    # In memory there are no bounds.
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        assert pruned(collection, text) == [False]
        assert [e["id"] for e in collection.query(text, ["id"])] == found


def test_what_is_ruled_out_is_not_read(parts):
    folder, segments = parts
    for file in segments[0].glob("*-year.col"):
        damage(file)
    with elanus.connect(folder) as db:
        collection = db.collection("c")
        late = "year >= 2010"
        expected = [e["id"] for part in (1, 2) for e in entities(part) if e["year"] is not None]
        assert collection.count(filter=late) == len(expected)
        hits = collection.search([0, 2], "v", 100, filter=late)
        assert sorted(hit.id for hit in hits) == expected
        hits = collection.search("common", "words", 100, filter=late)
        assert sorted(hit.id for hit in hits) == expected
        legs = [elanus.Leg("v", [0, 2]), elanus.Leg("words", "common")]
        hits = collection.hybrid_search(legs, limit=100, filter=late)
        assert {hit.id for hit in hits} <= {*expected}
        explained = collection.search([0, 2], "v", 3, filter=late, explain=True).explanation
        assert explained.filters[0].num_pruned == 1
        assert "1 of 3 sources ruled out by their ranges" in str(explained.filters[0])
        assert [s.method for s in explained.legs[0].steps] == ["skip", "scan", "scan"]
        with pytest.raises(CorruptionError):
            collection.count(filter="year >= 2009")


def test_segments_whose_rows_all_pass_are_not_read_either(parts):
    folder, segments = parts
    for file in segments[0].glob("*-name.col"):
        damage(file)
    with elanus.connect(folder) as db:
        collection = db.collection("c")
        assert collection.count(filter='name >= "part 0"') == 3 * ROWS
        (plan,) = collection.explain('name >= "part 0"')
        assert plan.sources[0].steps[0].method == "ranges"
        assert plan.num_pruned == 0


def test_conditions_that_hold_everywhere_are_not_looked_at(parts):
    folder, segments = parts
    for segment in segments:
        for file in segment.glob("*-name.col"):
            damage(file)
    with elanus.connect(folder) as db:
        collection = db.collection("c")
        expected = collection.count(filter="year == 2005")
        assert 0 < expected < 3 * ROWS
        for text in (
            'year == 2005 and name >= "part 0"',
            'name >= "part 0" and year == 2005 and id >= 0',
            '(name >= "part 0" and id >= 0) and year == 2005',
        ):
            assert collection.count(filter=text) == expected
        (plan,) = collection.explain('name >= "part 0" and year == 2005')
        steps = [step for source in plan.sources for step in source.steps]
        told = [(step.condition, step.method) for step in steps]
        assert ('name >= "part 0"', "ranges") in told
        assert collection.count(filter='year == 2005 and not (name >= "part 0")') == 0


def test_bounds_are_those_of_the_rows_that_live_on(parts):
    folder, _ = parts
    with elanus.connect(folder) as db:
        collection = db.collection("c")
        collection.delete("year < 2012")
        assert pruned(collection, "year < 2005") == [False, True, True]
        collection.compact()
        assert pruned(collection, "year < 2005") == [True]
        collection.upsert([{**entities(0)[0], "year": 1990}])
        assert [e["year"] for e in collection.query("year < 2005", ["year"])] == [1990]


def test_a_field_of_the_same_name_has_bounds_of_its_own(parts):
    folder, _ = parts
    with elanus.connect(folder) as db:
        collection = db.collection("c")
        collection.drop_field("year")
        collection.add_field(elanus.Field("year", elanus.INT64, nullable=True, default=7))
        assert collection.count(filter="year == 7") == 3 * ROWS
    with elanus.connect(folder) as db:
        assert db.collection("c").count(filter="year < 10") == 3 * ROWS


def test_clustered_segments_are_ruled_out(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("c", schema(clustering_key=True))
        for part in (2, 0, 1):
            collection.insert(entities(part))
            collection.flush()
        assert pruned(collection, "year == 2015") == [True, True, False]
        assert collection.count(filter="year == 2015") == 5


@pytest.mark.parametrize("value", [16_777_216.0, 0.1, 1e30, -3.4e38])
def test_constants_are_rounded_as_the_values_were(value):
    """FLOAT rounds what it stores, and what it is compared with."""
    schema = elanus.Schema(
        [elanus.Field("id", elanus.INT64, primary=True), elanus.Field("f", elanus.FLOAT)]
    )
    stored = np.float32(value)
    near = [float(value), float(stored), 1e39, -1e39]
    near += [float(np.nextafter(float(stored), end)) for end in (np.inf, -np.inf)]
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema)
        collection.insert([{"id": 1, "f": value}])
        collection.flush()
        for constant in [*near, 16_777_217]:
            with np.errstate(over="ignore"):
                rounded = np.float32(constant)
            for op, compare in COMPARED.items():
                holds = int(compare(stored, rounded))
                assert collection.count(f"f {op} {constant!r}") == holds, (op, constant)
            assert collection.count(f"f in [{constant!r}]") == int(stored == rounded)
