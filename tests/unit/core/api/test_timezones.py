"""Time zones of databases, collections and single reads, across changes of the clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import elanus
from elanus.errors import InvalidArgumentError, SchemaError

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
BEFORE = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
"""Half past two in Berlin, an hour before the clocks go back to it."""


def schema(timezone: str | None = None) -> elanus.Schema:
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True),
            elanus.Field("since", elanus.TIMESTAMPTZ, default="2025-07-01T12:00:00"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ],
        timezone=timezone,
    )


@pytest.fixture
def db() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as database:
        yield database


def row(pk: int, at: str | datetime | None) -> dict[str, object]:
    return {"id": pk, "at": at, "dense": [pk, 1.0]}


def times(held: elanus.Collection, **options: object) -> list[str | None]:
    found = held.query(output=["id", "at"], **options)  # type: ignore[arg-type]
    return [None if e["at"] is None else e["at"].isoformat() for e in found]


def test_a_new_collection_has_the_zone_of_its_database(db: elanus.Database) -> None:
    db.alter_database_properties("default", {"timezone": "Europe/Berlin"})
    inherited = db.create_collection("inherited", schema())
    named = db.create_collection("named", schema("Asia/Tokyo"))
    asked = db.create_collection("asked", schema("Asia/Tokyo"), properties={"timezone": "UTC"})
    assert [c.properties["timezone"] for c in (inherited, named, asked)] == [
        "Europe/Berlin",
        "Asia/Tokyo",
        "UTC",
    ]
    for held in (inherited, named, asked):
        held.insert([row(1, "2025-07-01T12:00:00")])
    assert [times(held, timezone="UTC")[0] for held in (inherited, named, asked)] == [
        "2025-07-01T10:00:00+00:00",
        "2025-07-01T03:00:00+00:00",
        "2025-07-01T12:00:00+00:00",
    ]
    # What is there already keeps its zone.
    db.alter_database_properties("default", {"timezone": "Asia/Tokyo"})
    assert times(inherited) == ["2025-07-01T12:00:00+02:00"]
    db.drop_database_properties("default", "timezone")
    assert "timezone" not in db.create_collection("plain", schema()).properties


def test_older_names_mean_the_same(db: elanus.Database) -> None:
    db.alter_database_properties("default", {"database.timezone": "Europe/Berlin"})
    assert db.database_properties() == {"timezone": "Europe/Berlin"}
    inherited = db.create_collection("inherited", schema())
    asked = db.create_collection("asked", schema(), properties={"collection.timezone": "UTC"})
    assert [c.properties for c in (inherited, asked)] == [
        {"timezone": "Europe/Berlin"},
        {"timezone": "UTC"},
    ]
    asked.alter_properties({"collection.timezone": "Asia/Tokyo"})
    asked.insert([row(1, "2025-07-01T12:00:00")])
    assert times(asked) == ["2025-07-01T12:00:00+09:00"]
    with pytest.raises(SchemaError, match="timezone 'error' is not known"):
        asked.alter_properties({"collection.timezone": "error"})
    with pytest.raises(SchemaError, match="timezone 'error' is not known"):
        db.create_collection("c", schema(), properties={"collection.timezone": "error"})
    with pytest.raises(SchemaError, match="timezone 'error' is not known"):
        db.alter_database_properties("default", {"database.timezone": "error"})
    with pytest.raises(SchemaError, match="timezone 'error' is not known"):
        db.create_database("d", properties={"database.timezone": "error"})
    # Given together, the name of now counts.
    asked.alter_properties({"timezone": "UTC", "collection.timezone": "Asia/Tokyo"})
    assert asked.properties == {"timezone": "UTC"}
    asked.drop_properties("collection.timezone")
    db.drop_database_properties("default", "database.timezone")
    assert (asked.properties, db.database_properties()) == ({}, {})


def test_each_database_has_its_own_zone(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as db:
        db.create_database("sales", properties={"timezone": "Asia/Tokyo"})
        with db.use_database("sales") as sales:
            sales.create_collection("a", schema())
        db.create_collection("a", schema())
    with elanus.connect(tmp_path, database="sales") as sales:
        assert sales.collection("a").properties == {"timezone": "Asia/Tokyo"}
    with elanus.connect(tmp_path) as db:
        assert db.collection("a").properties == {}
        with pytest.raises(SchemaError, match="'Mars' is not known"):
            db.alter_database_properties("sales", {"timezone": "Mars"})
        with pytest.raises(InvalidArgumentError, match="did you mean 'timezone'"):
            db.alter_database_properties("sales", {"time_zone": "UTC"})


def test_another_zone_changes_what_is_read_and_no_moment(tmp_path: Path) -> None:
    moments = [BEFORE, BEFORE + HOUR, datetime(2025, 3, 30, 0, 59, tzinfo=UTC), None]
    with elanus.connect(tmp_path) as db:
        held = db.create_collection("notes", schema())
        held.insert([row(i, at) for i, at in enumerate(moments[:2])])
        held.flush()
        held.insert([row(i + 2, at) for i, at in enumerate(moments[2:])])
        held.alter_properties({"timezone": "Europe/Berlin"})
        # The same time of the clock twice, an hour apart, and the last minute before summer.
        expected = [
            "2025-10-26T02:30:00+02:00",
            "2025-10-26T02:30:00+01:00",
            "2025-03-30T01:59:00+01:00",
            None,
        ]
        assert times(held) == expected
        # Python takes no time that comes twice for equal to one of another zone.
        read_back = [e["at"] and e["at"].astimezone(UTC) for e in held.query(output=["at"])]
        assert read_back == moments
        # A time that the clocks show twice is the first, one that they skip is counted on.
        assert [e["id"] for e in held.query("at == ISO '2025-10-26T02:30:00'")] == [0]
        assert [e["id"] for e in held.query("at < ISO '2025-03-30T02:30:00'")] == [2]
        held.insert([row(9, "2025-03-30T02:30:00")])
        assert held.get(9)[0]["at"] == datetime(2025, 3, 30, 1, 30, tzinfo=UTC)
        # A default is the moment that it was.
        assert held.get(9)[0]["since"] == datetime(2025, 7, 1, 12, tzinfo=UTC)
    with elanus.connect(tmp_path, read_only=True) as db:
        read = db.collection("notes")
        assert times(read)[:4] == expected
        assert read.schema.timezone == "Europe/Berlin"


def test_a_reader_follows_a_change_of_the_zone(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as db, elanus.connect(tmp_path, read_only=True) as other:
        held = db.create_collection("notes", schema())
        held.insert([row(1, BEFORE)])
        read = other.collection("notes")
        assert times(read) == ["2025-10-26T00:30:00+00:00"]
        held.alter_properties({"timezone": "Europe/Berlin", "owner": "me"})
        assert read.properties == {"timezone": "Europe/Berlin", "owner": "me"}
        assert times(read) == ["2025-10-26T02:30:00+02:00"]
        assert read.count("at == ISO '2025-10-26T02:30:00'") == 1
        held.drop_properties("timezone")
        assert times(read) == ["2025-10-26T00:30:00+00:00"]


def test_fields_that_come_later_have_the_zone(db: elanus.Database) -> None:
    plain = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    held = db.create_collection("notes", plain, properties={"timezone": "Europe/Berlin"})
    held.add_field(elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True))
    held.insert([row(1, "2025-07-01T12:00:00")])
    assert times(held) == ["2025-07-01T12:00:00+02:00"]
    held.drop_field("at")
    assert held.properties == {"timezone": "Europe/Berlin"}


def test_one_read_asks_for_another_zone(db: elanus.Database) -> None:
    held = db.create_collection("notes", schema("Europe/Berlin"))
    held.insert([row(1, BEFORE), row(2, BEFORE + HOUR)])
    tokyo: dict[str, str] = {"timezone": "Asia/Tokyo"}
    expected = ["2025-10-26T09:30:00+09:00", "2025-10-26T10:30:00+09:00"]
    condition = "at == ISO '2025-10-26T10:30:00'"
    assert times(held, **tokyo) == expected
    assert [e["at"].isoformat() for e in held.get([1, 2], **tokyo)] == expected  # type: ignore[arg-type]
    hits = held.search([2.0, 1.0], filter=condition, output=["at"], **tokyo)  # type: ignore[arg-type]
    assert [(hit.id, hit.entity["at"].isoformat()) for hit in hits] == [(2, expected[1])]
    legs = [elanus.Leg("dense", [2.0, 1.0], filter=condition)]
    hits = held.hybrid_search(legs, output=["at"], **tokyo)  # type: ignore[arg-type]
    assert [(hit.id, hit.entity["at"].isoformat()) for hit in hits] == [(2, expected[1])]
    assert held.count(condition, **tokyo) == 1  # type: ignore[arg-type]
    assert held.count(condition) == 0
    (group,) = held.aggregate("max(at)", filter=condition, **tokyo)  # type: ignore[arg-type]
    assert group["max(at)"].isoformat() == expected[1]
    pages = held.query_iterator(condition, ["at"], **tokyo)  # type: ignore[arg-type]
    assert [e["at"].isoformat() for page in pages for e in page] == [expected[1]]
    found = held.search_iterator([2.0, 1.0], "dense", filter=condition, output=["at"], **tokyo)  # type: ignore[arg-type]
    assert [hit.entity["at"].isoformat() for page in found for hit in page] == [expected[1]]
    # Reads that do not ask for it are as before.
    assert times(held) == ["2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00"]
    with pytest.raises(SchemaError, match="'Mars' is not known"):
        held.query(timezone="Mars")


def test_searches_that_were_prepared_follow_the_zone(db: elanus.Database) -> None:
    held = db.create_collection("notes", schema("Europe/Berlin"))
    held.insert([row(1, BEFORE)])

    def shown(**options: object) -> set[str]:
        hits = [held.search([1.0, 1.0], "dense", output=["at"], **options) for _ in range(4)]  # type: ignore[arg-type]
        return {hit.entity["at"].isoformat() for found in hits for hit in found}

    assert shown() == {"2025-10-26T02:30:00+02:00"}
    assert shown(timezone="Asia/Tokyo") == {"2025-10-26T09:30:00+09:00"}
    held.alter_properties({"timezone": "UTC"})
    assert shown() == {"2025-10-26T00:30:00+00:00"}
