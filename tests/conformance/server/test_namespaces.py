"""Namespaces of collections that have them, through Milvus' own client and its stub."""

import pymilvus
import pytest
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2

NAME = "tenants"


def make(client, *, enabled=True):
    schema = client.create_schema(enable_namespace=enabled)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", metric_type="L2")
    client.create_collection(NAME, schema=schema, index_params=indexes, consistency_level="Strong")
    return client


@pytest.fixture
def tenants(client):
    return make(client)


def ask(client, call, name="", **options):
    given = {"collection_name": NAME, **({"namespace_name": name} if name else {}), **options}
    request = getattr(milvus_pb2, f"{call}Request")(**given)
    return getattr(client._get_connection()._stub, call)(request)


def rows(*keys):
    return [{"id": key, "vector": [float(key), 0.0]} for key in keys]


def test_each_namespace_sees_its_own(tenants):
    assert tenants.describe_collection(NAME)["enable_namespace"] is True
    assert ask(tenants, "CreateNamespace", "ada").namespace.namespace_name == "ada"
    tenants.insert(NAME, rows(1, 2), namespace="ada")
    # One that is written to is made.
    tenants.insert(NAME, rows(3, 4, 5), namespace="bob")
    found = tenants.search(NAME, [[3.0, 0.0]], limit=10, namespace="ada")
    assert [hit["id"] for hit in found[0]] == [2, 1]
    found = tenants.query(NAME, filter="id > 0", namespace="bob")
    assert [row["id"] for row in found] == [3, 4, 5]
    tenants.delete(NAME, filter="id > 2")
    assert tenants.query(NAME, filter="id > 0", namespace="bob") == []
    assert len(tenants.query(NAME, filter="id > 0", namespace="ada")) == 2


def test_namespaces_are_listed_described_and_dropped(tenants):
    for name in ("a1", "a2", "b1"):
        ask(tenants, "CreateNamespace", name)
    tenants.insert(NAME, rows(1, 2, 3), namespace="a2")
    listed = ask(tenants, "ListNamespaces").namespaces
    assert [one.namespace_name for one in listed] == ["a1", "a2", "b1"]
    assert [one.stats.entity_count for one in listed] == [0, 3, 0]
    page = ask(tenants, "ListNamespaces", prefix="a", page_size=1)
    assert [one.namespace_name for one in page.namespaces] == ["a1"]
    page = ask(tenants, "ListNamespaces", prefix="a", page_size=1, page_token=page.next_page_token)
    assert [one.namespace_name for one in page.namespaces] == ["a2"]
    assert page.next_page_token == ""
    found = ask(tenants, "DescribeNamespace", "a2").namespace
    assert (found.collection_name, found.state) == (NAME, "active")
    stats = ask(tenants, "GetNamespaceStats", "a2", exact=True)
    assert (stats.namespace_name, stats.stats.entity_count) == ("a2", 3)
    assert ask(tenants, "HasNamespace", "a2").value is True
    assert ask(tenants, "DropNamespace", "a2").namespace.state == "dropped"
    assert ask(tenants, "HasNamespace", "a2").value is False
    assert tenants.get_collection_stats(NAME) == {"row_count": 0}


def test_refusals(tenants):
    ask(tenants, "CreateNamespace", "a")
    for call, name, code, text in [
        ("CreateNamespace", "a", 1100, "namespace already exists[namespace=a]"),
        ("CreateNamespace", "1a", 1100, "Invalid namespace name: 1a"),
        ("DescribeNamespace", "b", 200, "namespace not found[namespace=b]"),
        ("DropNamespace", "b", 200, "namespace not found[namespace=b]"),
        ("GetNamespaceStats", "b", 200, "namespace not found[namespace=b]"),
    ]:
        status = ask(tenants, call, name).status
        assert status.code == code
        assert status.reason.startswith(text)
    with pytest.raises(pymilvus.MilvusException, match="namespace data is not set"):
        tenants.insert(NAME, rows(1))
    with pytest.raises(pymilvus.MilvusException, match=r"namespace not found\[namespace=b\]"):
        tenants.query(NAME, filter="id > 0", namespace="b")


def test_collection_without_namespaces(client):
    make(client, enabled=False)
    assert "not enabled for collection tenants" in ask(client, "CreateNamespace", "a").status.reason
    with pytest.raises(pymilvus.MilvusException, match="namespace data is set but"):
        client.insert(NAME, rows(1), namespace="a")
