"""A server over a folder, and Milvus' own client for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import elanus
from support.running_server import shared_server

pymilvus = pytest.importorskip("pymilvus")


# Read by many tests of a module.
KEPT = ("papers",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "kb"


@pytest.fixture(scope="module")
def uri(folder: Path) -> Iterator[str]:
    with shared_server(str(folder)) as address:
        yield address


@pytest.fixture(scope="module")
def client(uri: str) -> Iterator[pymilvus.MilvusClient]:
    made = pymilvus.MilvusClient(uri)
    yield made
    made.close()


@pytest.fixture(scope="module")
def embedded(folder: Path, uri: str) -> Iterator[elanus.Database]:
    """The same database as a library: a folder opened twice in one process shares its files."""
    with elanus.connect(folder) as database:
        yield database


@pytest.fixture(autouse=True)
def _without_collections(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "client" in request.fixturenames:
        made = request.getfixturevalue("client")
        for name in made.list_collections():
            for alias in made.list_aliases(name)["aliases"]:
                made.drop_alias(alias)
            if name not in KEPT:
                made.drop_collection(name)


# --- for the client of elanus itself --------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("client") / "kb"


@pytest.fixture(scope="module")
def served(place):
    with shared_server(str(place)) as address:
        yield address


@pytest.fixture(params=["embedded", "remote"])
def database(request, served, tmp_path):
    """An empty database: both kinds run every test."""
    if request.param == "embedded":
        with elanus.connect(tmp_path / "kb") as made:
            yield made
        return
    with elanus.connect(served) as made:
        yield made
        for alias in made.list_aliases():
            made.drop_alias(alias)
        for name in made.list_collections():
            made.drop_collection(name)


@pytest.fixture
def both(served, tmp_path):
    """Two empty databases, side by side."""
    with elanus.connect(tmp_path / "twin") as one, elanus.connect(served) as other:
        yield one, other
        for name in other.list_collections():
            other.drop_collection(name)
