"""Random bytes and damaged messages for every call: nothing but orderly refusals comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymilvus import CollectionSchema, DataType, FieldSchema, MilvusClient, RRFRanker
from pymilvus.client.prepare import Prepare

from elanus_server import Settings
from elanus_server.service.all_calls import METHODS
from elanus_server.wire import common
from support.long_search import call
from support.running_server import Running

INPUTS = 1_000
SOAK_INPUTS = 60_000
# Nobody but a bug answers with these.
_BAD = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_UNEXPECTED = 65_535
# Errors of the program, as the edge of the process tells them: "Search: KeyError: ...".
_OF_THE_PROGRAM = ("Error: ", "Exception: ")
_NAMES = st.sampled_from(
    ["fuzzed", "", "no such", "_default", "id", "vector", "root", "*", "a" * 300]
)
_TEXTS = st.one_of(
    _NAMES,
    st.sampled_from(
        [
            *("id > 0", "id in [1, 2]", "id >", "(((", "vector", "topk", "limit", "params", "-1"),
            *("{}", "[]", "null", '{"nprobe": "x"}', "1e999", "metric_type", "index_type", "HNSW"),
        ]
    ),
    st.text(max_size=12),
)
_WHOLE = st.one_of(st.sampled_from([0, 1, 2, 101, -1]), st.integers(-(2**31), 2**31 - 1))
_COUNT = st.one_of(st.sampled_from([0, 1, 2, 101]), st.integers(0, 2**32 - 1))
_FLOAT = st.floats(width=32)
_VALUES = {
    FieldDescriptor.CPPTYPE_INT32: _WHOLE,
    FieldDescriptor.CPPTYPE_INT64: _WHOLE,
    FieldDescriptor.CPPTYPE_UINT32: _COUNT,
    FieldDescriptor.CPPTYPE_UINT64: _COUNT,
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: _FLOAT,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 120),
}
_DEEPEST = 5
# The collection is to be there for the others.
_ENDS = {"DropCollection", "RenameCollection", "ReleaseCollection", "AlterCollectionSchema"}


@st.composite
def messages(draw: Any, kind: Any, depth: int = 0) -> Any:
    """Return a message with random values in some of its fields."""
    made = kind()
    fields = list(kind.DESCRIPTOR.fields)
    for field in draw(st.lists(st.sampled_from(fields), max_size=6)) if fields else ():
        _fill(draw, made, field, depth)
    return made


def _fill(draw: Any, made: Any, field: Any, depth: int) -> None:
    place = getattr(made, field.name)
    if field.message_type is not None:
        if depth >= _DEEPEST:
            return
        if field.message_type.GetOptions().map_entry:
            place.clear()
            return
        kind = field.message_type._concrete_class
        inner = draw(messages(kind, depth + 1))
        if field.is_repeated:
            place.add().CopyFrom(inner)
        else:
            place.CopyFrom(inner)
        return
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        is_bytes = field.type == FieldDescriptor.TYPE_BYTES
        value = draw(st.binary(max_size=40) if is_bytes else _TEXTS)
    else:
        value = draw(_VALUES[field.cpp_type])
    if field.is_repeated:
        place.append(value)
    else:
        setattr(made, field.name, value)


@st.composite
def damaged(draw: Any, raw: bytes) -> bytes:
    """Return a message that was good, with some bytes changed, left out or added."""
    found = bytearray(raw)
    for _ in range(draw(st.integers(1, 6))):
        if not found:
            break
        place = draw(st.integers(0, len(found) - 1))
        how = draw(st.integers(0, 2))
        if how == 0:
            found[place] = draw(st.integers(0, 255))
        elif how == 1:
            del found[place]
        else:
            found.insert(place, draw(st.integers(0, 255)))
    return bytes(found)


def _set_name(made: Any) -> None:
    if isinstance(made.collection_name, str):
        made.collection_name = "fuzzed"
    else:
        made.collection_name.append("fuzzed")


def _good() -> dict[str, list[bytes]]:
    """Return messages as clients send them."""
    search = Prepare.search_requests_with_expr(
        "fuzzed",
        "vector",
        {"metric_type": "COSINE", "params": {"ef": 20}},
        5,
        data=[[0.1, 0.2, 0.3, 0.4]],
        expr="id > 1 and year in [1, 2]",
        output_fields=["*"],
    )
    query = Prepare.query_request("fuzzed", "id > 0", ["id", "vector"], [], limit=10)
    fields = [{"name": "id", "type": 5}, {"name": "vector", "type": 101, "params": {"dim": 4}}]
    insert = Prepare.row_insert_param(
        "fuzzed",
        [{"id": 9_000, "vector": [1.0, 2.0, 3.0, 4.0]}],
        "",
        fields_info=[{**fields[0], "is_primary": True}, fields[1]],
    )
    schema = CollectionSchema(
        [
            FieldSchema("id", DataType.INT64, is_primary=True),
            FieldSchema("vector", DataType.FLOAT_VECTOR, dim=4),
            FieldSchema("tags", DataType.ARRAY, element_type=DataType.INT8, max_capacity=9),
        ]
    )
    made = {
        "Search": search,
        "Query": query,
        "Insert": insert,
        "Upsert": insert,
        "CreateCollection": Prepare.create_collection_request("made", schema),
        "CreateIndex": Prepare.create_index_request(
            "fuzzed", "vector", {"index_type": "HNSW", "metric_type": "COSINE", "params": {}}
        ),
        "HybridSearch": Prepare.hybrid_search_request_with_ranker(
            "fuzzed", [search, search], RRFRanker(), 5
        ),
    }
    return {name: [one.SerializeToString()] for name, one in made.items()}


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    with Running(Settings(":memory:", port=0, rest_port=None, metrics_port=None)) as running:
        client = MilvusClient(f"http://127.0.0.1:{running.ports.grpc}")
        client.create_collection("fuzzed", dimension=4)
        client.insert("fuzzed", [{"id": i, "vector": [1.0, i, 2, 3], "year": i} for i in range(50)])
        with grpc.insecure_channel(f"127.0.0.1:{running.ports.grpc}") as made:
            yield made
        # It answers as before.
        client.create_collection("after", dimension=4)
        assert client.has_collection("after")
        client.close()


def _ask(channel: grpc.Channel, name: str, raw: bytes, seen: Counter[str]) -> None:
    """Send a message; fail when the answer tells of a bug."""
    asked = call(channel, name).future(raw, timeout=30)
    if asked.exception() is not None:
        seen[asked.code().name] += 1
        assert asked.code() not in _BAD, f"{name} {raw!r}: {asked.code()} {asked.details()}"
        return
    response = METHODS[name].response.FromString(asked.result())
    status = _status_of(name, response)
    seen[str(status.code)] += 1
    is_ours = status.code == _UNEXPECTED and any(text in status.reason for text in _OF_THE_PROGRAM)
    assert not is_ours, f"{name} {raw!r}: {status.reason}"


def _status_of(name: str, response: Any) -> Any:
    if isinstance(response, common.Status):
        return response
    place = METHODS[name].status
    return getattr(response, place) if place else common.Status()


def _fuzz(channel: grpc.Channel, inputs: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    good = _good()
    names = st.sampled_from(sorted(METHODS))

    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        name = data.draw(names)
        kind = data.draw(st.sampled_from(["bytes", "message", "message", "damaged"]))
        if kind == "bytes":
            raw = data.draw(st.binary(max_size=200))
        elif kind == "message":
            made = data.draw(messages(METHODS[name].request))
            if hasattr(made, "collection_name") and data.draw(st.booleans()):
                # One that there is: more is looked at before it is refused.
                _set_name(made)
            raw = made.SerializeToString()
        else:
            name = data.draw(st.sampled_from(sorted(good)))
            raw = data.draw(st.sampled_from(good[name]).flatmap(damaged))
        if name in _ENDS and b"fuzzed" in raw:
            return
        seen["inputs"] += 1
        _ask(channel, name, raw, seen)

    ask()
    return seen


def test_random_messages_are_answered_in_order(channel: grpc.Channel) -> None:
    seen = _fuzz(channel, INPUTS)
    assert seen["inputs"] > 0.9 * INPUTS
    # It got past the door: some were answered, some refused for what they say, some not read.
    assert seen["0"] > 50
    assert seen["INVALID_ARGUMENT"] > 50
    assert seen["1100"] > 20


@pytest.mark.soak
def test_many_random_messages_are_answered_in_order(channel: grpc.Channel) -> None:
    assert _fuzz(channel, SOAK_INPUTS)["inputs"] > 0.9 * SOAK_INPUTS


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    st.from_regex(r"/[A-Za-z.]{1,30}/[A-Za-z0-9_]{1,30}", fullmatch=True), st.binary(max_size=40)
)
def test_calls_that_there_are_not_are_unimplemented(
    channel: grpc.Channel, path: str, raw: bytes
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(path)(raw, timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    service, name = path[1:].split("/")
    assert refused.value.details() == f"unknown method {name} for service {service}"
