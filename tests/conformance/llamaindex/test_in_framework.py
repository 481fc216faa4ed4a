"""The companions in use: pipelines, storage contexts, memories and chat engines of LlamaIndex."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import (
    Settings,
    StorageContext,
    SummaryIndex,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer, Memory
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore

from llama_index.storage.chat_store.elanus import ElanusChatStore, ElanusDBChatStore
from llama_index.storage.docstore.elanus import ElanusDocumentStore
from llama_index.storage.index_store.elanus import ElanusIndexStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.vector_stores.elanus import BM25, ElanusEmbedding, ElanusVectorStore

TEXTS = {
    "keys": "Rotate the signing key every year.",
    "pears": "Apples and pears are fruit.",
    "piano": "A piano has eighty-eight keys.",
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", MockLLM())
    monkeypatch.setattr(Settings, "_embed_model", ElanusEmbedding("hash"))


def documents(**changed: str) -> list[Document]:
    texts = TEXTS | changed
    return [Document(id_=i, text=t, metadata={"topic": i}) for i, t in texts.items() if t]


class Counting(BaseEmbedding):
    """An embedding that counts the texts it is asked for."""

    _inner: ElanusEmbedding = PrivateAttr(default_factory=lambda: ElanusEmbedding("hash"))
    _texts: list[str] = PrivateAttr(default_factory=list)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._inner._get_query_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._inner._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        self._texts.append(text)
        return self._inner._get_text_embedding(text)


# --- ingestion --------------------------------------------------------------------------------

STRATEGIES = [
    (DocstoreStrategy.UPSERTS, {"pears": 1, "piano": 1, "keys": 1, "new": 1}),
    (DocstoreStrategy.DUPLICATES_ONLY, {"pears": 1, "piano": 1, "keys": 2, "new": 1}),
    (DocstoreStrategy.UPSERTS_AND_DELETE, {"piano": 1, "keys": 1, "new": 1}),
]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("docstore", ["simple", "elanus"])
@pytest.mark.parametrize(("strategy", "left"), STRATEGIES)
async def test_ingestion_strategies(
    tmp_path: Path,
    strategy: DocstoreStrategy,
    left: dict[str, int],
    docstore: str,
    asynchronous: bool,
) -> None:
    kv = ElanusKVStore(tmp_path / "kb")
    store = ElanusVectorStore(tmp_path / "kb", sparse=BM25("english"))
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), ElanusEmbedding("hash")],
        docstore=SimpleDocumentStore() if docstore == "simple" else ElanusDocumentStore(kv),
        vector_store=store,
        docstore_strategy=strategy,
        cache=IngestionCache(cache=kv, collection="cache"),
    )

    async def run(given: list[Document]) -> list[str | None]:
        nodes = await pipeline.arun(documents=given) if asynchronous else pipeline.run(
            documents=given
        )  # fmt: skip
        return [n.ref_doc_id for n in nodes]

    assert await run(documents()) == ["keys", "pears", "piano"]
    assert await run(documents()) == []
    # One changed, one gone, one new.
    changed = documents(keys="Keys are rotated monthly now.", pears="", new="A new text.")
    assert await run(changed) == ["keys", "new"]
    counts: dict[str, int] = {}
    for node in store.get_nodes():
        counts[str(node.ref_doc_id)] = counts.get(str(node.ref_doc_id), 0) + 1
    assert counts == left
    assert await run(changed) == []
    store.close()
    kv.close()


def test_pipeline_goes_on_after_reopening(tmp_path: Path) -> None:
    def run(given: list[Document], strategy: DocstoreStrategy) -> list[str | None]:
        with ElanusKVStore(tmp_path) as kv, ElanusVectorStore(tmp_path) as store:
            pipeline = IngestionPipeline(
                transformations=[SentenceSplitter(), ElanusEmbedding("hash")],
                docstore=ElanusDocumentStore(kv),
                vector_store=store,
                docstore_strategy=strategy,
            )
            return [n.ref_doc_id for n in pipeline.run(documents=given)]

    for strategy in (DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE):
        run(documents(), strategy)
        assert run(documents(), strategy) == []
        assert run(documents(pears="Pears only."), strategy) == ["pears"]
    run(documents(pears=""), DocstoreStrategy.UPSERTS_AND_DELETE)
    with ElanusVectorStore(tmp_path) as store:
        assert sorted(str(n.ref_doc_id) for n in store.get_nodes()) == ["keys", "piano"]


def test_ingestion_cache(place: dict[str, Any]) -> None:
    with ElanusKVStore(**place) as kv:
        embedding = Counting()
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(), embedding],
            cache=IngestionCache(cache=kv, collection="cache"),
        )
        first = pipeline.run(documents=documents())
        assert len(embedding._texts) == 3
        second = pipeline.run(documents=documents())
        assert len(embedding._texts) == 3
        assert [n.to_dict() for n in second] == [n.to_dict() for n in first]
        assert len(kv.get_all("cache")) == 2
        pipeline.cache.clear()
        assert kv.get_all("cache") == {}


WORKERS = """
import sys
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.vector_stores.elanus import ElanusEmbedding

if __name__ == "__main__":
    cache = IngestionCache(cache=ElanusKVStore(sys.argv[1], several_processes=True))
    pipeline = IngestionPipeline(transformations=[ElanusEmbedding("hash")], cache=cache)
    print(len(pipeline.run(nodes=[TextNode(text=t) for t in "abcd"], num_workers=2)))
"""


@pytest.mark.slow
def test_cache_is_shared_by_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(WORKERS)
    # A program of its own: workers import it, and a pool that lost one waits for ever.
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.split() == ["4"]
    with ElanusKVStore(tmp_path / "db") as kv:
        assert len(kv.get_all("llama_cache")) == 2


# --- storage contexts -------------------------------------------------------------------------


def open_context(folder: Path) -> StorageContext:
    kv = ElanusKVStore(folder)
    return StorageContext.from_defaults(
        docstore=ElanusDocumentStore(kv),
        index_store=ElanusIndexStore(kv),
        vector_store=ElanusVectorStore(folder, sparse=BM25("english")),
    )


def close_context(context: StorageContext) -> None:
    context.docstore.kvstore.close()  # type: ignore[attr-defined]
    context.vector_store.close()  # type: ignore[attr-defined]


def test_storage_context_of_one_folder(tmp_path: Path) -> None:
    context = open_context(tmp_path / "kb")
    nodes = SentenceSplitter().get_nodes_from_documents(documents())
    context.docstore.add_documents(nodes)
    indexes: list[Any] = [
        kind(nodes, storage_context=context) for kind in (VectorStoreIndex, SummaryIndex)
    ]
    names = [index.index_id for index in indexes]
    context.persist(str(tmp_path / "json"))
    # What LlamaIndex keeps itself: graphs and the images of a multi-modal index.
    assert {f.name for f in (tmp_path / "json").iterdir()} == {
        "graph_store.json", "image__vector_store.json"
    }  # fmt: skip
    close_context(context)

    context = open_context(tmp_path / "kb")
    vector, summary = (load_index_from_storage(context, index_id=n) for n in names)
    found = vector.as_retriever(similarity_top_k=1).retrieve(TEXTS["pears"])
    assert [n.node.ref_doc_id for n in found] == ["pears"]
    assert len(summary.as_retriever().retrieve("anything")) == 3
    summary.delete_ref_doc("pears", delete_from_docstore=True)
    assert sorted(context.docstore.get_all_ref_doc_info() or {}) == ["keys", "piano"]
    close_context(context)


def test_index_refreshes_documents(tmp_path: Path) -> None:
    context = open_context(tmp_path / "kb")
    index = SummaryIndex.from_documents(documents(), storage_context=context)
    changed = documents(keys="Changed.", new="New.")
    assert index.refresh_ref_docs(changed) == [True, False, False, True]
    assert index.refresh_ref_docs(changed) == [False] * 4
    assert sorted(index.ref_doc_info) == ["keys", "new", "pears", "piano"]
    close_context(context)


# --- memories and chat engines ----------------------------------------------------------------


@pytest.fixture(params=["buffer", "queue"])
def conversations(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Yield what opens the memory of a conversation, again and again."""
    opened: list[Any] = []
    if (
        request.param == "queue"
        and "chat_store" not in inspect.signature(Memory.from_defaults).parameters
    ):
        pytest.skip("this llama-index-core keeps Memory in SQL only")

    def memory(key: str) -> BaseMemory:
        if request.param == "buffer":
            opened.append(ElanusChatStore(tmp_path / "chats"))
            return ChatMemoryBuffer.from_defaults(chat_store=opened[-1], chat_store_key=key)
        opened.append(ElanusDBChatStore(tmp_path / "chats"))
        return Memory.from_defaults(session_id=key, chat_store=opened[-1])

    yield memory
    for store in opened:
        store.close()


async def test_memory_of_a_conversation(conversations: Any) -> None:
    memory = conversations("one")
    memory.put(ChatMessage(role="user", content="My name is Ada."))
    await memory.aput(ChatMessage(role="assistant", content="Hello Ada."))
    conversations("two").put(ChatMessage(role="user", content="My name is Bob."))
    again = conversations("one")
    assert [m.content for m in await again.aget()] == ["My name is Ada.", "Hello Ada."]
    assert [m.content for m in again.get_all()] == ["My name is Ada.", "Hello Ada."]
    again.set([ChatMessage(role="user", content="Forget it.")])
    assert [m.content for m in memory.get_all()] == ["Forget it."]
    await again.areset()
    assert memory.get_all() == []
    assert [m.content for m in conversations("two").get_all()] == ["My name is Bob."]


async def test_full_queue_is_archived(tmp_path: Path) -> None:
    if "chat_store" not in inspect.signature(Memory.from_defaults).parameters:
        pytest.skip("this llama-index-core keeps Memory in SQL only")
    with ElanusDBChatStore(tmp_path) as store:
        memory = Memory.from_defaults(
            session_id="k", chat_store=store, token_limit=60, token_flush_size=10,
            chat_history_token_ratio=0.5,
        )  # fmt: skip
        for i in range(12):
            await memory.aput(ChatMessage(role="user", content=f"message number {i}"))
            await memory.aput(ChatMessage(role="assistant", content=f"answer number {i}"))
        active = await store.count_messages("k")
        assert 0 < active < 24
        assert await store.count_messages("k", None) == 24
        assert [m.content for m in await memory.aget()][-1] == "answer number 11"


ENGINES: list[Any] = [
    SimpleChatEngine,
    ContextChatEngine,
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
]


@pytest.mark.parametrize("kind", ENGINES)
async def test_works_inside_chat_engines(kind: Any, conversations: Any, tmp_path: Path) -> None:
    with ElanusVectorStore(tmp_path / "kb", sparse=BM25("english")) as store:
        index = VectorStoreIndex.from_documents(
            documents(), storage_context=StorageContext.from_defaults(vector_store=store)
        )
        retrieval = {"vector_store_query_mode": "hybrid", "similarity_top_k": 1}
        options: dict[str, Any] = {}
        if kind is CondenseQuestionChatEngine:
            options["query_engine"] = index.as_query_engine(**retrieval)
        elif kind is not SimpleChatEngine:
            options["retriever"] = index.as_retriever(**retrieval)

        def engine(key: str) -> Any:
            return kind.from_defaults(memory=conversations(key), llm=MockLLM(), **options)

        question = "How many keys does a piano have?"
        answer = engine("one").chat(question)
        if options:
            assert [n.node.ref_doc_id for n in answer.source_nodes] == ["piano"]
        again = await engine("one").achat("And how many pears?")
        assert str(again)
        streamed = engine("one").stream_chat("And apples?")
        assert "".join(streamed.response_gen)
        asked = [m.content for m in conversations("one").get_all() if m.role == "user"]
        assert asked == [question, "And how many pears?", "And apples?"]
        assert len(conversations("one").get_all()) == 6
        assert engine("two").chat_history == []
        engine("one").reset()
        assert conversations("one").get_all() == []
