"""What the server remembers of searches."""

import numpy as np
import pytest

import elanus
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import Call, Host
from elanus_server.service.searches import MAX_PLANS
from elanus_server.wire import common, milvus


def found(host: Host, chosen: str, number: int = 0) -> list[int]:
    """Return the keys that a search finds."""
    vector = np.array([1.0, number], dtype="<f4").tobytes()
    value = common.PlaceholderValue(
        tag="$0", type=common.PlaceholderType.FloatVector, values=[vector]
    )
    request = milvus.SearchRequest(
        collection_name="c",
        dsl=chosen,
        placeholder_group=common.PlaceholderGroup(placeholders=[value]).SerializeToString(),
        search_params=[common.KeyValuePair(key="topk", value="3")],
    )
    response = METHODS["Search"](Call(host), request)
    assert response.status.code == 0, response.status.reason
    return list(response.results.ids.int_id.data)


@pytest.fixture
def host() -> Host:
    database = elanus.connect(":memory:")
    key = elanus.Field("id", elanus.INT64, primary=True)
    vector = elanus.Field("vector", elanus.FLOAT_VECTOR, dim=2, metric="L2")
    collection = database.create_collection("c", elanus.Schema([key, vector]))
    collection.insert([{"id": i, "vector": [1.0, float(i)]} for i in range(1, 6)])
    return Host(database)


def test_searches_that_differ_in_their_query_share_a_plan(host: Host) -> None:
    plans = host.known("default", host.collection("default", "c")).plans
    assert found(host, "id > 2", 5) == [5, 4, 3]
    assert found(host, "id > 2", 3) == [3, 4, 5]
    assert len(plans) == 1
    assert found(host, "id < 3") == [1, 2]
    assert len(plans) == 2


def test_plans_are_bounded_in_number_and_length(host: Host) -> None:
    plans = host.known("default", host.collection("default", "c")).plans
    many = ", ".join(str(i) for i in range(2, 3_000))
    assert sorted(found(host, f"id in [{many}]")) == [2, 3, 4]
    assert plans == {}
    for number in range(MAX_PLANS + 10):
        found(host, f"id > -{number}")
    assert 0 < len(plans) <= MAX_PLANS
