"""Iterators of Milvus' client while rows come and go: each sees what there was when it began."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus import DataType, MilvusClient

import elanus
from elanus import Field, Schema
from elanus.errors import HistoryError
from elanus_server import serve_local
from elanus_server.service import sessions

COUNT = 60


def _fill(client: MilvusClient, name: str) -> None:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("n", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=indexes)
    client.insert(name, [_row(10 * i) for i in range(COUNT)])


def _row(key: int, n: int = 0) -> dict[str, object]:
    return {"id": key, "n": n, "vector": [float(key), 0.0]}


def _disturb(client: MilvusClient, name: str, turn: int) -> None:
    """Delete, insert and replace rows that the iterator has given, and others."""
    client.delete(name, ids=[turn * 20, 590 - turn * 20])
    client.insert(name, [_row(turn * 20 + 5), _row(595 - turn * 20)])
    client.upsert(name, [_row(turn * 20 + 10, n=turn + 1), _row(580 - turn * 20, n=turn + 1)])
    if turn == 1:
        client.flush(name)


@pytest.fixture
def filled(client):
    _fill(client, "moving")
    return client


def _ids(batch):
    return [row["id"] for row in batch]


@pytest.mark.parametrize("given", [None, "n == 0", "id % 20 == 0"])
def test_a_query_iterator_goes_through_the_rows_of_its_beginning(filled, given):
    iterator = filled.query_iterator(
        "moving", batch_size=7, filter=given, output_fields=["n", "vector"]
    )
    found = []
    for turn in range(100):
        batch = iterator.next()
        if not batch:
            break
        found += batch
        _disturb(filled, "moving", turn)
    wanted = range(0, COUNT * 10, 20 if given == "id % 20 == 0" else 10)
    assert _ids(found) == list(wanted)
    assert {row["n"] for row in found} == {0}
    assert [row["vector"][0] for row in found] == list(wanted)
    # A new one sees what there is now.
    after = filled.query("moving", filter="n >= 0", limit=1_000)
    iterator = filled.query_iterator("moving", batch_size=1_000, filter="n >= 0")
    assert _ids(iterator.next()) == _ids(after) != list(range(0, COUNT * 10, 10))


def test_two_query_iterators_each_see_their_own_beginning(filled):
    first = filled.query_iterator("moving", batch_size=50, output_fields=["n"])
    filled.insert("moving", [_row(5)])
    second = filled.query_iterator("moving", batch_size=50, output_fields=["n"])
    filled.delete("moving", filter="id >= 0")
    assert len(first.next()) + len(first.next()) == COUNT
    assert len(second.next()) + len(second.next()) == COUNT + 1
    assert filled.query_iterator("moving", batch_size=50).next() == []


def test_an_iterator_over_nothing_stays_there(client):
    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=9)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection("hollow", schema=schema, index_params=indexes)
    iterator = client.query_iterator("hollow", batch_size=5)
    client.insert("hollow", [{"id": "a", "vector": [0.0, 0.0]}])
    assert iterator.next() == []


def test_a_search_iterator_goes_through_the_rows_of_its_beginning(filled):
    iterator = filled.search_iterator(
        "moving", [[-1.0, 0.0]], batch_size=7, limit=1_000, output_fields=["n"]
    )
    # Between the first word of the iterator and its first page, and between pages.
    found = []
    for turn in range(100):
        _disturb(filled, "moving", turn)
        batch = iterator.next()
        if not batch:
            break
        found += [(hit["id"], hit["entity"]["n"]) for hit in batch]
    assert found == [(10 * i, 0) for i in range(COUNT)]


def test_an_iterator_that_was_forgotten_goes_on_with_what_there_is(filled, monkeypatch):
    iterator = filled.query_iterator("moving", batch_size=7, output_fields=["n"])
    assert len(iterator.next()) == 7
    filled.delete("moving", ids=[0, 590])
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 1)
    filled.query_iterator("moving", batch_size=7)
    rest = []
    while batch := iterator.next():
        rest += _ids(batch)
    assert rest == list(range(70, 590, 10))


def test_sessions_are_given_up_when_nobody_asks(monkeypatch):
    known = sessions.Sessions()
    collection = elanus.connect(":memory:").create_collection(
        "kept", Schema([Field("id", elanus.INT64, primary=True)])
    )
    first, second = (collection.query_iterator() for _ in range(2))
    moment = known.begin("default", "kept", first)
    assert known.seq("default", "kept", moment) == first.seq
    assert known.seq("default", "other", moment) is None
    assert known.seq("other", "kept", moment) is None
    monkeypatch.setattr(sessions, "IDLE_S", 0.0)
    later = known.begin("default", "kept", second)
    assert known.seq("default", "kept", moment) is None
    assert later > moment


def test_processes_that_read_leave_iterators_to_the_one_that_writes(tmp_path):
    with serve_local(str(tmp_path), workers=2) as uri:
        client = MilvusClient(uri)
        _fill(client, "moving")
        iterator = client.query_iterator("moving", batch_size=7, output_fields=["n"])
        found = []
        for turn in range(100):
            batch = iterator.next()
            if not batch:
                break
            found += _ids(batch)
            _disturb(client, "moving", turn)
        assert found == list(range(0, COUNT * 10, 10))
        client.close()


def test_a_state_can_be_read_for_as_long_as_an_iterator_holds_it():
    """The library's part, with rights and times to live."""
    fields = [Field("id", elanus.INT64, primary=True), Field("v", elanus.FLOAT_VECTOR, dim=2)]
    with elanus.connect(":memory:") as database:
        collection = database.create_collection("held", Schema(fields))
        collection.insert({"id": np.arange(9), "v": np.zeros((9, 2), np.float32)})
        bound = collection.restricted("id < 5")
        iterator, narrow = collection.query_iterator(), bound.query_iterator()
        assert iterator.seq == narrow.seq == collection.last_seq
        collection.flush()
        collection.delete("id >= 0")
        collection.flush()
        collection.compact()
        seq = iterator.seq
        assert len(collection.query(as_of=seq)) == 9
        # A handle that sees less sees less of the state, whoever holds it.
        assert len(bound.query(as_of=seq)) == 5
        del iterator
        assert len(collection.query(as_of=seq)) == 9
        del narrow
        with pytest.raises(HistoryError):
            collection.query(as_of=seq)


def test_the_state_of_an_iterator_can_be_read_besides(database):
    collection = database.create_collection(
        "besides",
        Schema([Field("id", elanus.INT64, primary=True), Field("v", elanus.FLOAT_VECTOR, dim=2)]),
    )
    collection.insert({"id": np.arange(9), "v": np.zeros((9, 2), np.float32)})
    collection.flush()
    entities = collection.query_iterator(batch_size=4)
    hits = collection.search_iterator([0.0, 0.0], "v", batch_size=4)
    collection.delete("id >= 0")
    collection.flush()
    collection.compact()
    assert entities.seq == hits.seq < collection.last_seq
    assert len(collection.query(as_of=entities.seq)) == 9
    assert len(next(entities)) == len(next(hits)) == 4
    assert len(collection.query(as_of=hits.seq)) == 9
    assert len(collection.query()) == 0
