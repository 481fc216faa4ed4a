"""Where the storage companions are tested: every kind of place that they take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import elanus

PLACES = ("path", "memory", "database", "several processes", "server")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Yield the arguments that open a store in an empty place."""
    if request.param == "database":
        with elanus.connect(":memory:") as database:
            yield {"database": database}
        return
    if request.param == "server":
        yield {"uri": request.getfixturevalue("server_url")}
        return
    uri = ":memory:" if request.param == "memory" else str(tmp_path / "stores")
    yield {"uri": uri, "several_processes": request.param == "several processes"}
