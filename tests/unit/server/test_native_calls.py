"""Which calls of the native protocol end with their client?"""

from __future__ import annotations

import pytest

import elanus
from elanus_server.native.service import Asked
from elanus_server.service.context import Call, Host


@pytest.mark.parametrize(
    ("call", "ends"),
    [("collection.search", True), ("collection.query", True), ("collection.insert", False)],
)
def test_reads_end_halfway_and_writes_do_not(call: str, ends: bool) -> None:
    with elanus.connect(":memory:") as db:
        cancellation = elanus.Cancellation()
        asked = Asked.read({"call": call, "given": b""}, Call(Host(db)), cancellation)
        assert (asked.ended is cancellation) is ends
