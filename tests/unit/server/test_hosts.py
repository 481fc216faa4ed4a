"""What a host remembers between calls."""

from __future__ import annotations

import elanus
from elanus import Field, Schema
from elanus.types import DataType
from elanus_server.service.all_calls import METHODS
from elanus_server.service.context import Call, Host
from elanus_server.wire import milvus

FIELDS = [Field("id", DataType.INT64, primary=True), Field("v", DataType.FLOAT_VECTOR, dim=2)]


def test_a_collection_keeps_its_handle_until_it_is_another_one():
    with elanus.connect(":memory:") as database:
        database.create_collection("c", Schema(FIELDS))
        database.create_alias("also", "c")
        call = Call(Host(database))
        request = milvus.DescribeCollectionRequest(collection_name="c")
        first = call.hosted(request).collection
        assert call.hosted(request).collection is first
        assert call.hosted(request, "also").collection is first
        assert first == database.collection("c")
        database.drop_alias("also")
        database.drop_collection("c")
        database.create_collection("c", Schema(FIELDS))
        second = call.hosted(request).collection
        assert second != first
        second.insert([{"id": 1, "v": [1, 0]}])
        assert call.hosted(request).collection.count() == 1
        METHODS["RenameCollection"](call, milvus.RenameCollectionRequest(oldName="c", newName="d"))
        assert call.hosted(request, "d").collection == second
        METHODS["DropCollection"](call, milvus.DropCollectionRequest(collection_name="d"))
        assert METHODS["DescribeCollection"](call, request).status.code == 100
