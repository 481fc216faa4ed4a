"""grpc-go against the server: what the Milvus client in Go asks, with its settings and metadata."""

from __future__ import annotations

import os
import subprocess

import pytest

from support.client_environments import UnavailableError
from support.client_servers import client_servers
from support.go_client import go_client

pytestmark = pytest.mark.slow

CASES = (
    *("connect", "telemetry", "life", "older schema", "iterator", "large", "many", "deadlines"),
    *("databases", "idle", "restarted", "secured"),
)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each case came to, by name: nothing, or why it failed."""
    try:
        program = go_client()
    except UnavailableError as error:
        pytest.skip(f"the client over grpc-go cannot be built: {error}")
    with client_servers(tmp_path_factory.mktemp("served"), workers=0) as settings:
        done = subprocess.run(
            [program],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        name, _, why = line.removeprefix("not ").removeprefix("ok ").partition(": ")
        found[name] = why if line.startswith("not ok ") else ""
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_case_of_the_client_in_go(told, case):
    assert told[case] == ""


def test_every_case_is_listed(told):
    assert set(told) == set(CASES)
