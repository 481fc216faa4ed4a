"""Properties of collections by the names of Milvus, and partition keys that are kept apart."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import elanus
from elanus.engine.definition.properties import KNOWN
from elanus.errors import (
    EntityError,
    EntityExistsError,
    FieldNotFoundError,
    FilterError,
    InvalidArgumentError,
    SchemaError,
)

Field = elanus.Field
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def db() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as database:
        yield database


def schema(*, key: bool = False, auto_id: bool = False) -> elanus.Schema:
    return elanus.Schema(
        [
            Field("id", elanus.INT64, primary=True, auto_id=auto_id),
            Field("tenant", elanus.VARCHAR, partition_key=key),
            Field("text", elanus.VARCHAR, analyzer="standard"),
            Field("until", elanus.DOUBLE, nullable=True),
            Field("dense", elanus.FLOAT_VECTOR, dim=2),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def entity(pk: int, tenant: str = "a", **more: Any) -> dict[str, Any]:
    return {"id": pk, "tenant": tenant, "text": f"word w{pk}", "dense": [pk, 1.0], **more}


def test_properties_do_what_their_methods_do(tmp_path: Path) -> None:
    given = {
        "collection.ttl.seconds": "3600",
        "ttl_field": "until",
        "consistency_level": "Bounded",
        "collection.description": "notes of a team",
        "mmap.enabled": "True",
        "owner": "me",
    }
    shown = {
        "collection.ttl.seconds": 3600.0,
        "ttl_field": "until",
        "consistency_level": "bounded",
        "mmap.enabled": True,
        "owner": "me",
    }
    with elanus.connect(tmp_path) as db:
        made = db.create_collection("made", schema(), properties=given)
        altered = db.create_collection("altered", schema())
        altered.alter_properties(given)
        for held in (made, altered):
            assert held.properties == shown
            assert held.describe().properties == shown
            assert (held.ttl, held.consistency) == ((3600.0, "until"), "bounded")
            assert held.schema.description == "notes of a team"
            held.insert([entity(1), entity(2, until=time.time() - 1)])
            assert [e["id"] for e in held.query()] == [1]
        for never in (0, -1, "-1"):
            altered.alter_properties({"collection.ttl.seconds": 3600})
            altered.alter_properties({"collection.ttl.seconds": never})
            assert altered.ttl == (None, "until")
        altered.alter_properties({"collection.ttl.seconds": 3_155_760_000})
        for wrong in (3_155_760_001, -2, float("nan")):
            with pytest.raises(InvalidArgumentError, match="seconds up to a century"):
                altered.alter_properties({"collection.ttl.seconds": wrong})
        altered.set_ttl(60)
        assert altered.properties["collection.ttl.seconds"] == 60.0
        altered.drop_properties(*altered.properties, "unknown")
        assert altered.properties == {}
        assert (altered.ttl, altered.consistency) == ((None, None), "strong")
        assert [e["id"] for e in altered.query()] == [1, 2]
    with elanus.connect(tmp_path) as db:
        assert db.collection("made").properties == shown
        assert db.collection("altered").properties == {}


@pytest.mark.parametrize(
    ("properties", "error", "message"),
    [
        ({"collection.ttl.second": 5}, InvalidArgumentError, "mean 'collection.ttl.seconds'"),
        ({"Mmap.Enabled": True}, InvalidArgumentError, "did you mean 'mmap.enabled'"),
        (
            {"collection.ttl.seconds": "soon"},
            InvalidArgumentError,
            "expected seconds up to a century",
        ),
        ({"collection.ttl.seconds": -2}, InvalidArgumentError, "expected seconds"),
        ({"collection.ttl.seconds": True}, InvalidArgumentError, "expected seconds"),
        ({"mmap.enabled": "yes"}, InvalidArgumentError, "expected true or false, got 'yes'"),
        ({"ttl_field": "absent"}, FieldNotFoundError, "no field 'absent'"),
        ({"ttl_field": "text"}, InvalidArgumentError, "'text' is VARCHAR"),
        ({"consistency_level": "weak"}, InvalidArgumentError, "no level 'weak'"),
        ({"timezone": "Mars"}, SchemaError, "'Mars' is not known"),
        ({"timezone": 1}, InvalidArgumentError, "expected a name such as 'Europe/Berlin'"),
        ({"partitionkey.isolation": True}, InvalidArgumentError, "has no partition key"),
        ({"own": object()}, InvalidArgumentError, "must be JSON values"),
        ({1: "x"}, InvalidArgumentError, "expected names"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    db: elanus.Database, properties: Any, error: type[Exception], message: str
) -> None:
    held = db.create_collection("notes", schema(), properties={"owner": "me"})
    with pytest.raises(error, match=re.escape(message)):
        held.alter_properties({"collection.description": "new", "kept": 1, **properties})
    assert held.properties == {"owner": "me"}
    assert held.schema.description == ""
    with pytest.raises(error, match=re.escape(message)):
        db.create_collection("other", schema(), properties=properties)
    assert db.list_collections() == ["notes"]


def test_automatic_keys_can_be_given(db: elanus.Database) -> None:
    held = db.create_collection("notes", schema(auto_id=True))
    with pytest.raises(EntityError, match="allow_insert_auto_id"):
        held.insert([entity(7)])
    held.alter_properties({"allow_insert_auto_id": "true"})
    without = {name: value for name, value in entity(0).items() if name != "id"}
    assert held.insert([entity(7)]) == [7]
    assert held.insert([without]) == [8]
    with pytest.raises(EntityExistsError):
        held.insert([entity(8)])
    held.drop_properties("allow_insert_auto_id")
    with pytest.raises(EntityError):
        held.insert([entity(9)])


def test_undeclared_fields_can_be_allowed_later(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as db:
        held = db.create_collection("notes", schema())
        held.insert([entity(1)])
        with pytest.raises(EntityError, match="not in the schema"):
            held.insert([entity(2, year=1999)])
        held.alter_properties({"dynamicfield.enabled": True})
        held.insert([entity(2, year=1999)])
        assert [e["id"] for e in held.query("year > 1990")] == [2]
        held.compact()
        assert held.query("id > 0", ["year"]) == [{"id": 1}, {"id": 2, "year": 1999}]
    with elanus.connect(tmp_path, read_only=True) as db:
        assert [e["id"] for e in db.collection("notes").query("year == 1999")] == [2]


def test_undeclared_fields_are_given_up_for_good(tmp_path: Path) -> None:
    """What there was does not come back with them, be it stored, indexed or in memory."""
    options = {"json_cast_type": "DOUBLE"}
    with elanus.connect(tmp_path) as db:
        declared = schema()
        held = db.create_collection("notes", elanus.Schema(declared.fields, dynamic=True))
        held.insert([entity(1, year=1999)])
        held.create_index("year", "INVERTED", options)
        held.compact()
        held.insert([entity(2, year=2001)])
        with elanus.connect(tmp_path, read_only=True) as other:
            reader = other.collection("notes")
            assert len(reader.query("year > 0")) == 2
            held.alter_properties({"dynamicfield.enabled": False})
            assert not held.schema.dynamic
            for one in (held, reader):
                with pytest.raises(FilterError, match="year"):
                    one.query("year > 0")
                assert all("year" not in e for e in one.query("id > 0", ["*"]))
            with pytest.raises(EntityError, match="not in the schema"):
                held.insert([entity(3, year=2003)])
            held.alter_properties({"dynamicfield.enabled": True})
            assert reader.query("year > 0") == held.query("exists year") == []
        held.insert([entity(3, year=2003)])
        held.compact()
    with elanus.connect(tmp_path) as db:
        held = db.collection("notes")
        assert [index.name for index in held.list_indexes()] == ["dense"]
        assert held.query("id > 0", ["year"]) == [{"id": 1}, {"id": 2}, {"id": 3, "year": 2003}]


# --- partition keys that are kept apart --------------------------------------------------------


@pytest.fixture
def isolated(db: elanus.Database) -> elanus.Collection:
    held = db.create_collection(
        "notes", schema(key=True), properties={"partitionkey.isolation": "true"}
    )
    held.insert([entity(i, "abcde"[i % 5]) for i in range(100)])
    held.compact()
    held.insert([entity(i, "abcde"[i % 5]) for i in range(100, 110)])
    return held


@pytest.mark.parametrize(
    "condition",
    [
        "tenant == 'b'",
        "'b' == tenant",
        "tenant in ['b']",
        "tenant == 'b' and id >= 0",
        "id >= 0 and (text != '' and tenant == 'b')",
        "(id < 60 or id >= 60) and tenant == 'b'",
    ],
)
def test_reads_that_name_one_key_see_its_rows(isolated: elanus.Collection, condition: str) -> None:
    expected = list(range(1, 110, 5))
    query = [1.0, 1.0]
    assert [e["id"] for e in isolated.query(condition)] == expected
    found = isolated.search(query, "dense", 100, filter=condition)
    assert sorted(found.ids) == expected
    # Of 110 rows the search looks at those of the key.
    (plan,) = found.explanation.legs
    assert sum(step.allowed for step in plan.steps) == len(expected)
    legs = [elanus.Leg("dense", query), elanus.Leg("bm25", "word")]
    assert sorted(isolated.hybrid_search(legs, limit=100, filter=condition).ids) == expected
    pages = isolated.search_iterator(query, "dense", filter=condition)
    assert sorted(hit.id for page in pages for hit in page) == expected
    assert [e["id"] for p in isolated.query_iterator(condition) for e in p] == expected


@pytest.mark.parametrize(
    "condition",
    [
        None,
        "id > 5",
        "tenant in ['a', 'b']",
        "tenant != 'a'",
        "tenant > 'a'",
        "not (tenant == 'a')",
        "tenant == 'a' or id > 5",
        "tenant == text",
        "tenant in []",
    ],
)
def test_reads_that_name_no_key_or_several_are_refused(
    isolated: elanus.Collection, condition: str | None
) -> None:
    query = [1.0, 1.0]
    message = "expected a filter that names exactly one, such as tenant == 'a'"
    leg, words = elanus.Leg("dense", query), elanus.Leg("bm25", "word", filter="tenant == 'a'")
    reads = [
        lambda: isolated.search(query, "dense", filter=condition),
        lambda: isolated.search("word", "bm25", filter=condition),
        lambda: isolated.query(condition),
        lambda: isolated.hybrid_search([words, leg], filter=condition),
        lambda: isolated.query_iterator(condition),
        lambda: isolated.search_iterator(query, "dense", filter=condition),
    ]
    for read in reads:
        with pytest.raises(FilterError, match=re.escape(message)):
            read()
    # What counts, deletes, or names entities by their keys asks for no tenant.
    assert isolated.get(5)[0]["tenant"] == "a"
    assert len(isolated) == 110
    isolated.alter_properties({"partitionkey.isolation": False})
    isolated.search(query, "dense", filter=condition)


def test_searches_that_were_prepared_are_refused_as_well(isolated: elanus.Collection) -> None:
    legs = [elanus.Leg("dense", [1.0, 1.0]), elanus.Leg("bm25", "word")]
    searches = [
        lambda: isolated.search([1.0, 1.0], "dense").ids,
        lambda: isolated.search("word", "bm25").ids,
        lambda: isolated.hybrid_search(legs).ids,
    ]
    isolated.alter_properties({"partitionkey.isolation": False})
    for search in searches:
        assert [len(search()) for _ in range(4)] == [10] * 4
    isolated.alter_properties({"partitionkey.isolation": True})
    for search in searches:
        with pytest.raises(FilterError, match="names exactly one"):
            search()
    found = [isolated.search([1.0, 1.0], "dense", filter="tenant == 'b'").ids for _ in range(4)]
    assert found == [found[0]] * 4


def test_the_guide_lists_every_property() -> None:
    page = (ROOT / "docs/guide/collections.md").read_text("utf-8")
    part = page[page.index("## Properties") : page.index("## Starting anew")]
    assert set(re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)) == set(KNOWN)
