"""Indexes of scalars and shredded JSON: the same answers with them, without them, and damaged."""

import random

import pytest

import elanus
from elanus.engine.indexing import scalar_builds, shredding
from elanus.errors import InvalidArgumentError, NotFoundError, ReadOnlyError
from elanus.filter import CompareOp, logic
from elanus.filter.json import json_paths
from elanus.filter.values.numbers import PYTHON_OPERATORS
from support.stored_files import damage

NUM_ROWS = 1_500
INDEXES = [
    ("year", "STL_SORT", {}),
    ("price", "INVERTED", {}),
    ("brand", "BITMAP", {}),
    ("title", "NGRAM", {"min_gram": 2, "max_gram": 3}),
    ("tags", "INVERTED", {}),
    ('meta["year"]', "STL_SORT", {"json_cast_type": "DOUBLE"}),
    ('meta["author"]["name"]', "TRIE", {"json_cast_type": "VARCHAR"}),
    ("meta", "INVERTED", {"json_path": 'meta["tags"]', "json_cast_type": "ARRAY_VARCHAR"}),
    ("color", "BITMAP", {"json_cast_type": "VARCHAR"}),
    ("tags[1]", "TRIE", {}),
    ('meta["tags"][1]', "AUTO", {"json_cast_type": "VARCHAR"}),
]


def year_in_meta(row):
    """Return the number there, or one that no filter lets through."""
    year = row["meta"].get("year")
    return year if type(year) is int else 0


FILTERS = {
    "year > 2000": lambda r: r["year"] is not None and r["year"] > 2000,
    "not (year > 2000)": lambda r: r["year"] is not None and r["year"] <= 2000,
    "year >= 1990 and year < 1995": lambda r: r["year"] is not None and 1990 <= r["year"] < 1995,
    "year != 1999": lambda r: r["year"] is not None and r["year"] != 1999,
    "price in [1.5, 2]": lambda r: r["price"] in (1.5, 2),
    'brand == "b3" and year == 2001': lambda r: r["brand"] == "b3" and r["year"] == 2001,
    'brand == "b3" or price < 1': lambda r: r["brand"] == "b3" or r["price"] < 1,
    'title like "%abc 7%"': lambda r: "abc 7" in r["title"],
    'title =~ "^row 12[0-9] "': lambda r: r["title"].startswith("row 12") and r["title"][7] == " ",
    'array_contains(tags, "t3")': lambda r: "t3" in r["tags"],
    'array_contains_all(tags, ["t3", "t4"])': lambda r: {"t3", "t4"} <= {*r["tags"]},
    'meta["year"] > 2000': lambda r: year_in_meta(r) > 2000,
    'meta["author"]["name"] like "Ann%"': lambda r: r["meta"]["author"]["name"].startswith("Ann"),
    'json_contains(meta["tags"], "m2")': lambda r: "m2" in r["meta"]["tags"],
    'tags[1] == "t3"': lambda r: r["tags"][1:2] == ["t3"],
    'tags[1] != "t3"': lambda r: r["tags"][1:2] not in ([], ["t3"]),
    'meta["tags"][1] in ["m1", "m3"]': lambda r: r["meta"]["tags"][1:2] in (["m1"], ["m3"]),
    'color == "red" and meta["year"] < 1950': lambda r: (
        r["color"] == "red" and 0 < year_in_meta(r) < 1950
    ),
}


def schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
            elanus.Field("year", elanus.INT64, nullable=True),
            elanus.Field("price", elanus.DOUBLE),
            elanus.Field("brand", elanus.VARCHAR),
            elanus.Field("title", elanus.VARCHAR),
            elanus.Field("tags", elanus.ARRAY, element_type=elanus.VARCHAR),
            elanus.Field("meta", elanus.JSON),
        ],
        dynamic=True,
    )


def entities(first=0, count=NUM_ROWS):
    drawn = random.Random(first)
    made = []
    for i in range(first, first + count):
        meta = {
            "year": drawn.choice([None, "2005", *range(1900, 2030)]),
            "author": {"name": drawn.choice(["Anna", "Ann", "Bo", "Cy"])},
            "tags": drawn.sample(["m1", "m2", "m3"], drawn.randint(0, 3)),
        }
        if i % 7 == 0:
            del meta["year"]
        made.append(
            {
                "id": i,
                "v": [i, 1],
                "year": drawn.choice([None, *range(1980, 2020)]),
                "price": drawn.randint(0, 20) / 2,
                "brand": f"b{drawn.randint(0, 9)}",
                "title": f"row {i % 300} abc {drawn.randint(0, 20)}",
                "tags": [f"t{drawn.randint(0, 9)}" for _ in range(drawn.randint(0, 4))],
                "meta": meta,
                "color": drawn.choice(["red", "green"]),
            }
        )
    return made


@pytest.fixture(autouse=True)
def indexes_cost_nothing(monkeypatch):
    for name in ("INDEX_NS", "GATHERED_NS", "ROW_NS", "VERIFIED_NS", "VERIFIED_FACTOR"):
        monkeypatch.setattr(logic, name, 0.0)
    monkeypatch.setattr(scalar_builds, "MIN_INDEXED_ROWS", 500)


def index_all(collection):
    for field, kind, params in INDEXES:
        collection.create_index(field, kind, params)
    collection.wait_indexed()


def check(collection, rows):
    for text, allows in FILTERS.items():
        found = {e["id"] for e in collection.query(text, ["id"])}
        assert found == {r["id"] for r in rows if allows(r)}, text


def methods(collection, text):
    (plan,) = collection.explain(text)
    return [step.method for step in plan.sources[0].steps]


def test_every_index_answers_as_columns_do(tmp_path):
    rows = entities()
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        check(collection, rows)
        collection.flush()
        check(collection, rows)
        index_all(collection)
        check(collection, rows)
        assert [i.indexed_rows for i in collection.list_indexes()] == [0] + [NUM_ROWS] * 11
        assert collection.describe().indexes['meta["author"]["name"]'] == "TRIE"
        assert collection.stats().segments[0].indexes["title"] == "NGRAM"
        assert methods(collection, "year > 2000") == ["STL_SORT"]
        assert methods(collection, 'tags[1] >= "t4"') == ["TRIE"]
        assert methods(collection, 'tags[0] >= "t4"') == ["columns"]
        assert methods(collection, 'meta["tags"][1] == "m1"') == ["BITMAP"]
        # Rows that are deleted, replaced, and in memory only.
        collection.delete("year == 2001")
        later = entities(1_400, 300)
        collection.upsert(later)
        alive = {r["id"]: r for r in rows if r["year"] != 2001} | {r["id"]: r for r in later}
        check(collection, [*alive.values()])
        collection.compact()
        check(collection, [*alive.values()])
        assert methods(collection, 'brand == "b3"') == ["BITMAP"]
    with elanus.connect(tmp_path, read_only=True) as db:
        collection = db.collection("c")
        check(collection, [*alive.values()])
        assert methods(collection, 'title like "%abc 7%"') == ["NGRAM"]
        with pytest.raises(ReadOnlyError):
            collection.drop_index("year")


def test_explanation_shows_each_condition_in_order():
    rows = entities()
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        collection.flush()
        index_all(collection)
        text = 'price < 5 and brand == "b3" and year >= 1990 and year < 1992'
        (plan,) = collection.explain(text)
        (source,) = plan.sources
        by_method = {step.condition: step.method for step in source.steps}
        assert by_method == {
            "year >= 1990 and year < 1992": "STL_SORT",
            'brand == "b3"': "columns",
            "price < 5": "columns",
        }
        first, second, third = source.steps
        ranged = [r for r in rows if r["year"] and 1990 <= r["year"] < 1992]
        assert (first.asked, first.allowed) == (NUM_ROWS, len(ranged))
        assert (second.asked, third.asked) == (len(ranged), second.allowed)
        assert third.allowed == source.allowed == collection.count(text)
        result = collection.search([1, 1], "v", filter=text, explain=True)
        assert result.explanation.filters == (plan,)
        assert "STL_SORT" in str(result.explanation)
        assert collection.search([1, 1], "v", filter=text).explanation.filters == ()


@pytest.mark.parametrize("kind", ["middle", "footer", "deleted"])
def test_damaged_files_are_built_again_and_change_nothing(tmp_path, kind, caplog):
    rows = entities()
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        collection.flush()
        index_all(collection)
    files = [f for f in tmp_path.glob("**/idx/*/*/*") if f.parent.name != "v"]
    assert len(files) == len(INDEXES) + 2  # and the paths of meta and $meta
    for file in files:
        damage(file, kind)
    with elanus.connect(tmp_path, read_only=True) as db:
        check(db.collection("c"), rows)
        assert methods(db.collection("c"), "year > 2000") == ["columns"]
    assert "filters read the rows" in caplog.text or "derived again" in caplog.text
    with elanus.connect(tmp_path) as db:
        check(db.collection("c"), rows)
        db.collection("c").create_index("id", "STL_SORT")
        db.collection("c").wait_indexed()
        check(db.collection("c"), rows)
        assert methods(db.collection("c"), "year > 2000") == ["STL_SORT"]
    with elanus.connect(tmp_path, read_only=True) as db:
        assert methods(db.collection("c"), "year > 2000") == ["STL_SORT"]


def test_dropped_indexes_are_gone_with_their_files(tmp_path):
    rows = entities()
    with elanus.connect(tmp_path) as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        collection.flush()
        index_all(collection)
        with pytest.raises(NotFoundError, match="no index on 'id'"):
            collection.drop_index("id")
        for name in [i.name for i in collection.list_indexes() if i.name != "v"]:
            collection.drop_index(name)
        collection.wait_indexed()
        check(collection, rows)
        assert methods(collection, "year > 2000") == ["columns"]
        assert [i.name for i in collection.list_indexes()] == ["v"]
        assert collection.stats().segments[0].indexes == {}
    left = {f.parent.name for f in tmp_path.glob("**/idx/*/*/*")}
    assert left <= {"meta", "$meta"}


def test_index_of_a_dropped_field_does_not_come_back():
    rows = entities()
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        collection.flush()
        index_all(collection)
        collection.drop_field("year")
        collection.drop_field("meta")
        collection.add_field(elanus.Field("year", elanus.INT64, nullable=True))
        collection.add_field(elanus.Field("meta", elanus.JSON, nullable=True))
        collection.wait_indexed()
        assert collection.count("year > 0") == 0
        assert collection.count('exists meta["year"]') == 0
        assert 'meta["year"]' not in collection.describe().indexes
        text = 'color == "red"'
        assert collection.count(text) == sum(r["color"] == "red" for r in rows)


@pytest.mark.parametrize(
    ("field", "params", "expected"),
    [
        ("brand", {}, "BITMAP"),
        ("year", {}, "BITMAP"),
        ("id", {}, "STL_SORT"),
        ("title", {}, "INVERTED"),
        ("tags", {}, "BITMAP"),
        ('meta["year"]', {"json_cast_type": "double"}, "STL_SORT"),
    ],
)
def test_auto_chooses_by_type_and_cardinality(field, params, expected):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(entities())
        collection.flush()
        collection.create_index(field, "AUTOINDEX", params)
        collection.wait_indexed()
        assert collection.stats().segments[0].indexes == {field: expected}


def test_auto_leaves_small_segments_to_columns():
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(entities(count=400))
        collection.flush()
        collection.create_index("brand")
        collection.create_index("id", "INVERTED")
        collection.wait_indexed()
        assert collection.stats().segments[0].indexes == {"id": "INVERTED"}


@pytest.mark.parametrize(
    ("field", "kind", "params", "message"),
    [
        ("price", "BITMAP", {}, "BITMAP does not take DOUBLE; take AUTO or INVERTED, STL_SORT"),
        ("tags", "STL_SORT", {}, "STL_SORT does not take an ARRAY of VARCHAR"),
        ("year", "TRIE", {}, "TRIE does not take INT64"),
        ("year", "NGRAM", {"min_gram": 2, "max_gram": 3}, "NGRAM does not take INT64"),
        ("title", "NGRAM", {}, "min_gram must be an integer in 1..32, got None"),
        ("title", "NGRAM", {"min_gram": 3, "max_gram": 2}, "min_gram must be at most max_gram"),
        ("brand", "BITMAP", {"M": 3}, "unknown parameter 'M' of BITMAP; it takes none"),
        ("brand", "HNSW", {}, "no scalar index type 'HNSW'"),
        ("brand", "INVERTED", {"json_cast_type": "DOUBLE"}, "is for paths of JSON fields"),
        ("meta", "INVERTED", {}, "index a path of it"),
        ('meta["year"]', "INVERTED", {}, "json_cast_type must be one of BOOL, DOUBLE"),
        ("tags[0]", "STL_SORT", {"json_cast_type": "VARCHAR"}, "is for paths of JSON fields"),
        ("tags[0][1]", "INVERTED", {}, "index the whole field 'tags'"),
        ("year[0]", "INVERTED", {}, "index the whole field 'year'"),
        ("year > 3", "INVERTED", {}, "neither a field nor a path"),
        (
            "meta",
            "INVERTED",
            {"json_path": 'other["a"]', "json_cast_type": "DOUBLE"},
            "no path of field 'meta'",
        ),
        (
            'meta["year"]',
            "INVERTED",
            {"json_cast_type": "DOUBLE", "json_cast_function": "TO_DOUBLE"},
            "json_cast_function must be STRING_TO_DOUBLE, got 'TO_DOUBLE'",
        ),
        (
            'meta["year"]',
            "INVERTED",
            {"json_cast_type": "VARCHAR", "json_cast_function": "STRING_TO_DOUBLE"},
            "STRING_TO_DOUBLE goes with json_cast_type DOUBLE, got VARCHAR",
        ),
        (
            "brand",
            "INVERTED",
            {"json_cast_function": "STRING_TO_DOUBLE"},
            "json_cast_function is for paths of JSON fields",
        ),
    ],
)
def test_what_cannot_be_indexed_is_refused(field, kind, params, message):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        with pytest.raises(InvalidArgumentError) as error:
            collection.create_index(field, kind, params)
        assert message in str(error.value)


PRICES = [5, 7.5, "5", " 7.5 ", "-2e1", ".5", "5 euro", "", "inf", "0x10", "1_0", True, None, ["5"]]
CASTS = {
    'meta["p"] == 5': [5, "5"],
    'meta["p"] > 1': [5, 7.5, "5", " 7.5 "],
    'meta["p"] >= 0.5 and meta["p"] < 6': [5, "5", ".5", True],
    'meta["p"] in [7.5, -20]': [7.5, " 7.5 ", "-2e1"],
    'meta["p"] != 5': [7.5, " 7.5 ", "-2e1", ".5", True],
    'meta["p"] + 1 == 6': [5, "5"],
    'meta["p"] == "5"': ["5"],
    'meta["p"] in ["5", "", 7.5]': ["5", "", 7.5, " 7.5 "],
    'meta["p"] like "5%"': ["5", "5 euro"],
    'json_contains(meta["p"], "5")': [["5"]],
}


def test_texts_count_as_numbers_where_an_index_casts_them(tmp_path):
    cast = {"json_cast_type": "DOUBLE", "json_cast_function": "string_to_double"}

    def check_all(collection, is_cast, method=None):
        for text, values in CASTS.items():
            found = [e["meta"]["p"] for e in collection.query(text, ["meta"])]
            numbers = "like" not in text and '"5"' not in text
            plain = [v for v in values if not (numbers and isinstance(v, str))]
            if text == 'meta["p"] in ["5", "", 7.5]':
                plain = ["5", "", 7.5]
            assert sorted(found, key=repr) == sorted(values if is_cast else plain, key=repr), text
        if method:
            assert methods(collection, 'meta["p"] > 1') == [method]

    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("c", schema())
        kept = [{**row, "meta": {"p": p}} for row, p in zip(entities(), PRICES, strict=False)]
        collection.insert(kept)
        check_all(collection, is_cast=False)
        collection.create_index('meta["p"]', "STL_SORT", {"json_cast_type": "DOUBLE"})
        collection.flush()
        collection.wait_indexed()
        check_all(collection, is_cast=False, method="STL_SORT")
        collection.create_index('meta["p"]', "STL_SORT", cast)
        check_all(collection, is_cast=True)
        collection.wait_indexed()
        check_all(collection, is_cast=True, method="STL_SORT")
        why = collection.why_not(6, [0, 1], "v", filter='meta["p"] > 1')
        assert 'meta["p"] > 1' in str(why)
    with elanus.connect(tmp_path / "db") as db:
        collection = db.collection("c")
        check_all(collection, is_cast=True, method="STL_SORT")
        collection.drop_index('meta["p"]')
        check_all(collection, is_cast=False)
        collection.create_index("meta", "INVERTED", {"json_path": 'meta["p"]', **cast})
        collection.upsert(kept)  # in memory
        check_all(collection, is_cast=True)
        collection.compact()
        collection.wait_indexed()
        check_all(collection, is_cast=True, method="INVERTED")


def test_integers_that_no_double_holds_are_compared_exactly():
    wide = [{"id": i, "v": [0, 0], "meta": {"n": n}} for i, n in enumerate([2**53 + 1, 2**53, 0.5])]
    only_whole = [row for row in wide if row["meta"]["n"] != 0.5]
    one = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
            elanus.Field("meta", elanus.JSON),
        ]
    )
    for rows, method in ((wide, "columns"), (only_whole, "INVERTED")):
        with elanus.connect(":memory:") as db:
            collection = db.create_collection("c", one)
            collection.insert(rows)
            collection.flush()
            collection.create_index('meta["n"]', "INVERTED", {"json_cast_type": "DOUBLE"})
            collection.wait_indexed()
            assert collection.query(f'meta["n"] == {2**53}', ["id"]) == [{"id": 1}]
            assert methods(collection, f'meta["n"] == {2**53}') == [method]


def test_json_is_not_decoded_after_a_flush_or_a_merge(monkeypatch):
    rows = entities()
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        collection.flush()
        later = entities(NUM_ROWS, 1_200)
        collection.insert(later)
        collection.compact()
        monkeypatch.setattr(json_paths, "_decode", None)
        check(collection, [*rows, *later])


def test_small_segments_have_no_paths_of_their_own():
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        few = entities(count=shredding.MIN_SHREDDED_ROWS - 1)
        collection.insert(few)
        collection.flush()
        check(collection, few)
        (sealed,) = [s for s in collection.stats().segments if s.rows]
        assert sealed.indexes == {}


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
def test_every_comparison_is_exact_at_the_edges(op):
    """Constants that are values, lie between two, and lie outside of all."""
    compare = PYTHON_OPERATORS[CompareOp(op)]
    rows = entities()
    numbers = [1979, 1980, 1980.5, 2000, 2019, 2020, 1e300, -1e300]
    asked = [
        ("year", numbers, lambda r: r["year"]),
        ("price", [-1, 0, 0.25, 0.5, 10, 11], lambda r: r["price"]),
        ("brand", ["", "b0", "b05", "b9", "c"], lambda r: r["brand"]),
        ('meta["year"]', [1899, 1900, 1900.5, 2029, 2030], lambda r: year_in_meta(r) or None),
    ]
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", schema())
        collection.insert(rows)
        collection.flush()
        index_all(collection)
        for path, constants, value in asked:
            for constant in constants:
                shown = f'"{constant}"' if isinstance(constant, str) else repr(constant)
                text = f"{path} {op} {shown}"
                given = [v for r in rows if (v := value(r)) is not None]
                assert collection.count(text) == sum(compare(v, constant) for v in given), text
                assert methods(collection, text) != ["columns"]
