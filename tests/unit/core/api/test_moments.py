"""TIMESTAMPTZ fields from end to end: every way in, every place rows lie, every way out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

import elanus
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import field

SHANGHAI = ZoneInfo("Asia/Shanghai")
ROWS = [
    {"id": 1, "at": "2025-01-31T00:00:00Z", "until": "2025-02-28T00:00:00Z"},
    {"id": 2, "at": datetime(2025, 1, 31), "until": None},
    {"id": 3, "at": None, "until": datetime(2025, 2, 28, tzinfo=UTC)},
    {"id": 4, "at": datetime(2024, 2, 29, 12, tzinfo=UTC)},
    {"id": 5, "at": "2025-01-31T08:00:00+08:00", "until": "9999-12-31T23:59:59.999999Z"},
]
MOMENT = datetime(2025, 1, 31, tzinfo=UTC)


def schema() -> elanus.Schema:
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True),
            elanus.Field("until", elanus.TIMESTAMPTZ, default=datetime(2030, 1, 1, tzinfo=UTC)),
            elanus.Field("meta", elanus.JSON, nullable=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ],
        timezone="Asia/Shanghai",
    )


def rows() -> list[dict]:
    return [{**row, "meta": {"at": "2025"}, "dense": [row["id"], 1.0]} for row in ROWS]


@pytest.fixture(params=["memtable", "segment", "merged", "reopened", "log", "restored"])
def collection(request, tmp_path):
    path = tmp_path / "db"
    with elanus.connect(path) as db:
        made = db.create_collection("c", schema())
        made.insert(rows()[:3])
        if request.param in ("segment", "merged", "reopened", "restored"):
            made.flush()
        made.insert(rows()[3:])
        if request.param in ("segment", "merged", "reopened", "restored"):
            made.flush()
        if request.param == "merged":
            made.compact()
        if request.param in ("memtable", "segment", "merged"):
            yield made
            return
        if request.param == "restored":
            db.backup(tmp_path / "copy")
    if request.param == "restored":
        path = tmp_path / "back"
        elanus.restore(tmp_path / "copy", path)
    with elanus.connect(path) as db:
        yield db.collection("c")


def test_moments_come_back_in_the_time_zone_of_the_schema(collection):
    found = {row["id"]: row for row in collection.query(output=["id", "at", "until"])}
    assert [found[i]["at"] for i in range(1, 6)] == [
        MOMENT,
        MOMENT - timedelta(hours=8),
        None,
        datetime(2024, 2, 29, 12, tzinfo=UTC),
        MOMENT,
    ]
    assert found[1]["at"].isoformat() == "2025-01-31T08:00:00+08:00"
    assert found[2]["at"].tzinfo == SHANGHAI
    assert found[2]["until"] == datetime(2030, 1, 1, tzinfo=UTC)
    assert found[5]["until"] == datetime.max.replace(tzinfo=UTC)  # no such year in Shanghai


FILTERS = [
    ("at == ISO '2025-01-31T00:00:00Z'", [1, 5]),
    ("at == iso '2025-01-31T08:00:00'", [1, 5]),
    ("at != ISO '2025-01-31T00:00:00Z'", [2, 4]),
    ("at > '2025-01-30T15:00:00Z'", [1, 2, 5]),
    ("not at > '2025-01-30T16:00:00Z'", [2, 4]),
    ("ISO '2025-01-31T00:00:00Z' <= at", [1, 5]),
    ("ISO '2024-01-01T00:00:00Z' < at <= ISO '2025-01-30T16:00:00Z'", [2, 4]),
    ("at in [ISO '2025-01-31T00:00:00Z', '2024-02-29T20:00:00+08:00']", [1, 4, 5]),
    ("at not in ['2025-01-31T00:00:00Z']", [2, 4]),
    ("at + INTERVAL 'P28D' == until", [1]),
    ("at + INTERVAL 'P1M' == ISO '2025-02-28T00:00:00Z'", [1, 5]),
    ("at - INTERVAL 'P1Y' < ISO '2024-01-31T00:00:00Z'", [2, 4]),
    ("INTERVAL 'PT8H' + at == '2025-01-31T00:00:00Z'", [2]),
    ("at < until", [1, 2, 4, 5]),
    ("at == ISO '2025-02-28T00:00:00Z' - INTERVAL 'P28D'", [1, 5]),
    ("until + INTERVAL 'P1D' > at", [1, 2, 4]),  # behind the year 9999 there is no value
    ("not until + INTERVAL 'P1D' > at", []),
    ("at is null", [3]),
    ("exists at", [1, 2, 4, 5]),
    ("is_empty(at)", [3]),
    ("at == {when}", [1, 5]),
    ("at + {day} == {when}", []),
    ("at + {hours} == {when}", [2]),
    ("at in {whens}", [1, 4, 5]),
    ({"at": MOMENT}, [1, 5]),
    ({"at": None}, [3]),
    ({"at": {"$gt": MOMENT - timedelta(hours=9), "$lte": "2025-01-31T07:00:00"}}, [2]),
    ({"at": {"$in": [MOMENT, None]}}, [1, 3, 5]),
    ({"at": {"$nin": [MOMENT]}}, [2, 4]),
    ({"at": {"$between": [MOMENT - timedelta(hours=8), MOMENT]}}, [1, 2, 5]),
    (field("at") == MOMENT, [1, 5]),
    (field("at") + timedelta(hours=8) == MOMENT, [2]),
    (field("at") - timedelta(days=1) <= datetime(2025, 1, 30), [2, 4]),
    (field("at").is_in([MOMENT]), [1, 5]),
    (field("at").between(datetime(2025, 1, 31), MOMENT), [1, 2, 5]),
]
PARAMS = {
    "when": MOMENT,
    "day": timedelta(days=1),
    "hours": timedelta(hours=8),
    "whens": [MOMENT, datetime(2024, 2, 29, 20, tzinfo=SHANGHAI)],
}


@pytest.mark.parametrize(("condition", "ids"), FILTERS, ids=[str(f[0]) for f in FILTERS])
def test_filters(moments, condition, ids):
    found = moments.query(condition, params=PARAMS, output=["id"], order_by="id")
    assert [row["id"] for row in found] == ids


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """Rows in a segment and in the memtable."""
    with elanus.connect(tmp_path_factory.mktemp("moments") / "db") as db:
        made = db.create_collection("c", schema())
        made.insert(rows()[:3])
        made.flush()
        made.insert(rows()[3:])
        yield made


def test_filters_find_the_same_rows_wherever_they_lie(collection):
    for condition, ids in FILTERS:
        found = collection.query(condition, params=PARAMS, output=["id"], order_by="id")
        assert [row["id"] for row in found] == ids, condition


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("at > 5", "field 'at' .TIMESTAMPTZ. cannot be compared with the number 5"),
        ("at == true", "cannot be compared with the bool true"),
        ("at in [1]", "cannot be compared with the number 1"),
        ("at in ['soon']", '"soon" is no moment'),
        ("at + 1 > at", "takes numbers, got field 'at'"),
        ("at > ISO 'soon'", '"soon" is no moment.*\n.*\n +\\^'),
        ("at + INTERVAL 'P1' > at", '"P1" is no interval'),
        ("id + INTERVAL 'P1D' > 3", "an INTERVAL is added to a moment"),
        ("at * INTERVAL 'P1D' > at", "an INTERVAL is added to a moment"),
        ("INTERVAL 'P1D' - at > at", "an INTERVAL is"),
        ("INTERVAL 'P1D' == at", "an INTERVAL is no value"),
        ("meta['at'] > ISO '2024-01-01'", "moments inside JSON are texts"),
        ("meta['at'] == at", "moments inside JSON are texts"),
        ("id == ISO '2024-01-01'", "cannot be compared with the moment 2023-12-31T16:00"),
        ("at like '2024%'", "'like' takes a text field"),
        ("at", "expected a condition"),
    ],
)
def test_what_moments_are_not_is_an_error(moments, condition, message):
    with pytest.raises(FilterError, match=message):
        moments.query(condition)


def test_order_groups_and_sums(collection):
    ordered = collection.query(output=["id"], order_by=["at desc", "id"])
    assert [row["id"] for row in ordered] == [1, 5, 2, 4, 3]
    asked = ["count(*)", "min(at)", "max(until)"]
    assert collection.aggregate(asked) == [
        {
            "count(*)": 5,
            "min(at)": datetime(2024, 2, 29, 12, tzinfo=UTC),
            "max(until)": datetime.max.replace(tzinfo=UTC),
        }
    ]
    counts = collection.aggregate("count(*)", group_by="at")
    assert [(group["at"], group["count(*)"]) for group in counts] == [
        (datetime(2024, 2, 29, 12, tzinfo=UTC), 1),
        (MOMENT - timedelta(hours=8), 1),
        (MOMENT, 2),
        (None, 1),
    ]
    assert collection.facets("at")["at"][0] == (MOMENT, 2)
    groups = collection.search([5.0, 1.0], "dense", group_by="at", group_size=2, limit=5).groups
    members = {group.value: {hit.id for hit in group.hits} for group in groups}
    assert members[MOMENT] == {1, 5}
    assert len(members) == 4


def test_sums_of_moments_are_refused(collection):
    with pytest.raises(InvalidArgumentError, match="metrics: sum"):
        collection.aggregate("sum(at)")


def test_the_time_zone_may_be_a_property_of_the_collection(tmp_path):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("at", elanus.TIMESTAMPTZ),
        elanus.Field("dense", elanus.FLOAT_VECTOR, dim=1),
    ]
    with elanus.connect(tmp_path / "db") as db:
        db.create_collection("c", elanus.Schema(fields), properties={"timezone": "Asia/Shanghai"})
    with elanus.connect(tmp_path / "db") as db:
        made = db.collection("c")
        made.insert([{"id": 1, "at": "2025-01-31T08:00:00", "dense": [1.0]}])
        assert made.get([1])[0]["at"] == MOMENT


def test_an_hour_that_a_clock_shows_twice_is_two_groups(tmp_path):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("at", elanus.TIMESTAMPTZ),
        elanus.Field("dense", elanus.FLOAT_VECTOR, dim=1),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", elanus.Schema(fields, timezone="Europe/Berlin"))
        twice = ["2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"]
        made.insert([{"id": i, "at": at, "dense": [1.0]} for i, at in enumerate(twice)])
        assert len(made.search([1.0], "dense", group_by="at", limit=5).groups) == 2


def test_fields_that_are_added_later_have_the_same_time_zone(tmp_path):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("at", elanus.TIMESTAMPTZ),
        elanus.Field("dense", elanus.FLOAT_VECTOR, dim=1),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", elanus.Schema(fields, timezone="Asia/Shanghai"))
        made.insert([{"id": 1, "at": MOMENT, "dense": [1.0]}])
        made.flush()
        made.add_field(elanus.Field("until", elanus.TIMESTAMPTZ, default="2025-01-31T08:00:00"))
        made.insert([{"id": 2, "at": MOMENT, "until": "2025-01-31T09:00:00", "dense": [1.0]}])
        found = made.query("until == at", output=["until"])
        assert [(row["id"], row["until"].isoformat()) for row in found] == [
            (1, "2025-01-31T08:00:00+08:00")
        ]
        assert made.count("until == at + INTERVAL 'PT1H'") == 1


def test_partial_upserts_keep_moments_and_geometries(tmp_path):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True),
        elanus.Field("place", elanus.GEOMETRY, nullable=True),
        elanus.Field("n", elanus.INT64, default=1),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", elanus.Schema(fields))
        made.insert([{"id": 1, "at": MOMENT, "place": "POINT (1 2)"}])
        made.flush()
        made.upsert([{"id": 1, "n": 5}], partial=True)
        made.upsert([{"id": 1, "place": "POINT (3 4)"}], partial=True)
        expected = {"id": 1, "at": MOMENT, "place": "POINT (3 4)", "n": 5}
        assert made.query("st_equals(place, 'POINT (3 4)')") == [expected]


def test_entities_expire_at_a_moment(tmp_path):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True),
    ]
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", elanus.Schema(fields))
        moments = ["2025-01-31T00:00:00Z", "9999-01-01T00:00:00Z", None]
        made.insert([{"id": i, "at": at} for i, at in enumerate(moments)])
        made.set_ttl(field="at")
        assert [row["id"] for row in made.query(output=["id"])] == [1, 2]
