"""The filters by which stores of LlamaIndex were compared, through its store for Milvus."""

from __future__ import annotations

import pytest
from llama_index.vector_stores.milvus import MilvusVectorStore

from support.llamaindex_filter_cases import NODES, SEVENTEEN
from support.llamaindex_filter_oracle import matches
from support.llamaindex_models import make_node

KNOWN = {
    "!=": "the server: `!=` of a key that is not there does not hold (docs/compatibility.md)",
    "text_match": "LlamaIndex' store for Milvus asks for a prefix",
    "text_match_insensitive": "LlamaIndex' store for Milvus knows no such operator",
    "is_empty of a list": (
        "LlamaIndex' store for Milvus counts on length 0 of what is no array; with Milvus 3.0 and "
        "with the server it has none"
    ),
    "is_empty of a text": "LlamaIndex' store for Milvus asks for the length of an array",
    "not": "LlamaIndex' store for Milvus leaves `not` out",
}
"""What is not as LlamaIndex means it: why."""


@pytest.fixture(scope="module")
def store(uri):
    made = MilvusVectorStore(
        uri, collection_name="filters", dim=2, overwrite=True, use_async_client=False
    )
    made.add([make_node(i, **metadata) for i, metadata in NODES.items()])
    yield made
    made.clear()


@pytest.mark.parametrize(("name", "filters"), SEVENTEEN, ids=[n for n, _ in SEVENTEEN])
def test_filter(request, store, name, filters):
    if name in KNOWN:
        request.node.add_marker(pytest.mark.xfail(reason=KNOWN[name], strict=True))
    answer = sorted(node.node_id for node in store.get_nodes(filters=filters))
    assert answer == [i for i, metadata in NODES.items() if matches(filters, metadata)]
