"""Every official client works unchanged against the server.

Each scenario is a program of a user of that client, in `scenarios/`; what comes back is compared
there with values worked out by hand or with NumPy.
"""

from __future__ import annotations

import os

import pytest

from support.client_environments import Part, UnavailableError, run_node, run_python
from support.client_servers import client_servers

pytestmark = pytest.mark.slow

PYMILVUS = tuple(
    f"pymilvus_{part}"
    for part in ("collections", "data", "reads", "async", "objects", "access", "failures")
)
NODE = ("node_collections", "node_data", "node_reads")
CLIENTS = {
    "pymilvus-3.0": (run_python, PYMILVUS),
    "pymilvus-2.6": (run_python, PYMILVUS),
    "pymilvus-2.5": (run_python, PYMILVUS),
    "node-3.0": (run_node, NODE),
    "node-2.6": (run_node, NODE),
    "node-2.5": (run_node, NODE),
    "langchain-milvus": (run_python, ("langchain_suite", "langchain_use")),
    "llamaindex-milvus": (run_python, ("llamaindex_use", "llamaindex_filters")),
}
BY_WORKERS = ("pymilvus-3.0", "pymilvus-2.6", "pymilvus-2.5", "node-3.0")
"""Clients that are also run against servers of several processes."""
CASES = [
    (client, file, workers)
    for workers, clients in ((0, CLIENTS), (2, BY_WORKERS))
    for client in clients
    for file in CLIENTS[client][1]
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Runs all scenarios of a client against servers of their own; once, and remembers."""
    known: dict[tuple[str, int], dict[str, Part]] = {}

    def run(client: str, workers: int) -> dict[str, Part]:
        if (client, workers) not in known:
            how, files = CLIENTS[client]
            with client_servers(tmp_path_factory.mktemp("served"), workers=workers) as settings:
                known[client, workers] = how(client, files, settings)
        return known[client, workers]

    return run


@pytest.mark.parametrize(("client", "file", "workers"), CASES)
def test_a_client_works_unchanged(ran, client, file, workers):
    try:
        part = ran(client, workers)[file]
    except UnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{client} cannot be installed: {error}")
    assert not part.failures, "\n\n".join(f"{n}: {t}" for n, t in part.failures.items())
    assert part.passed
    # What is left out lies in the client, or is on the list of docs/compatibility.md.
    reasons = ("this version of", "pymilvus", "langchain-milvus", "LlamaIndex", "the server: ")
    assert all(why.startswith(reasons) for why in part.skipped.values()), part.skipped
