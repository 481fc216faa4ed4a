"""What the server's page is told of the server as a whole."""

import pytest

from elanus_server import serve_local
from elanus_server.rest.status import quantile
from support.rest_client import RestClient

BUCKETS = {1.0: 2.0, 2.0: 6.0, 4.0: 10.0, float("inf"): 10.0}


@pytest.mark.parametrize(
    ("share", "value"),
    # Half of ten values are five: three of the four between 1 and 2.
    [(0.1, 0.5), (0.2, 1.0), (0.5, 1.75), (0.6, 2.0), (0.8, 3.0), (1.0, 4.0)],
)
def test_quantile_is_linear_within_a_bucket(share: float, value: float) -> None:
    assert quantile(share, BUCKETS) == pytest.approx(value)


def test_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile(0.99, {1.0: 1.0, 2.0: 1.0, float("inf"): 9.0}) == 2.0
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {1.0: 0.0, float("inf"): 0.0}) is None


def test_status_tells_sizes_and_calls() -> None:
    with serve_local(":memory:") as uri:
        rest = RestClient(uri)
        rest.data("collections/create", collectionName="c", dimension=2)
        rest.data("entities/insert", collectionName="c", data=[{"id": 1, "vector": [1, 2]}] * 3)
        rest.data("entities/insert", collectionName="c", data=[{"id": 2, "vector": [1, 2]}])
        rest.refusal("entities/query", collectionName="none")
        told = rest.data("elanus/status")
    assert told["auth"] is False
    sizes = ("databases", "collections", "rows", "backgroundErrors")
    assert [told[name] for name in sizes] == [1, 1, 2, 0]
    assert told["walBytes"] > 0
    calls = {one["name"]: one for one in told["calls"]}
    assert (calls["Insert"]["count"], calls["Insert"]["failed"]) == (2, 0)
    assert (calls["Query"]["count"], calls["Query"]["failed"]) == (1, 1)
    assert calls["Insert"]["p99Ms"] >= calls["Insert"]["p50Ms"] > 0
    counts = [one["count"] for one in told["calls"]]
    assert counts == sorted(counts, reverse=True)
