"""Connections break, servers go and come back, time runs out: nothing is applied twice."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import elanus
from elanus.errors import (
    ClosedError,
    InvalidArgumentError,
    MessageTooLargeError,
    NotFoundError,
    SearchTimeoutError,
    ServerConnectionError,
    ServerError,
    ServerTimeoutError,
)
from elanus.remote import ANSWERS, PATH, TIMEOUT_HEADER, decode, encode, transport
from elanus.remote.collection import Place
from elanus.remote.values import error_from_json
from elanus_server import Settings
from elanus_server.native.answers import Answers
from elanus_server.native.keeping import Keeping
from support.cutting_proxy import CuttingProxy
from support.running_server import Running, shared_server

SCHEMA = elanus.Schema(
    [
        elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
        elanus.Field("v", elanus.FLOAT_VECTOR, dim=4),
    ]
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with shared_server(str(tmp_path_factory.mktemp("faults") / "kb")) as address:
        yield address


@pytest.fixture
def proxy(served):
    with CuttingProxy(int(served.rpartition(":")[2])) as made:
        yield made


@pytest.fixture
def database(proxy):
    with elanus.connect(proxy.url) as made:
        yield made
        proxy.cuts = proxy.refusals = 0
        for name in made.list_collections():
            made.drop_collection(name)


def rows(count):
    return {"v": np.ones((count, 4), dtype=np.float32)}


def test_a_write_whose_answer_is_lost_is_applied_once(database, proxy):
    made = database.create_collection("c", SCHEMA)
    before = proxy.requests
    proxy.cuts = 2
    keys = made.insert(rows(3))
    assert proxy.requests == before + 3
    assert len(keys) == 3
    assert sorted(row["id"] for row in made.query()) == sorted(keys)
    proxy.cuts = 1
    assert made.delete([keys[0]]) == 1
    proxy.cuts = 1
    # The second time its name would be taken.
    assert database.create_collection("twin", SCHEMA).count() == 0


def test_a_read_is_made_again(database, proxy):
    made = database.create_collection("c", SCHEMA)
    made.insert(rows(10))
    iterator = made.query_iterator(batch_size=4)
    for cuts, refusals in ((1, 0), (0, 2), (2, 0)):
        proxy.cuts, proxy.refusals = cuts, refusals
        assert made.count() == 10
    found = []
    for _ in range(3):
        proxy.cuts = 1
        found += next(iterator)
    assert len({row["id"] for row in found}) == 10


def test_a_sync_survives_broken_connections(database, proxy):
    store = database.documents("notes")
    documents = [{"id": f"d{i}", "text": f"text {i}"} for i in range(20)]
    proxy.is_each_cut = True
    report = store.sync(documents, source="s")
    proxy.is_each_cut = False
    assert len(report.added) == store.count() == 20
    assert store.sync(documents, source="s").unchanged


def test_when_nothing_answers(database, proxy, monkeypatch):
    monkeypatch.setattr(transport, "_PAUSES_S", (0.0,) * 4)
    made = database.create_collection("c", SCHEMA)
    proxy.cuts = 100
    with pytest.raises(ServerConnectionError, match="is not known: read before") as caught:
        made.insert(rows(1))
    assert caught.value.is_unknown
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", int(proxy.url.split(":")[2]))
    with pytest.raises(ServerConnectionError) as caught:
        made.count()
    assert not caught.value.is_unknown
    assert isinstance(caught.value, ConnectionError)
    proxy.cuts = 0
    assert made.count() == 1


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr(transport, "_PAUSES_S", (0.0,) * 4)
    with pytest.raises(ServerConnectionError, match="Is 'elanus serve' running there") as caught:
        elanus.connect("http://127.0.0.1:1")
    assert (caught.value.port, caught.value.is_unknown) == (1, False)
    with pytest.raises(ServerConnectionError, match="no answer from nowhere"):
        elanus.connect("http://nowhere.invalid")


def test_something_else_than_a_server_of_elanus(tmp_path):
    settings = Settings(str(tmp_path / "kb"), port=0, rest_port=None, metrics_port=0)
    with Running(settings) as server, pytest.raises(ServerError, match="no server of elanus"):
        elanus.connect(f"http://127.0.0.1:{server.ports.metrics}")


def test_a_server_that_comes_back_anew(tmp_path, monkeypatch):
    """A write that may have reached the one before it is not applied by the new one."""
    monkeypatch.setattr(transport, "_PAUSES_S", (0.0,) * 4)
    path = str(tmp_path / "kb")
    first = Running(Settings(path, port=0, metrics_port=None))
    first.__enter__()
    with CuttingProxy(first.ports.grpc) as proxy, elanus.connect(proxy.url) as database:
        made = database.create_collection("c", SCHEMA)
        made.set_retention(60.0)
        made.insert(rows(5))
        iterator = made.query_iterator(batch_size=2)
        next(iterator)
        servers = []

        def restart():
            first.__exit__()
            servers.append(Running(Settings(path, port=0, metrics_port=None)).__enter__())
            proxy.port = servers[0].ports.grpc

        proxy.before_cut = restart
        proxy.cuts = 1
        with pytest.raises(ServerConnectionError, match="was started anew") as caught:
            made.insert(rows(1))
        assert caught.value.is_unknown
        try:
            assert made.count() == 6
            # A new write is none that came before.
            made.insert(rows(1))
            assert made.count() == 7
            with pytest.raises(NotFoundError, match="begin again, an iterator with token="):
                next(iterator)
            later = made.query_iterator(batch_size=2, token=iterator.token)
            assert [len(batch) for batch in later] == [2, 1]
        finally:
            servers[0].__exit__()


def test_a_call_that_takes_too_long():
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServerTimeoutError, match=r"within 0.3 seconds \(timeout=\)") as caught:
            elanus.connect(url, timeout=0.3)
    assert caught.value.timeout_s == 0.3
    assert isinstance(caught.value, TimeoutError)


def test_the_server_knows_how_long_a_client_waits(served):
    """A search ends by itself; what nobody waits for is not begun."""
    with elanus.connect(served) as database:
        made = database.create_collection("c", SCHEMA)
        made.insert(rows(10))
    with elanus.connect(served, timeout=30) as patient:
        assert patient.collection("c").count() == 10
    with elanus.connect(served) as database:
        queries = np.ones((20_000, 4), dtype=np.float32)
        place = Place("default", "c", database.collection("c").identifier)
        with pytest.raises((SearchTimeoutError, ServerTimeoutError)):
            _posted(served, place, queries)
        database.drop_collection("c")


def _posted(served, place, queries):
    given = encode([[queries, "v", 10], {}], ANSWERS)
    message = {**place._asdict(), "collection": "c", "call": "collection.search", "given": given}
    raw = http.client.HTTPConnection("127.0.0.1", int(served.rpartition(":")[2]))
    raw.request("POST", PATH, body=encode(message, ANSWERS), headers={TIMEOUT_HEADER: "1"})
    response = raw.getresponse()
    told = decode(response.read(), ANSWERS)
    raw.close()
    raise error_from_json(told["error"])


def test_requests_that_are_too_large(tmp_path):
    limit = 200_000
    settings = Settings(str(tmp_path / "kb"), port=0, metrics_port=None, max_message_bytes=limit)
    with Running(settings) as server:
        uri = f"http://127.0.0.1:{server.ports.grpc}"
        with elanus.connect(uri) as database:
            made = database.create_collection("c", SCHEMA)
            with pytest.raises(MessageTooLargeError, match="import_data") as caught:
                made.insert(rows(20_000))
            assert caught.value.limit == limit < caught.value.size
            assert made.count() == 0
            for _ in range(4):
                made.insert(rows(5_000))
            with pytest.raises(MessageTooLargeError, match="query_iterator"):
                made.query(output=["*"])
            assert sum(len(batch) for batch in made.query_iterator(output=["*"])) == 20_000
            assert made.to_arrow().num_rows == 20_000
        connection = http.client.HTTPConnection("127.0.0.1", server.ports.grpc)
        for body, status in (
            (b"x" * (limit + 1), 413),
            (b"", 400),
            (b"ELN1garbage", 400),
            (b"\x80\x04pickle", 400),
        ):
            connection.request("POST", PATH, body=body)
            response = connection.getresponse()
            assert response.status == status
            assert response.read().startswith(b"ELN1")
        connection.close()


def test_many_threads_share_a_handle(served):
    with elanus.connect(served) as database:
        made = database.create_collection("c", SCHEMA)

        def work(number):
            made.insert(rows(number + 1))
            return made.count()

        with ThreadPoolExecutor(8) as pool:
            assert max(pool.map(work, range(24))) == sum(range(1, 25))
        made.drop()


def test_a_forked_child_has_connections_of_its_own(served):
    code = f"""
import os, elanus
database = elanus.connect({served!r})
assert database.list_collections() == []
pid = os.fork()
names = [database.list_collections() for _ in range(50)]
if pid == 0:
    os._exit(0 if names == [[]] * 50 else 1)
assert os.waitpid(pid, 0)[1] == 0 and names == [[]] * 50
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == 0


def test_a_handle_that_was_closed(served):
    database = elanus.connect(served)
    made = database.create_collection("c", SCHEMA)
    other = database.use_database("default")
    database.close()
    assert made.count() == 0
    made.drop()
    other.close()
    with pytest.raises(ClosedError):
        made.count()


def test_what_lives_in_this_process_is_not_sent(served):
    class Model:
        info = None

        def rerank(self, query, texts):
            return [0.0] * len(texts)

    with elanus.connect(served) as database:
        made = database.create_collection("c", SCHEMA)
        with pytest.raises(InvalidArgumentError, match="cannot be sent to a server"):
            made.query({"a": {"$in": Model}})
        made.drop()


# --- what the server remembers --------------------------------------------------------------


def test_answers_are_given_once():
    answers, count = Answers(), []
    gate = threading.Event()

    def slow():
        gate.wait(30)
        count.append(1)
        return 200, b"x" * 10

    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(answers.once, ("u", "k"), slow) for _ in range(4)]
        gate.set()
        assert [one.result(30) for one in told] == [(200, b"x" * 10)] * 4
    assert count == [1]
    assert answers.once(("other", "k"), lambda: (400, b"")) == (400, b"")
    assert answers.knows(("u", "k"))


def test_old_answers_are_forgotten(monkeypatch):
    monkeypatch.setattr("elanus_server.native.answers.KEPT_BYTES", 25)
    answers = Answers()
    for number in range(6):
        answers.once(("u", str(number)), lambda: (200, b"x" * 10))
    assert [answers.knows(("u", str(number))) for number in range(6)] == [False] * 3 + [True] * 3


def test_what_idles_is_given_up(monkeypatch):
    class Thing:
        closed = False

        def close(self):
            self.closed = True

    keeping, thing, other = Keeping(), Thing(), Thing()
    number = keeping.keep(("u", "d", "c"), "scan", thing)
    monkeypatch.setattr("elanus_server.native.keeping.IDLE_S", -1.0)
    keeping.keep(("u", "d", "c"), "scan", other)
    assert thing.closed
    with pytest.raises(NotFoundError, match="nobody went on with it"):
        keeping.find(number, ("u", "d", "c"))
    keeping.close()
    assert other.closed
