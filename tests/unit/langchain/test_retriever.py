"""The retriever: search types, k, compressor, tools, and the retrievers of langchain-classic."""

from typing import Any

import pytest
from langchain_classic.retrievers import (
    ContextualCompressionRetriever,
    EnsembleRetriever,
    MultiQueryRetriever,
    MultiVectorRetriever,
    ParentDocumentRetriever,
    SelfQueryRetriever,
)
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from langchain_core.stores import InMemoryStore
from langchain_core.structured_query import Comparator, Comparison, StructuredQuery
from langchain_core.tools import create_retriever_tool
from langchain_text_splitters import CharacterTextSplitter

from langchain_elanus import (
    BM25,
    ElanusEmbeddings,
    ElanusReranker,
    ElanusRetriever,
    ElanusTranslator,
    ElanusVectorStore,
)
from support.langchain_models import WordSparse

TEXTS = ["rotate the signing key", "rotate the image", "apples and pears", "keys of a piano"]


@pytest.fixture
def store() -> ElanusVectorStore:
    made = ElanusVectorStore(
        ElanusEmbeddings(model="hash"), uri=":memory:", sparse=[BM25("english"), WordSparse()]
    )
    made.add_texts(TEXTS, [{"n": i} for i in range(4)], ids=list("abcd"))
    return made


def ids(documents: list[Document]) -> list[str | None]:
    return [d.id for d in documents]


@pytest.mark.parametrize("mode", ["dense", "sparse", "bm25", "hybrid"])
async def test_search_types(store: ElanusVectorStore, mode: str) -> None:
    expected = store.similarity_search("rotate the key", search_mode=mode)
    assert store.search("rotate the key", mode) == expected
    retriever = store.as_retriever(search_type=mode)
    assert isinstance(retriever, ElanusRetriever)
    assert retriever.invoke("rotate the key") == expected
    assert await retriever.ainvoke("rotate the key") == expected


def test_inherited_search_types(store: ElanusVectorStore) -> None:
    assert store.as_retriever().invoke("rotate") == store.similarity_search("rotate")
    mmr = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 4})
    assert mmr.invoke("rotate") == store.max_marginal_relevance_search("rotate", k=2, fetch_k=4)
    with pytest.raises(ValueError, match="not allowed"):
        store.as_retriever(search_type="nearest")
    with pytest.raises(ValueError, match="search_type"):
        store.search("rotate", "nearest")


def test_k_of_the_call_goes_before_k_of_the_retriever(store: ElanusVectorStore) -> None:
    retriever = ElanusRetriever(vectorstore=store, k=2, search_kwargs={"k": 3})
    assert len(retriever.invoke("rotate")) == 2
    assert len(retriever.invoke("rotate", k=1)) == 1
    assert len(store.as_retriever(search_kwargs={"k": 3}).invoke("rotate")) == 3


async def test_compressor(store: ElanusVectorStore) -> None:
    retriever = store.as_retriever(compressor=ElanusReranker(top_n=1))
    (document,) = retriever.invoke("piano keys")
    assert document.id == "d"
    assert document.metadata["relevance_score"] > 0
    assert await retriever.ainvoke("piano keys") == [document]


async def test_retriever_tool(store: ElanusVectorStore) -> None:
    tool = create_retriever_tool(
        store.as_retriever(search_kwargs={"k": 1}),
        "search_docs",
        "Searches.",
        response_format="content_and_artifact",
    )
    call: dict[str, Any] = {
        "name": "search_docs",
        "args": {"query": "rotate the signing key"},
        "id": "1",
        "type": "tool_call",
    }
    for message in (tool.invoke(call), await tool.ainvoke(call)):
        assert message.content == TEXTS[0]
        assert ids(message.artifact) == ["a"]


def test_works_inside_ensemble_retriever(store: ElanusVectorStore) -> None:
    ensemble = EnsembleRetriever(
        retrievers=[store.as_retriever(search_type=t) for t in ("dense", "bm25")],
        weights=[0.5, 0.5],
    )
    assert ids(ensemble.invoke("rotate the signing key"))[0] == "a"


def test_works_inside_contextual_compression_retriever(store: ElanusVectorStore) -> None:
    retriever = ContextualCompressionRetriever(
        base_retriever=store.as_retriever(), base_compressor=ElanusReranker(top_n=2)
    )
    found = retriever.invoke("piano keys")
    assert ids(found)[0] == "d"
    assert len(found) == 2


def test_works_inside_multi_query_retriever(store: ElanusVectorStore) -> None:
    queries = RunnableLambda(lambda _: ["piano", "apples"])
    retriever = MultiQueryRetriever(
        retriever=store.as_retriever(search_type="bm25"), llm_chain=queries
    )
    assert sorted(ids(retriever.invoke("anything"))) == ["c", "d"]  # type: ignore[type-var]


def test_works_inside_parent_document_retriever() -> None:
    store = ElanusVectorStore(ElanusEmbeddings(model="hash"), uri=":memory:", sparse=BM25())
    retriever = ParentDocumentRetriever(
        vectorstore=store,
        docstore=InMemoryStore(),
        child_splitter=CharacterTextSplitter(separator="\n", chunk_size=20, chunk_overlap=0),
    )
    whole = "first line of text\nsecond about pianos\nthird"
    retriever.add_documents([Document(page_content=whole), Document(page_content="other")])
    assert store.count() == 4
    assert retriever.invoke("pianos")[0].page_content == whole


def test_works_inside_multi_vector_retriever(store: ElanusVectorStore) -> None:
    parents = InMemoryStore()
    parents.mset([("parent", Document(page_content="the whole manual"))])
    store.add_texts(["summary of the manual"], [{"doc_id": "parent"}])
    retriever = MultiVectorRetriever(
        vectorstore=store, docstore=parents, search_kwargs={"k": 1, "filter": {"doc_id": "parent"}}
    )
    assert [d.page_content for d in retriever.invoke("manual")] == ["the whole manual"]


def test_works_inside_self_query_retriever(store: ElanusVectorStore) -> None:
    asked = StructuredQuery(
        query="rotate",
        filter=Comparison(comparator=Comparator.GTE, attribute="n", value=1),
        limit=1,
    )
    retriever = SelfQueryRetriever(
        vectorstore=store,
        query_constructor=RunnableLambda(lambda _: asked),
        structured_query_translator=ElanusTranslator(),
        use_original_query=False,
        search_kwargs={"k": 1},
    )
    assert ids(retriever.invoke("rotate things from 1 on")) == ["b"]


def test_tracing_parameters_name_store_and_embeddings() -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=2), uri=":memory:")
    params = store.as_retriever()._get_ls_params()
    assert params["ls_vector_store_provider"] == "ElanusVectorStore"
    assert params["ls_embedding_provider"] == "DeterministicFakeEmbedding"
