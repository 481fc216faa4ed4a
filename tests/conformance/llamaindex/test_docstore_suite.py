"""The document store beside LlamaIndex's own: the same calls leave the same nodes and lists."""

import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import BaseDocumentStore, SimpleDocumentStore
from llama_index.core.storage.docstore.keyval_docstore import KVDocumentStore

from llama_index.storage.docstore.elanus import ElanusDocumentStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from support.llamaindex_models import make_node


@pytest.fixture
def store(place: dict[str, Any]) -> Iterator[ElanusDocumentStore]:
    opened = ElanusDocumentStore(ElanusKVStore(**place))
    yield opened
    opened.close()


def state(store: KVDocumentStore) -> dict[str, Any]:
    """Return everything that a store holds."""
    kv = store._kvstore
    return {
        "nodes": {key: node.to_dict() for key, node in store.docs.items()},
        "metadata": kv.get_all(store._metadata_collection),
        "sources": kv.get_all(store._ref_doc_collection),
        "hashes": set(store.get_all_document_hashes()),
    }


def family() -> list[BaseNode]:
    """Return a document and two nodes of it."""
    document = Document(text="hello world", id_="d1", metadata={"foo": "bar"})
    return [
        document,
        make_node("d2", "hello", source="d1", foo="bar"),
        make_node("d3", "my node", source="d1", node="info"),
    ]


def test_class(store: ElanusDocumentStore) -> None:
    assert isinstance(store, BaseDocumentStore)
    # None of the framework's own asynchronous methods is left but those that await one call.
    inherited = {
        name
        for name, function in inspect.getmembers(ElanusDocumentStore, inspect.iscoroutinefunction)
        if function.__module__.startswith("llama_index.core")
    }
    assert not {n for n in inherited if n.startswith(("aset", "adelete", "async"))}


def test_nodes_come_back_as_they_went_in(store: ElanusDocumentStore) -> None:
    nodes: list[BaseNode] = [
        Document(text="hello world", id_="d1", metadata={"foo": "bar"}),
        TextNode(text="my node", id_="d2", metadata={"node": "info"}, embedding=[0.5, 1.0]),
        IndexNode(text="summary", id_="d3", index_id="x"),
        ImageNode(text="", id_="d4", image_url="http://example.com/x.png"),
    ]
    store.add_documents(nodes)
    assert [store.get_document(n.node_id) for n in nodes] == nodes
    assert store.get_nodes(["d4", "d1"]) == [nodes[3], nodes[0]]
    assert store.get_node_dict({7: "d2", 1: "d3", 2: "d2"}) == {
        7: nodes[1], 1: nodes[2], 2: nodes[1]
    }  # fmt: skip
    assert store.docs == {n.node_id: n for n in nodes}


async def test_missing_documents(store: ElanusDocumentStore) -> None:
    assert store.docs == {}
    assert store.get_document("x", raise_error=False) is None
    assert store.get_nodes(["x"], raise_error=False) == []
    assert await store.aget_nodes(["x"], raise_error=False) == []
    assert not store.document_exists("x")
    assert not store.ref_doc_exists("x")
    assert store.get_document_hash("x") is None
    store.delete_document("x", raise_error=False)
    store.delete_ref_doc("x", raise_error=False)
    for call in (store.get_document, store.delete_document, store.delete_ref_doc):
        with pytest.raises(ValueError, match="x not found"):
            call("x")
    for wait in (store.aget_document, store.adelete_document, store.adelete_ref_doc):
        with pytest.raises(ValueError, match="x not found"):
            await wait("x")
    with pytest.raises(ValueError, match="x not found"):
        store.get_nodes(["x"])


def test_existing_nodes_are_refused_without_allow_update(store: ElanusDocumentStore) -> None:
    store.add_documents(family())
    before = state(store)
    with pytest.raises(ValueError, match="node_id d3 already exists"):
        store.add_documents([make_node("new"), make_node("d3", "other")], allow_update=False)
    assert state(store) == before
    store.add_documents([make_node("new")], allow_update=False)
    assert store.document_exists("new")


def test_delete_document(store: ElanusDocumentStore) -> None:
    store.add_documents(family())
    info = store.get_ref_doc_info("d1")
    assert info is not None
    assert info.node_ids == ["d2", "d3"]
    store.delete_document("d2")
    assert store.get_ref_doc_info("d1").node_ids == ["d3"]  # type: ignore[union-attr]
    assert store.document_exists("d1")
    # The source goes with its last node.
    store.delete_document("d3")
    assert state(store) == {"nodes": {}, "metadata": {}, "sources": {}, "hashes": set()}


@pytest.mark.parametrize("with_document", [True, False])
def test_delete_ref_doc(store: ElanusDocumentStore, with_document: bool) -> None:
    store.add_documents(family()[0 if with_document else 1 :])
    store.add_documents([make_node("e", source="other")])
    store.delete_ref_doc("d1")
    assert list(store.docs) == ["e"]
    assert list(store.get_all_ref_doc_info() or {}) == ["other"]


async def test_async_methods_do_what_the_others_do(store: ElanusDocumentStore) -> None:
    # The framework looks a node's source up under the node's id here, and never finds it.
    await store.async_add_documents(family())
    await store.adelete_document("d2")
    info = await store.aget_ref_doc_info("d1")
    assert info is not None
    assert info.node_ids == ["d3"]
    assert [n.node_id for n in await store.aget_nodes(["d3", "d1"])] == ["d3", "d1"]
    assert list(await store.aget_node_dict({4: "d3"})) == [4]
    await store.aset_document_hash("d3", "h")
    await store.aset_document_hashes({"z": "h2"})
    assert await store.aget_document_hash("d3") == "h"
    assert (await store.aget_all_document_hashes())["h2"] == "z"
    assert await store.aget_all_document_ids() == {"d1", "d3", "z"}
    assert list(await store.aget_all_ref_doc_info() or {}) == ["d1"]
    assert await store.aref_doc_exists("d1")
    assert await store.adocument_exists("d3")
    await store.adelete_ref_doc("d1")
    assert not await store.aref_doc_exists("d1")


def test_hash_of_a_node_keeps_its_source(store: ElanusDocumentStore) -> None:
    # The framework forgets the source here; deleting the node then leaves it on the list.
    store.add_documents(family())
    store.set_document_hash("d2", "h")
    assert store.get_document_hash("d2") == "h"
    store.delete_document("d2")
    assert store.get_ref_doc_info("d1").node_ids == ["d3"]  # type: ignore[union-attr]


def test_documents_with_equal_hashes_are_all_listed(store: ElanusDocumentStore) -> None:
    store.add_documents([Document(text="same", id_="d1"), Document(text="same", id_="d2")])
    assert len(store.get_all_document_hashes()) == 1
    assert store.get_all_document_ids() == {"d1", "d2"}


def test_only_hashes_are_stored_without_text(store: ElanusDocumentStore) -> None:
    nodes = family()
    store.add_documents(nodes, store_text=False)
    assert store.docs == {}
    assert store.get_document_hash("d2") == nodes[1].hash


def test_namespaces_share_a_kv_store_and_stay_apart(place: dict[str, Any]) -> None:
    with ElanusKVStore(**place) as kvstore:
        one, two = ElanusDocumentStore(kvstore, "one"), ElanusDocumentStore(kvstore, "two")
        one.add_documents(family())
        assert two.docs == {}
        assert two.kvstore is one.kvstore
        two.add_documents([make_node("d1", "another")])
        one.delete_ref_doc("d1")
        assert two.get_node("d1").get_content() == "another"


def test_threads_lose_no_node_of_one_source(store: ElanusDocumentStore) -> None:
    def add(number: int) -> None:
        store.add_documents([make_node(f"n{number}", source="shared")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    info = store.get_ref_doc_info("shared")
    assert info is not None
    assert sorted(info.node_ids) == sorted(f"n{i}" for i in range(24))


IDS = st.sampled_from(["a", "b", "c", "d"])
SOURCES = st.sampled_from([None, "a", "s", "t"])
NODES = st.lists(st.tuples(IDS, SOURCES, st.integers(0, 2)), min_size=1, max_size=4)
CALLS = st.one_of(
    st.tuples(st.just("add"), NODES),
    st.tuples(st.just("delete_document"), IDS),
    st.tuples(st.just("delete_ref_doc"), st.sampled_from(["a", "s", "t"])),
)


def built(rows: list[tuple[str, str | None, int]]) -> list[BaseNode]:
    nodes: list[BaseNode] = []
    for id_, source, number in rows:
        node = TextNode(id_=id_, text=f"text {number}", metadata={f"k{number}": number})
        if source is not None:
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=source)
        nodes.append(node)
    return nodes


@settings(max_examples=60)
@given(st.lists(CALLS, max_size=8))
def test_any_calls_leave_what_the_simple_store_has(calls: list[Any]) -> None:
    oracle = SimpleDocumentStore()
    store = ElanusDocumentStore.from_uri(":memory:")
    for name, argument in calls:
        for one in (oracle, store):
            if name == "add":
                one.add_documents(built(argument))
            else:
                getattr(one, name)(argument, raise_error=False)
    assert state(store) == state(oracle)
    store.close()
