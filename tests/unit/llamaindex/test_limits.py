"""Long texts, large batches, any metadata, and tenants that nothing leaves."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from llama_index.vector_stores.elanus import BM25, ElanusRetriever, ElanusVectorStore
from support.llamaindex_models import make_node

Mode = VectorStoreQueryMode


def test_long_text() -> None:
    text = "ключ " * 150_000 + "needle"
    assert len(text.encode()) > 1_000_000
    with ElanusVectorStore(":memory:", sparse=BM25()) as store:
        node = make_node("long", text)
        store.add([node, make_node("short", "something")])
        assert store.get_nodes(["long"]) == [node]
        query = VectorStoreQuery(query_str="needle", mode=Mode.TEXT_SEARCH)
        result = store.query(query)
        assert (result.ids, (result.nodes or [])[0].get_content()) == (["long"], text)


def test_what_is_no_list_of_nodes_and_no_filter_says_so() -> None:
    with ElanusVectorStore(":memory:") as store:
        node = make_node("a", "text", [1.0, 0.0])
        for given in (node, [node, "text"], "text"):
            with pytest.raises(ValueError, match=r"expected a list of nodes, got (one|str)"):
                store.add(given)  # type: ignore[arg-type]
        store.add([node])
        with pytest.raises(ValueError, match=r"ids: expected a list of str, got one str"):
            store.delete_nodes("a")  # type: ignore[arg-type]
        query = VectorStoreQuery(query_embedding=[1.0, 0.0], filters={"n": 1})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"expected MetadataFilters\(...\), got dict"):
            store.query(query)
        with pytest.raises(ValueError, match=r"expected VectorStoreQuery, got str"):
            store.query("text")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"node 'b' has no embedding \(row 0\); add nodes"):
            store.add([TextNode(id_="b", text="text")])
        for no_id in (None, ["a"]):
            with pytest.raises(ValueError, match=r"ref_doc_id: expected the id of one document"):
                store.delete(no_id)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"the filters hold no condition; clear\(\) deletes"):
            store.delete_nodes(filters=MetadataFilters(filters=[]))
        with pytest.raises(ValueError, match=r"mode 'hybird': expected one of 'default', 'sparse'"):
            ElanusRetriever(store, mode="hybird")
        with pytest.raises(TypeError, match=r"query has no option 'where'; write filter="):
            store.query(VectorStoreQuery(query_embedding=[1.0, 0.0]), where={"n": 1})
        assert [found.node_id for found in store.get_nodes()] == ["a"]


@pytest.mark.slow
async def test_large_batch() -> None:
    nodes = [make_node(str(i), f"text {i}", [float(i), 1.0], n=i) for i in range(10_000)]
    with ElanusVectorStore(":memory:", metric="IP", sparse=BM25()) as store:
        assert store.add(nodes) == [n.node_id for n in nodes]
        assert await store.async_add(nodes) == [n.node_id for n in nodes]
        assert len(store.get_nodes()) == 10_000
        query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=3)
        assert store.query(query).ids == ["9999", "9998", "9997"]
        text = VectorStoreQuery(query_str="4321", mode=Mode.TEXT_SEARCH)
        assert store.query(text).ids == ["4321"]


KEYS = st.sampled_from(["id", "pk", "text", "vector", "node", "a.b", "it's", 'quo"te', "ключ", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50)
@given(st.dictionaries(KEYS | st.text(max_size=3), JSON, max_size=4))
def test_metadata_round_trip(metadata: dict[str, Any]) -> None:
    node = TextNode(id_="n", text="x", metadata=metadata, embedding=[1.0, 0.0])
    before = node.model_copy(deep=True)
    with ElanusVectorStore(":memory:") as store:
        store.add([node])
        assert node == before
        (read,) = store.get_nodes()
        (found,) = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0])).nodes or []
    assert read == node
    assert found.metadata == metadata


TENANTS = ("acme", "it's", "acme2")
CALLS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abc"), st.integers(0, 2)),
    st.tuples(st.just("delete"), st.sampled_from(["d0", "d1"])),
    st.tuples(st.just("delete_nodes"), st.sampled_from("abc")),
    st.tuples(st.just("delete_filter"), st.integers(0, 2)),
    st.tuples(st.just("clear")),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(TENANTS), CALLS), max_size=14))
def test_tenant_isolation(calls: list[tuple[str, tuple[Any, ...]]]) -> None:
    # Ids, sources and metadata are the same for everybody; only the tenant tells them apart.
    expected: dict[str, dict[str, int]] = {tenant: {} for tenant in TENANTS}
    with ElanusVectorStore(":memory:", partition_key="tenant", sparse=BM25()) as store:
        for tenant, (name, *arguments) in calls:
            view, held = store.for_tenant(tenant), expected[tenant]
            if name == "add":
                id_, n = arguments
                view.add([make_node(id_, f"text of {tenant}", source=f"d{n % 2}", n=n)])
                held[id_] = n
            elif name == "delete":
                view.delete(arguments[0])
                gone = [i for i, n in held.items() if f"d{n % 2}" == arguments[0]]
            elif name == "delete_nodes":
                view.delete_nodes(arguments)
                gone = [i for i in held if i == arguments[0]]
            elif name == "delete_filter":
                one = MetadataFilter(key="n", value=arguments[0])
                view.delete_nodes(filters=MetadataFilters(filters=[one]))
                gone = [i for i, n in held.items() if n == arguments[0]]
            else:
                view.clear()
                gone = list(held)
            for id_ in gone if name != "add" else []:
                del held[id_]
            for other in TENANTS:
                check(store, other, expected[other])


def check(store: ElanusVectorStore, tenant: str, expected: dict[str, int]) -> None:
    """Check by every way of reading that a tenant has what it should, and its own texts."""
    view = store.for_tenant(tenant)
    nodes = view.get_nodes()
    assert {n.node_id: n.metadata["n"] for n in nodes} == expected
    assert all(n.get_content() == f"text of {tenant}" for n in nodes)
    assert len(view.get_nodes(list("abc"))) == len(expected)
    for mode in (Mode.DEFAULT, Mode.TEXT_SEARCH, Mode.HYBRID, Mode.MMR):
        query = VectorStoreQuery(
            query_embedding=[1.0, 0.0], query_str="text", similarity_top_k=9, mode=mode
        )
        for result in (view.query(query), store.query(query, tenant=tenant)):
            assert sorted(n.node_id for n in result.nodes or []) == sorted(expected)
            assert all(n.get_content() == f"text of {tenant}" for n in result.nodes or [])
