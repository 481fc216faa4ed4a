"""A store by the URL of a server: what the suite of configurations asks of one in memory only."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core import Document, MockEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

import elanus
from langchain_elanus import ElanusVectorStore as LangChainStore
from llama_index.storage.docstore.elanus import ElanusDocumentStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.vector_stores.elanus import BM25, ElanusVectorStore, Weighted
from support.llamaindex_filter_cases import NODES, SEVENTEEN
from support.llamaindex_filter_oracle import matches
from support.llamaindex_models import make_node, use_from_loops_and_threads

Mode = VectorStoreQueryMode


@pytest.fixture
def store(server_url: str) -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(server_url, sparse=BM25()) as opened:
        yield opened


def nodes(count: int = 30) -> list[TextNode]:
    rng = np.random.default_rng(5)
    return [
        make_node(f"{i:02}", f"word{i % 5} text{i}", rng.normal(size=4).tolist(), f"it's {i % 3}")
        for i in range(count)
    ]


def test_every_mode_answers_as_in_this_process(store: ElanusVectorStore) -> None:
    queries: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"mode": Mode.DEFAULT}, {}),
        ({"mode": Mode.TEXT_SEARCH, "query_embedding": None}, {}),
        ({"mode": Mode.SPARSE, "query_embedding": None}, {}),
        ({"mode": Mode.HYBRID}, {}),
        *(({"mode": Mode.HYBRID, "alpha": alpha}, {}) for alpha in (0.0, 0.5, 1.0)),
        ({"mode": Mode.HYBRID, "sparse_top_k": 2, "hybrid_top_k": 9}, {}),
        ({"mode": Mode.HYBRID}, {"fusion": Weighted(0.2, 0.8)}),
        *(({"mode": Mode.MMR}, {"mmr_threshold": threshold}) for threshold in (0.2, 0.8)),
        ({"mode": Mode.DEFAULT, "doc_ids": ["it's 1"]}, {}),
        ({"mode": Mode.DEFAULT, "node_ids": ["03", "04", "missing"]}, {}),
        ({"mode": Mode.DEFAULT, "doc_ids": []}, {}),
    ]
    with ElanusVectorStore(":memory:", sparse=BM25()) as here:
        for one in (here, store):
            one.add(nodes())
        for arguments, options in queries:
            settings: dict[str, Any] = {
                "query_str": "word2",
                "query_embedding": [1.0, 0.5, -1.0, 0.0],
                "similarity_top_k": 6,
            }
            query = VectorStoreQuery(**(settings | arguments))
            expected, found = here.query(query, **options), store.query(query, **options)
            assert found.ids == expected.ids, arguments
            assert found.similarities == expected.similarities, arguments
            assert found.nodes == expected.nodes, arguments
        with pytest.raises(ValueError, match="query mode 'svm'"):
            store.query(VectorStoreQuery(query_embedding=[1.0] * 4, mode=Mode.SVM))


@pytest.mark.parametrize(("name", "filters"), SEVENTEEN, ids=[name for name, _ in SEVENTEEN])
def test_cases_that_stores_were_compared_by(
    store: ElanusVectorStore, name: str, filters: MetadataFilters
) -> None:
    store.add([make_node(i, **m) for i, m in NODES.items()])
    found = sorted(node.node_id for node in store.get_nodes(filters=filters))
    assert found == [i for i, m in NODES.items() if matches(filters, m)]


def test_many_loops_many_threads(store: ElanusVectorStore) -> None:
    use_from_loops_and_threads(store)


def test_long_text_and_large_batch(store: ElanusVectorStore) -> None:
    text = "wörd " * 200_000 + "needle"
    store.add([make_node("long", text, long=text)])
    query = VectorStoreQuery(query_str="needle", mode=Mode.TEXT_SEARCH)
    (found,) = store.query(query).nodes or []
    assert (found.get_content(), found.metadata) == (text, {"long": text})
    many = [make_node(str(i), f"w{i}") for i in range(10_000)]
    assert len(store.add(many)) == 10_000
    assert store.query(VectorStoreQuery(query_str="w4711", mode=Mode.TEXT_SEARCH)).ids == ["4711"]


def test_ingestion(server_url: str, store: ElanusVectorStore) -> None:
    with ElanusKVStore(server_url) as kv:
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(), MockEmbedding(embed_dim=4)],
            docstore=ElanusDocumentStore(kv),
            vector_store=store,
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        )
        first = [Document(id_=i, text=f"text {i}") for i in ("a", "it's")]
        assert len(pipeline.run(documents=first)) == 2
        assert pipeline.run(documents=first) == []
        assert len(pipeline.run(documents=[Document(id_="it's", text="changed")])) == 1
    assert [n.get_content() for n in store.get_nodes()] == ["changed"]


def test_cross_framework_read(server_url: str) -> None:
    embeddings = DeterministicFakeEmbedding(size=2)
    with (
        ElanusVectorStore(server_url, "kb") as llama,
        LangChainStore(embeddings, uri=server_url, collection_name="kb") as langchain,
    ):
        langchain.add_texts(["one"], [{"n": 1}], ids=["lc"])
        llama.add([make_node("li", "two", source="it's", n=2)])
        (read,) = llama.get_nodes(["lc"])
        assert (read.get_content(), read.metadata) == ("one", {"n": 1})
        assert langchain.get_by_ids(["li"]) == [
            LangChainDocument(id="li", page_content="two", metadata={"n": 2})
        ]
    with elanus.connect(server_url) as database:
        rows = database.collection("kb").query('metadata["n"] >= 1', output=["id", "text"])
    assert rows == [{"id": "lc", "text": "one"}, {"id": "li", "text": "two"}]
