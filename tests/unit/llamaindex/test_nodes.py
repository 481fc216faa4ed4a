"""Nodes survive the way into the collection and back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import VectorStoreQuery

from elanus.errors import EntityError
from llama_index.vector_stores.elanus import ElanusVectorStore

RELATIONSHIPS: dict[Any, Any] = {
    NodeRelationship.SOURCE: RelatedNodeInfo(
        node_id="doc", node_type=ObjectType.DOCUMENT, metadata={"file": "a.md"}, hash="h"
    ),
    NodeRelationship.PREVIOUS: RelatedNodeInfo(node_id="before"),
    NodeRelationship.NEXT: RelatedNodeInfo(node_id="after", metadata={"n": 1}),
    NodeRelationship.PARENT: RelatedNodeInfo(node_id="parent"),
    NodeRelationship.CHILD: [RelatedNodeInfo(node_id="c1"), RelatedNodeInfo(node_id="c2")],
}
COMMON: dict[str, Any] = {
    "id_": "n",
    "embedding": [0.5, -0.25],
    "metadata": {"id": 1, "text": "t", "a.b": [1, None, {"k": "v"}], "_node_content": "mine"},
    "excluded_embed_metadata_keys": ["id"],
    "excluded_llm_metadata_keys": ["text"],
    "metadata_template": "{key} is {value}",
    "metadata_separator": " | ",
    "relationships": RELATIONSHIPS,
}
NODES: list[BaseNode] = [
    TextNode(
        text="some text",
        start_char_idx=3,
        end_char_idx=12,
        text_template="{metadata_str} :: {content}",
        mimetype="text/markdown",
        **COMMON,
    ),
    TextNode(id_="plain", text="", embedding=[1.0, 0.0]),
    IndexNode(text="summary", index_id="other", **COMMON),
    ImageNode(text="a caption", image_url="http://example.com/x.png", **COMMON),
    Node(text_resource=MediaResource(text="multi", mimetype="text/html"), **COMMON),
    Node(image_resource=MediaResource(url="http://example.com/x.png"), **COMMON),
]


@pytest.mark.parametrize("node", NODES, ids=lambda n: f"{type(n).__name__}-{n.node_id}")
def test_node_round_trip(node: BaseNode) -> None:
    before = node.model_copy(deep=True)
    with ElanusVectorStore(":memory:") as store:
        assert store.add([node]) == [node.node_id]
        assert node == before
        (read,) = store.get_nodes([node.node_id])
        result = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0]))
    assert type(read) is type(node)
    assert read == node
    assert read.hash == node.hash
    assert read.ref_doc_id == node.ref_doc_id
    (found,) = result.nodes or []
    assert found == node.model_copy(update={"embedding": None})


def test_document_comes_back_as_text_node() -> None:
    document = Document(id_="d", text="whole", metadata={"n": 1}, embedding=[1.0, 0.0])
    with ElanusVectorStore(":memory:") as store:
        store.add([document])
        (read,) = store.get_nodes()
    assert type(read) is TextNode
    assert (read.node_id, read.get_content(), read.metadata) == ("d", "whole", {"n": 1})


def test_object_behind_an_index_node_is_not_stored() -> None:
    node = IndexNode(id_="i", text="s", index_id="x", obj=object(), embedding=[1.0, 0.0])
    with ElanusVectorStore(":memory:") as store:
        store.add([node])
        (read,) = store.get_nodes()
    assert isinstance(read, IndexNode)
    assert (read.index_id, read.obj) == ("x", None)
    assert node.obj is not None


def test_text_and_metadata_are_stored_once() -> None:
    node = TextNode(id_="n", text="unique words", metadata={"k": "v"}, embedding=[1.0, 0.0])
    with ElanusVectorStore(":memory:") as store:
        store.add([node])
        assert store.collection is not None
        (row,) = store.collection.query(output=["node", "text", "metadata"])
    assert row["text"] == "unique words"
    assert row["metadata"] == {"k": "v"}
    assert row["node"]["type"] == "TextNode"
    assert {"text", "metadata", "embedding"} & set(row["node"]["content"]) == set()


def test_metadata_values_are_converted_and_inputs_left_alone() -> None:
    moment = datetime(2024, 2, 29, tzinfo=UTC)
    node = TextNode(id_="n", text="x", metadata={"at": moment}, embedding=[1.0, 0.0])
    with ElanusVectorStore(":memory:") as store:
        store.add([node])
        assert store.get_nodes()[0].metadata == {"at": "2024-02-29T00:00:00+00:00"}
    assert node.metadata == {"at": moment}


def test_metadata_without_json_form_is_refused_before_anything_is_written() -> None:
    good = TextNode(id_="a", text="x", embedding=[1.0, 0.0])
    bad = TextNode(id_="b", text="x", metadata={"k": object()}, embedding=[1.0, 0.0])
    store = ElanusVectorStore(":memory:")
    with pytest.raises(EntityError, match=r"metadata\['k'\]: object.*row 1"):
        store.add([good, bad])
    assert store.collection is None


def test_node_without_embedding() -> None:
    store = ElanusVectorStore(":memory:")
    with pytest.raises(ValueError, match="node 'a' has no embedding"):
        store.add([TextNode(id_="a", text="x")])
    assert store.add([]) == []
    assert store.collection is None


@settings(max_examples=25)
@given(
    st.text(),
    st.dictionaries(
        st.text(max_size=4), st.none() | st.booleans() | st.integers(-9, 9) | st.text()
    ),
)
def test_any_text_and_flat_metadata_round_trip(text: str, metadata: dict[str, Any]) -> None:
    node = TextNode(id_="n", text=text, metadata=metadata, embedding=[1.0, 0.0])
    with ElanusVectorStore(":memory:") as store:
        store.add([node])
        assert store.get_nodes() == [node]
