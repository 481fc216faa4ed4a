"""Entities that expire: hidden at once from every read, deleted soon after, never too early."""

import time

import numpy as np
import pytest

import elanus
from elanus import BM25, DataType, Field, Schema
from elanus.engine import collection as engine_collection
from elanus.engine import reading
from elanus.engine.context import time_of
from elanus.errors import EntityExistsError, FieldNotFoundError, InvalidArgumentError
from elanus.query.expiry import Expiry, expired_rows

VECTORS = np.random.default_rng(3).normal(size=(40, 4)).astype(np.float32)
SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("v", DataType.FLOAT_VECTOR, dim=4),
        Field("text", DataType.VARCHAR, analyzer="standard"),
        Field("until", DataType.DOUBLE, nullable=True),
        Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
    ]
)


def entity(pk, until=None):
    return {"id": pk, "v": VECTORS[pk], "text": "word all", "until": until}


@pytest.fixture
def now():
    """The time of the test, not of its collection: a long run lies between them."""
    return time.time()


@pytest.fixture
def collection(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        yield database.create_collection("kb", SCHEMA)


def ids(collection):
    """What every kind of read sees, which is the same."""
    found = [e["id"] for e in collection.query()]
    assert collection.count() == len(found)
    assert sorted(collection.search(VECTORS[0], "v", 40).ids) == found
    assert sorted(collection.search("word", "bm25", 40).ids) == found
    assert [e["id"] for e in collection.get(list(range(40)))] == found
    seen = [hit.id for batch in collection.search_iterator(VECTORS[0], "v") for hit in batch]
    assert sorted(seen) == found
    return found


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_field_says_when(collection, tmp_path, is_sealed, now):
    collection.insert(
        [entity(0, now - 5), entity(1, now + 900), entity(2), entity(3, 0.0), entity(4, now - 1)]
    )
    if is_sealed:
        collection.flush()
    assert ids(collection) == [0, 1, 2, 3, 4]
    collection.set_ttl(field="until")
    assert ids(collection) == [1, 2]
    with elanus.connect(tmp_path / "kb", read_only=True) as reader:
        assert ids(reader.collection("kb")) == [1, 2]
    collection.upsert([entity(0, now + 900)])
    assert ids(collection) == [0, 1, 2]
    collection.set_ttl()
    assert ids(collection) == [0, 1, 2, 3, 4]
    assert collection.ttl == (None, None)


@pytest.mark.parametrize("is_sealed", [True, False])
def test_age_counts_from_the_write(collection, monkeypatch, is_sealed):
    collection.insert([entity(pk) for pk in range(5)])
    if is_sealed:
        collection.flush()
    time.sleep(2.1)
    collection.upsert([entity(3), entity(9)])
    written = time.time()
    collection.set_ttl(100)
    monkeypatch.setattr(reading, "whole_second", lambda: written + 99.0)
    assert ids(collection) == [3, 9]
    monkeypatch.setattr(reading, "whole_second", lambda: written + 90)
    assert ids(collection) == [0, 1, 2, 3, 4, 9]
    monkeypatch.setattr(reading, "whole_second", lambda: written + 101)
    assert ids(collection) == []


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_key_is_free_once_its_entity_has_expired(tmp_path, now, is_sealed):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection("kb", SCHEMA)
        made.insert([entity(0, now - 5), entity(1, now + 900)])
        if is_sealed:
            made.flush()
        made.set_ttl(field="until")
        with pytest.raises(EntityExistsError, match=r"primary key 1 .*\(row 1\)"):
            made.insert([entity(0), entity(1)])
        assert ids(made) == [1]
        made.insert([entity(0), entity(2)])
        assert ids(made) == [0, 1, 2]
        made.set_ttl()  # of the two with key 0 one is left, also after a replay
        assert ids(made) == [0, 1, 2]
    with elanus.connect(tmp_path / "kb") as database:
        assert ids(database.collection("kb")) == [0, 1, 2]


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_delete_counts_what_was_there_and_takes_the_rest_along(collection, now, is_sealed):
    collection.insert([entity(pk, now - 5 if pk % 2 else None) for pk in range(8)])
    if is_sealed:
        collection.flush()
    collection.set_ttl(field="until")
    assert collection.delete([0, 1, 99]) == 1
    assert collection.delete(filter="id in [2, 3]") == 1
    assert collection.delete(filter="id == 5") == 0
    assert ids(collection) == [4, 6]
    collection.set_ttl()
    assert ids(collection) == [4, 6, 7]


def test_the_housekeeper_deletes_what_has_expired(collection, monkeypatch, now):
    collection.insert([entity(0, now - 5), entity(1, now + 900)])
    monkeypatch.setattr(engine_collection, "PURGE_S", 0.0)
    collection.set_ttl(field="until")
    deadline = time.monotonic() + 20
    while sum(s.deleted for s in collection.stats().segments) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    collection.set_ttl()
    assert ids(collection) == [1]


def test_what_is_dead_neither_comes_back_nor_takes_its_successor_along(
    collection, monkeypatch, now
):
    collection.insert([entity(0, now - 5), entity(1), entity(2), entity(3, now - 5)])
    collection.flush()
    collection.upsert([entity(0)])  # the row that it replaces has expired
    collection.delete([1])
    collection.set_ttl(field="until")
    assert ids(collection) == [0, 2]
    monkeypatch.setattr(engine_collection, "PURGE_S", 0.0)
    collection._engine.tidy()
    collection.set_ttl()
    assert ids(collection) == [0, 2]


def test_bounds_of_age_and_time(collection):
    for pk, until in enumerate((7.0, None, 8.0)):
        collection.insert([entity(pk, until)])
    (source,) = collection._engine.snapshot().sources
    first, second, _ = source.seqs.tolist()
    for expiry, expected in (
        (Expiry(first), None),
        (Expiry(first + 1), [True, False, False]),
        (Expiry(second), [True, False, False]),
        (Expiry(int(source.seqs[-1])), [True, True, False]),
        (Expiry(int(source.seqs[-1]) + 1), [True, True, True]),
        (Expiry(0, "until", 6.9), None),
        (Expiry(0, "until", 7.0), [True, False, False]),  # its time has come
        (Expiry(0, "until", 8.0), [True, False, True]),
        (Expiry(second + 1, "until", 8.0), [True, True, True]),
    ):
        found = expired_rows(source, expiry)
        assert (found if found is None else found.tolist()) == expected


def test_the_past_is_as_it_was(collection, now):
    collection.set_retention(3600)
    collection.insert([entity(0, now + 1.0), entity(1)])
    before = collection.last_seq
    collection.set_ttl(field="until")
    time.sleep(max(now + 2.1 - time.time(), 0))
    collection.insert([entity(2)])
    assert [e["id"] for e in collection.query()] == [1, 2]
    if time_of(before) < now + 1.0:
        assert [e["id"] for e in collection.query(as_of=before)] == [0, 1]


def test_settings_outlive_the_process_and_the_field(tmp_path, now):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection("kb", SCHEMA)
        made.insert([entity(0, now - 5), entity(1)])
        made.set_ttl(3600, field="until")
    with elanus.connect(tmp_path / "kb") as database:
        again = database.collection("kb")
        assert again.ttl == (3600.0, "until")
        assert [e["id"] for e in again.query()] == [1]
        again.drop_field("until")
        assert again.ttl == (3600.0, None)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seconds": 0}, InvalidArgumentError, "seconds above 0 or None, got 0"),
        ({"seconds": True}, InvalidArgumentError, "got True"),
        ({"field": "text"}, InvalidArgumentError, "'text' is VARCHAR"),
        ({"field": "untill"}, FieldNotFoundError, "did you mean 'until'"),
    ],
)
def test_refused(collection, arguments, error, message):
    with pytest.raises(error, match=message):
        collection.set_ttl(**arguments)
    assert collection.ttl == (None, None)
