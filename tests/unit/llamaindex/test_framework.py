"""The store inside LlamaIndex: indexes, pipelines, memory, retrievers, chat engines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import MockEmbedding, Settings, StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.llms import CompletionResponse, MockLLM
from llama_index.core.memory import Memory, VectorMemoryBlock
from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexAutoRetriever
from llama_index.core.schema import Document, IndexNode, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    MetadataInfo,
    VectorStoreInfo,
)

from llama_index.vector_stores.elanus import (
    BM25,
    ElanusEmbedding,
    ElanusReranker,
    ElanusRetriever,
    ElanusVectorStore,
)

TEXTS = {
    "keys": "Rotate the signing key every year.",
    "pears": "Apples and pears are fruit.",
    "piano": "A piano has eighty-eight keys.",
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", MockLLM())
    monkeypatch.setattr(Settings, "_embed_model", ElanusEmbedding("hash"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(tmp_path / "db", sparse=BM25("english")) as opened:
        yield opened


def documents() -> list[Document]:
    return [Document(id_=i, text=t, metadata={"topic": i}) for i, t in TEXTS.items()]


def build_index(store: ElanusVectorStore) -> VectorStoreIndex:
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex.from_documents(documents(), storage_context=context)


def sources(found: list[Any]) -> list[str | None]:
    return [n.node.ref_doc_id for n in found]


@pytest.mark.parametrize("mode", ["default", "hybrid", "text_search", "sparse", "mmr"])
async def test_index_retrieves(store: ElanusVectorStore, mode: str) -> None:
    index = build_index(store)
    retriever = index.as_retriever(similarity_top_k=1, vector_store_query_mode=mode)
    found = retriever.retrieve("rotate the signing key")
    assert sources(found) == ["keys"]
    assert sources(await retriever.aretrieve("rotate the signing key")) == ["keys"]
    assert found[0].node.get_content() == TEXTS["keys"]


def test_index_options_reach_the_store(store: ElanusVectorStore) -> None:
    index = build_index(store)
    filters = MetadataFilters(filters=[MetadataFilter(key="topic", value="keys", operator="!=")])
    filtered = index.as_retriever(similarity_top_k=3, filters=filters)
    assert sorted(map(str, sources(filtered.retrieve("rotate the key")))) == ["pears", "piano"]
    by_document = index.as_retriever(similarity_top_k=3, doc_ids=["pears"])
    assert sources(by_document.retrieve("rotate the key")) == ["pears"]
    weighted = index.as_retriever(
        vector_store_query_mode="hybrid", alpha=0.0, similarity_top_k=1, sparse_top_k=3
    )
    assert sources(weighted.retrieve("eighty-eight")) == ["piano"]
    by_keyword = index.as_retriever(
        similarity_top_k=3, vector_store_kwargs={"filter": {"topic": "piano"}}
    )
    assert sources(by_keyword.retrieve("rotate the key")) == ["piano"]


def test_index_updates(store: ElanusVectorStore) -> None:
    index = build_index(store)
    index.delete_ref_doc("pears", delete_from_docstore=True)
    assert {n.ref_doc_id for n in store.get_nodes()} == {"keys", "piano"}
    index.insert(Document(id_="new", text="A new document."))
    assert {n.ref_doc_id for n in store.get_nodes()} == {"keys", "piano", "new"}
    index.insert_nodes([TextNode(id_="n", text="A node.")])
    index.delete_nodes(["n"])
    assert len(store.get_nodes()) == 3


def test_storage_context(tmp_path: Path, store: ElanusVectorStore) -> None:
    index = build_index(store)
    index.storage_context.persist(str(tmp_path / "storage"))
    # LlamaIndex keeps an empty store of its own for images; ours writes no file there.
    files = [f.name for f in (tmp_path / "storage").glob("*vector_store*")]
    assert files == ["image__vector_store.json"]
    reopened = VectorStoreIndex.from_vector_store(store)
    assert sources(reopened.as_retriever(similarity_top_k=1).retrieve("fruit")) == ["pears"]


def test_index_nodes_come_from_the_docstore(store: ElanusVectorStore) -> None:
    context = StorageContext.from_defaults(vector_store=store)
    node = IndexNode(id_="i", text="summary of pianos", index_id="piano", obj=TextNode(text="deep"))
    index = VectorStoreIndex([], storage_context=context)
    index.insert_nodes([node])
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("pianos")
    assert found.node.get_content() == "deep"


async def test_works_inside_vector_memory_block(store: ElanusVectorStore) -> None:
    block = VectorMemoryBlock(vector_store=store, embed_model=ElanusEmbedding("hash"))
    for session, text in (("one", "My name is Ada."), ("two", "My name is Bob.")):
        await block.aput([ChatMessage(role="user", content=text)], session_id=session)
    asked = [ChatMessage(role="user", content="name")]
    remembered = await block.aget(asked, session_id="one")
    assert "Ada" in str(remembered)
    assert "Bob" not in str(remembered)


def test_works_inside_query_fusion_retriever(store: ElanusVectorStore) -> None:
    build_index(store)
    fusion = QueryFusionRetriever(
        [ElanusRetriever(store, mode=mode, top_k=2) for mode in ("default", "text_search")],
        llm=MockLLM(),
        num_queries=1,
        similarity_top_k=1,
        use_async=False,
    )
    assert sources(fusion.retrieve("rotate the signing key")) == ["keys"]


class Answering(MockLLM):
    """A model that gives one answer, whatever it is asked."""

    answer: str = ""

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self.answer)


FILTERS: dict[FilterOperator, tuple[str, Any, set[str]]] = {
    FilterOperator.EQ: ("topic", "keys", {"keys"}),
    FilterOperator.NE: ("topic", "keys", {"pears", "piano"}),
    FilterOperator.GT: ("year", 2001, {"piano"}),
    FilterOperator.GTE: ("year", 2001, {"pears", "piano"}),
    FilterOperator.LT: ("year", 2001, {"keys"}),
    FilterOperator.LTE: ("year", 2001, {"keys", "pears"}),
    FilterOperator.IN: ("topic", ["pears", "piano"], {"pears", "piano"}),
    FilterOperator.NIN: ("topic", ["pears", "piano"], {"keys"}),
    FilterOperator.ANY: ("tags", ["pears", "x"], {"pears"}),
    FilterOperator.ALL: ("tags", ["pears", "all"], {"pears"}),
    FilterOperator.CONTAINS: ("tags", "all", {"keys", "pears", "piano"}),
    FilterOperator.TEXT_MATCH: ("topic", "ia", {"piano"}),
    FilterOperator.TEXT_MATCH_INSENSITIVE: ("topic", "P", {"pears", "piano"}),
    FilterOperator.IS_EMPTY: ("missing", None, {"keys", "pears", "piano"}),
}


@pytest.mark.parametrize("operator", [*FilterOperator])
async def test_works_inside_auto_retriever(
    store: ElanusVectorStore, operator: FilterOperator
) -> None:
    nodes = [
        TextNode(id_=i, text=text, metadata={"topic": i, "year": 2000 + n, "tags": [i, "all"]})
        for n, (i, text) in enumerate(TEXTS.items())
    ]
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=context)
    key, value, expected = FILTERS[operator]
    where = {"key": key, "value": value, "operator": operator.value}
    llm = Answering()
    llm.answer = json.dumps({"query": "keys", "filters": [where], "top_k": 5})
    info = VectorStoreInfo(
        content_info="texts", metadata_info=[MetadataInfo(name=key, type="str", description="")]
    )
    retriever = VectorIndexAutoRetriever(index, vector_store_info=info, llm=llm, similarity_top_k=5)
    found = retriever.retrieve("anything")
    assert {n.node.node_id for n in found} == expected
    assert {n.node.node_id for n in await retriever.aretrieve("anything")} == expected


def test_works_inside_chat_engine(store: ElanusVectorStore) -> None:
    index = build_index(store)
    engine = ContextChatEngine.from_defaults(
        retriever=index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=2),
        memory=Memory.from_defaults(session_id="1"),
        llm=MockLLM(),
        node_postprocessors=[ElanusReranker(top_n=1)],
    )
    answer = engine.chat("How many keys does a piano have?")
    assert sources(answer.source_nodes) == ["piano"]


async def test_retriever_without_an_index(
    store: ElanusVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(store)
    retriever = ElanusRetriever(
        store, mode="hybrid", top_k=3, reranker=ElanusReranker(top_n=1), alpha=0.5
    )
    assert sources(retriever.retrieve("piano keys")) == ["piano"]
    assert sources(await retriever.aretrieve("piano keys")) == ["piano"]
    own = ElanusRetriever(store, embed_model=ElanusEmbedding("hash"), top_k=1)
    monkeypatch.setattr(Settings, "_embed_model", MockEmbedding(embed_dim=3))
    assert sources(own.retrieve(TEXTS["pears"])) == ["pears"]
    text = ElanusRetriever(store, mode="text_search", query_kwargs={"filter": {"topic": "keys"}})
    assert sources(text.retrieve("key")) == ["keys"]


def test_retriever_of_one_tenant() -> None:
    store = ElanusVectorStore(":memory:", partition_key="tenant", sparse=BM25())
    for tenant in ("acme", "other"):
        node = TextNode(id_="1", text=f"{tenant} text", embedding=[1.0, 0.0])
        store.for_tenant(tenant).add([node])
    retriever = ElanusRetriever(store, mode="text_search", top_k=9, tenant="acme")
    assert [n.get_content() for n in retriever.retrieve("text")] == ["acme text"]
