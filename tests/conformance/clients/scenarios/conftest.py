"""Where the servers are; clients of them."""

from __future__ import annotations

import os
import re
import socket
import time

import pytest

URI = os.environ["ELANUS_URI"]


_sleep = time.sleep


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Clients wait half a second before they ask whether an index is built; here it always is."""
    monkeypatch.setattr(time, "sleep", lambda seconds: _sleep(min(seconds, 0.02)))


def restart_server() -> None:
    """Return when the server was stopped and answers again."""
    with socket.create_connection(("127.0.0.1", int(os.environ["ELANUS_RESTART"]))) as control:
        assert control.recv(9) == b"done"


@pytest.fixture
def restart():
    return restart_server


@pytest.fixture(scope="session")
def uri():
    return URI


@pytest.fixture(scope="session")
def version():
    import pymilvus

    return tuple(int(part) for part in re.findall(r"\d+", pymilvus.__version__)[:2])


@pytest.fixture(scope="module")
def client(request):
    """A client of a database of its own, named as the module."""
    from pymilvus import MilvusClient

    first = MilvusClient(URI)
    name = request.module.__name__.rpartition(".")[2]
    first.create_database(name)
    made = MilvusClient(URI, db_name=name)
    yield made
    for collection in made.list_collections():
        for alias in made.list_aliases(collection)["aliases"]:
            made.drop_alias(alias)
        made.drop_collection(collection)
    made.close()
    first.drop_database(name)
    first.close()
