"""Indexes of paths of JSON fields are taken, named and refused as Milvus does."""

from __future__ import annotations

import pytest
from pymilvus import DataType, MilvusException

VALUES = [{"a": {"b": 1}}, 3, {}, {"a": [1, 2]}, {"a": [{"b": 2}]}, None]
CAST = {"json_cast_type": "double"}


@pytest.fixture
def notes(client) -> str:
    if not client.has_collection("notes"):
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
        schema.add_field("j", DataType.JSON, nullable=True)
        schema.add_field("s", DataType.VARCHAR, max_length=9)
        params = client.prepare_index_params("vector", metric_type="L2")
        client.create_collection("notes", schema=schema, index_params=params)
        rows = [{"id": i, "vector": [1.0, i], "s": "", "j": j} for i, j in enumerate(VALUES)]
        client.insert("notes", rows)
    return "notes"


def index(client, field, params, name="", kind="INVERTED"):
    wanted = client.prepare_index_params(field, index_name=name, index_type=kind, params=params)
    client.create_index("notes", wanted)


def test_every_path_may_have_an_index(client, notes):
    paths = {
        "one": "j['a']['b']",
        "two": "j['a']",
        "whole": "j",
        "deep": 'j["a"][0]["b"]',
        "place": "j['a'][0]",
        "quoted": """j["it's"]""",
    }
    for _ in range(2):
        for name, path in paths.items():
            index(client, "j", {**CAST, "json_path": path}, name)
    assert {n: client.describe_index(notes, n)["json_path"] for n in paths} == paths
    for text, wanted in [("j['a']['b'] == 1", [0]), ("j['a'][0] == 1", [3]), ("j == 3", [1])]:
        assert [row["id"] for row in client.query(notes, filter=text)] == wanted
    with pytest.raises(MilvusException, match="multiple indexes on same field"):
        index(client, "j", {**CAST, "json_path": 'j["a"]'}, "again")
    for name in paths:
        client.drop_index(notes, name)
    assert client.list_indexes(notes) == ["vector"]


def test_names_of_indexes_that_are_given_none(client, notes):
    index(client, "j", {**CAST, "json_path": "j['c']['d'][0]"})
    index(client, "s", {**CAST, "json_path": "s['a']"})
    assert sorted(client.list_indexes(notes)) == ["j/c/d/0", "s", "vector"]
    assert client.describe_index(notes, "s")["json_path"] == "s['a']"


@pytest.mark.parametrize("path", ["12-s", "12 s", "(mn)", "%$#", "j['a", "s['a']", "a"])
def test_what_is_no_path(client, notes, path):
    with pytest.raises(MilvusException, match="cannot parse identifier") as raised:
        index(client, "j", {**CAST, "json_path": path}, "none")
    assert raised.value.code == 1100
    assert "none" not in client.list_indexes(notes)


@pytest.mark.parametrize("params", [{}, {"json_path": "j"}, {"json_path": "j['z']"}])
def test_a_cast_is_needed(client, notes, params):
    with pytest.raises(MilvusException, match="json index must specify cast type") as raised:
        index(client, "j", params, "none")
    assert raised.value.code == 1101
