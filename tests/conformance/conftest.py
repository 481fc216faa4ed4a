"""A server that tests of several frameworks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import elanus


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a server."""
    from elanus_server import serve_local

    with serve_local(str(tmp_path_factory.mktemp("shared") / "kb")) as url:
        yield url


@pytest.fixture
def server_url(shared_server: str) -> Iterator[str]:
    """Yield the URL of a server that holds nothing."""
    yield shared_server
    with elanus.connect(shared_server) as database:
        for name in database.list_collections():
            database.drop_collection(name)
