"""The retriever: search types, k, compressor, tools, and the retrievers of langchain-classic."""

from pathlib import Path
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
from langchain_classic.retrievers.document_compressors import DocumentCompressorPipeline
from langchain_classic.retrievers.multi_vector import SearchType
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.structured_query import Comparator, Comparison, StructuredQuery
from langchain_core.tools import create_retriever_tool
from langchain_text_splitters import CharacterTextSplitter

import elanus
from langchain_elanus import (
    BM25,
    ElanusEmbeddings,
    ElanusReranker,
    ElanusRetriever,
    ElanusTranslator,
    ElanusVectorStore,
)
from langchain_elanus.extras import ElanusByteStore, ElanusDocumentStore
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


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
@pytest.mark.parametrize("mode", ["dense", "sparse", "bm25", "hybrid"])
async def test_score_threshold_retriever(metric: str, mode: str) -> None:
    store = ElanusVectorStore(
        ElanusEmbeddings(model="hash"),
        uri=":memory:",
        metric=metric,
        sparse=[BM25("english"), WordSparse()],
        search_mode=mode,
    )

    def retriever(threshold: float) -> ElanusRetriever:
        options = {"score_threshold": threshold}
        return store.as_retriever(search_type="similarity_score_threshold", search_kwargs=options)

    assert retriever(0.0).invoke("rotate") == []
    store.add_texts(TEXTS, ids=list("abcd"))
    scored = store.similarity_search_with_relevance_scores("rotate the key")
    assert len(scored) >= 2
    for cut in range(1, len(scored)):
        # Between the relevances of two neighbours the threshold tells them apart.
        threshold = (scored[cut - 1][1] + scored[cut][1]) / 2
        expected = [d for d, relevance in scored if relevance >= threshold]
        assert retriever(threshold).invoke("rotate the key") == expected
        assert await retriever(threshold).ainvoke("rotate the key") == expected


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


# --- the retrievers of langchain-classic, called in both ways ---------------------------------


async def ask(retriever: BaseRetriever, query: str) -> list[Document]:
    """Return what a retriever finds, which must not depend on how it is called."""
    found = retriever.invoke(query)
    assert await retriever.ainvoke(query) == found
    return found


async def test_works_inside_ensemble_retriever(store: ElanusVectorStore) -> None:
    ensemble = EnsembleRetriever(
        retrievers=[store.as_retriever(search_type=t) for t in ("dense", "bm25")],
        weights=[0.5, 0.5],
    )
    assert ids(await ask(ensemble, "rotate the signing key"))[:2] == ["a", "b"]
    by_id = EnsembleRetriever(retrievers=ensemble.retrievers, weights=[0.5, 0.5], id_key="n")
    assert len(await ask(by_id, "rotate the signing key")) == 4


async def test_works_inside_contextual_compression_retriever(store: ElanusVectorStore) -> None:
    retriever = ContextualCompressionRetriever(
        base_retriever=store.as_retriever(), base_compressor=ElanusReranker(top_n=2)
    )
    found = await ask(retriever, "piano keys")
    assert ids(found)[0] == "d"
    assert len(found) == 2
    splitter = CharacterTextSplitter(separator=" of ", chunk_size=8, chunk_overlap=0)
    pipeline = DocumentCompressorPipeline(transformers=[splitter, ElanusReranker(top_n=1)])
    piped = ContextualCompressionRetriever(
        base_retriever=store.as_retriever(), base_compressor=pipeline
    )
    assert [d.page_content for d in await ask(piped, "a piano")] == ["a piano"]


async def test_works_inside_multi_query_retriever(store: ElanusVectorStore) -> None:
    queries = RunnableLambda(lambda _: ["piano", "apples"])
    retriever = MultiQueryRetriever(
        retriever=store.as_retriever(search_type="bm25"), llm_chain=queries
    )
    assert sorted(ids(await ask(retriever, "anything"))) == ["c", "d"]  # type: ignore[type-var]


async def test_works_inside_parent_document_retriever(tmp_path: Path) -> None:
    def open_retriever(database: elanus.Database) -> ParentDocumentRetriever:
        return ParentDocumentRetriever(
            vectorstore=ElanusVectorStore(
                ElanusEmbeddings(model="hash"), database=database, sparse=BM25()
            ),
            docstore=ElanusDocumentStore(database=database),
            child_splitter=CharacterTextSplitter(separator="\n", chunk_size=20, chunk_overlap=0),
        )

    whole = Document(
        page_content="first line of text\nsecond about pianos\nthird", metadata={"source": "a"}
    )
    more = Document(page_content="a violin")
    with elanus.connect(tmp_path) as database:
        retriever = open_retriever(database)
        retriever.add_documents([whole, Document(page_content="other")])
        await retriever.aadd_documents([more])
        assert database.collection("langchain").count() == 5
    # Parents and parts are found again by whoever opens the folder.
    with elanus.connect(tmp_path) as database:
        retriever = open_retriever(database)
        assert (await ask(retriever, "pianos"))[0] == whole
        assert (await ask(retriever, "violin"))[0] == more


@pytest.mark.parametrize("kind", ["docstore", "byte_store"])
async def test_works_inside_multi_vector_retriever(store: ElanusVectorStore, kind: str) -> None:
    parent = Document(page_content="the whole manual", metadata={"pages": 9})
    store.add_texts(["summary of the manual"], [{"doc_id": "parent"}])
    parents: Any = {"docstore": ElanusDocumentStore, "byte_store": ElanusByteStore}[kind]
    retriever = MultiVectorRetriever(
        vectorstore=store,
        search_kwargs={"k": 1, "filter": {"doc_id": "parent"}},
        **{kind: parents(uri=":memory:")},
    )
    await retriever.docstore.amset([("parent", parent)])
    assert await ask(retriever, "manual") == [parent]
    retriever.search_type = SearchType.mmr
    assert await ask(retriever, "manual") == [parent]


async def test_works_inside_self_query_retriever(store: ElanusVectorStore) -> None:
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
    assert ids(await ask(retriever, "rotate things from 1 on")) == ["b"]
    hybrid = retriever.model_copy(update={"search_type": "hybrid"})
    assert ids(await ask(hybrid, "rotate things from 1 on")) == ["b"]


def test_tracing_parameters_name_store_and_embeddings() -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=2), uri=":memory:")
    params = store.as_retriever()._get_ls_params()
    assert params["ls_vector_store_provider"] == "ElanusVectorStore"
    assert params["ls_embedding_provider"] == "DeterministicFakeEmbedding"
