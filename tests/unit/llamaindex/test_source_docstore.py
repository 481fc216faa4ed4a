"""An ingestion pipeline whose docstore asks the vector store what is there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document

from elanus.errors import StateError
from llama_index.storage.docstore.elanus import ElanusSourceDocumentStore
from llama_index.storage.kvstore.elanus import ElanusKVStore
from llama_index.vector_stores.elanus import ElanusVectorStore
from support.llamaindex_models import LengthEmbedding


class Counting(LengthEmbedding):
    """Keeps what it embedded."""

    asked: list[str] = []  # noqa: RUF012 - a pydantic field, copied for each object

    def _get_text_embedding(self, text: str) -> list[float]:
        self.asked.append(text)
        return super()._get_text_embedding(text)


LONG = "A sentence of some words. " * 30
FIRST = {"a": "one", "b": LONG, "c": "three"}
SPLITTER = SentenceSplitter(chunk_size=64, chunk_overlap=0)


def documents(texts: dict[str, str]) -> list[Document]:
    return [Document(id_=name, text=text) for name, text in texts.items()]


class Pipeline:
    """Stores of a folder, opened anew for each run as a program does."""

    def __init__(self, folder: Path, *, tenant: str | None = None) -> None:
        self.kv = ElanusKVStore(folder)
        self.store = ElanusVectorStore(folder, partition_key="who" if tenant else None)
        self.model = Counting()
        self._target = self.store if tenant is None else self.store.for_tenant(tenant)
        self.docstore = ElanusSourceDocumentStore(self.kv, self._target, "s")

    def run(self, texts: dict[str, str], strategy: str = "upserts_and_delete") -> Sequence[Any]:
        self.model.asked.clear()
        pipeline = IngestionPipeline(
            transformations=[SPLITTER, self.model],
            docstore=self.docstore,
            vector_store=self._target,
            docstore_strategy=DocstoreStrategy(strategy),
            disable_cache=True,
        )
        return [node.ref_doc_id for node in pipeline.run(documents=documents(texts))]

    def stored(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for node in self._target.get_nodes():
            counts[str(node.ref_doc_id)] = counts.get(str(node.ref_doc_id), 0) + 1
        return counts

    def close(self) -> None:
        self.store.close()
        self.kv.close()


pytestmark = pytest.mark.skipif(
    not hasattr(IngestionPipeline, "_update_docstore"),
    reason="pipelines of this llama-index-core note hashes before nodes are stored",
)


def test_pipelines_that_note_hashes_first_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(IngestionPipeline, "_update_docstore")
    with (
        ElanusKVStore(tmp_path) as kv,
        ElanusVectorStore(tmp_path) as store,
        pytest.raises(StateError, match=r"use a later 0\.14, or ElanusDocumentStore"),
    ):
        ElanusSourceDocumentStore(kv, store, "s")


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(tmp_path)
    yield made
    made.close()


def test_only_what_is_new_is_embedded(pipeline: Pipeline) -> None:
    first = pipeline.run(FIRST)
    chunks = first.count("b")
    assert chunks > 2
    assert (pipeline.run(FIRST), pipeline.model.asked) == ([], [])
    changed = {"a": "one", "b": LONG, "d": "four"}
    assert (pipeline.run(changed), pipeline.model.asked) == (["d"], ["four"])
    assert pipeline.stored() == {"a": 1, "b": chunks, "d": 1}
    assert pipeline.run({**changed, "b": "short"}) == ["b"]
    assert pipeline.stored() == {"a": 1, "b": 1, "d": 1}


def test_it_is_known_after_reopening(tmp_path: Path) -> None:
    for expected in (["a", "c"], []):
        pipeline = Pipeline(tmp_path)
        assert pipeline.run({"a": "one", "c": "three"}) == expected
        pipeline.close()


def test_store_and_hashes_cannot_disagree(pipeline: Pipeline) -> None:
    pipeline.run(FIRST)
    expected = pipeline.stored()
    pipeline.store.delete("a")
    lost = next(n for n in pipeline.store.get_nodes() if n.ref_doc_id == "b")
    pipeline.store.delete_nodes([lost.node_id])
    # One whose write ended before its hash was noted: nodes without a lineage.
    nodes = SPLITTER(documents({"c": "three changed"}))
    for node in nodes:
        node.embedding = [1.0, 1.0]
    pipeline.store.delete("c")
    pipeline.store.add(nodes)
    assert sorted(set(pipeline.run(FIRST))) == ["a", "b", "c"]
    assert pipeline.stored() == expected
    assert pipeline.run(FIRST) == []


def test_a_sync_takes_it_for_unchanged(pipeline: Pipeline) -> None:
    pipeline.run(FIRST)
    pipeline.model.asked.clear()
    options: Any = {"source": "s", "transformations": [SPLITTER], "embed_model": pipeline.model}
    report = pipeline.store.sync(documents(FIRST), **options)
    assert (report.unchanged, report.read, pipeline.model.asked) == (["a", "b", "c"], 0, [])
    report = pipeline.store.sync(documents({"a": "one"}), **options)
    assert (report.deleted, pipeline.stored()) == (["b", "c"], {"a": 1})
    # What a sync deleted is no document of the pipeline any more.
    assert pipeline.run({"a": "one"}) == []
    assert pipeline.docstore.get_all_document_ids() == {"a"}


def test_duplicates_only(pipeline: Pipeline) -> None:
    assert pipeline.run({"a": "one"}, "upserts") == ["a"]
    assert pipeline.run({"a": "one", "b": "two"}, "duplicates_only") == ["b"]


async def test_asynchronously(pipeline: Pipeline) -> None:
    pipeline.run(FIRST)
    assert await pipeline.docstore.aget_document_hash("a") == documents(FIRST)[0].hash
    assert await pipeline.docstore.aget_document_hash("x") is None
    hashes = await pipeline.docstore.aget_all_document_hashes()
    assert sorted(hashes.values()) == ["a", "b", "c"]
    await pipeline.docstore.aset_document_hashes({"a": "other"})
    assert pipeline.docstore.get_document_hash("a") == "other"


def test_other_sources_and_nodes_stay(pipeline: Pipeline) -> None:
    pipeline.run({"a": "one"})
    other = ElanusSourceDocumentStore(pipeline.kv, pipeline.store, "t")
    assert other.get_all_document_hashes() == {}
    pipeline.docstore = other
    assert pipeline.run({"z": "nine"}) == ["z"]
    assert pipeline.stored() == {"a": 1, "z": 1}


def test_it_needs_its_vector_store() -> None:
    with pytest.raises(TypeError, match=r"kvstore, vector_store, source"):
        ElanusSourceDocumentStore.from_uri("./nowhere")
