"""Another embedding model takes over a store: filled, switched, rolled back, finished."""

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import Document

from elanus.errors import InvalidArgumentError, ModelMismatchError
from llama_index.vector_stores.elanus import ElanusVectorStore
from support.llamaindex_models import LengthEmbedding


class Backwards(LengthEmbedding):
    """Three dimensions; what is long for the other one is short for this one."""

    asked: list[str] = []  # noqa: RUF012 - a pydantic field, copied for each object

    def _get_query_embedding(self, query: str) -> list[float]:
        return [1.0, -float(len(query)), 0.0]

    def _get_text_embedding(self, text: str) -> list[float]:
        self.asked.append(text)
        return self._get_query_embedding(text)


TEXTS = ["a", "bb " * 10, "ccc " * 40]


def documents(*texts: str) -> list[Document]:
    return [
        Document(id_=text.strip()[:1], text=text, metadata={"name": text[:1]}) for text in texts
    ]


def index_of(store: ElanusVectorStore, model: BaseEmbedding) -> VectorStoreIndex:
    return VectorStoreIndex.from_vector_store(store, embed_model=model)


def best(store: ElanusVectorStore, model: BaseEmbedding, query: str) -> list[Any]:
    found = index_of(store, model).as_retriever(similarity_top_k=1).retrieve(query)
    return [node.node.ref_doc_id for node in found]


def test_another_model_takes_over(tmp_path: Path) -> None:
    old, new = LengthEmbedding(), Backwards()
    with ElanusVectorStore(tmp_path, similarity_metric="L2") as store:
        storage = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex.from_documents(
            documents(*TEXTS[:2]), storage_context=storage, embed_model=old
        )
        migration = store.migrate_embeddings(new, background=False)
        assert migration.state == "filled"
        # As the framework embeds nodes: with their metadata.
        assert sorted(t for t in new.asked if t != "dimensions") == [
            "name: a\n\na", f"name: b\n\n{TEXTS[1].strip()}",
        ]  # fmt: skip
        index.insert(documents(TEXTS[2])[0])
        assert migration.progress() == (3, 3)
        near_c = "x" * (len(TEXTS[2]) + 8)
        assert best(store, old, near_c) == ["c"]
        migration.switch()
        assert best(store, new, near_c) == ["c"]
        assert best(store, new, "name: a\n\na") == ["a"]
        with pytest.raises(InvalidArgumentError, match="dim 3"):
            best(store, old, near_c)
        assert all(len(node.get_embedding()) == 3 for node in store.get_nodes())
        migration.rollback()
        assert best(store, old, near_c) == ["c"]
        assert all(len(node.get_embedding()) == 2 for node in store.get_nodes())
        migration.switch()
    with (
        ElanusVectorStore(tmp_path) as store,
        pytest.raises(ModelMismatchError, match="is between two models"),
    ):
        index_of(store, old).insert(documents("dddd")[0])
    with ElanusVectorStore(tmp_path) as store:
        store.migrate_embeddings(new, background=False)


def test_finished(tmp_path: Path) -> None:
    old, new = LengthEmbedding(), Backwards()
    with ElanusVectorStore(tmp_path) as store:
        store.sync(documents(*TEXTS[:2]), source="s", embed_model=old)
        migration = store.migrate_embeddings(new, background=False)
        migration.switch()
        store.sync(documents(*TEXTS), source="s", embed_model=old)
        assert migration.progress() == (3, 3)
        migration.finish()
    with ElanusVectorStore(tmp_path, dim=3) as store:
        index_of(store, new).insert(documents("dddd")[0])
        assert best(store, new, "name: d\n\ndddd") == ["d"]
        assert store.collection is not None
        assert store.collection.properties["documents"]["model"] == new.model_name
        assert {len(node.get_embedding()) for node in store.get_nodes()} == {3}
        store.delete("d")
        assert len(store.get_nodes()) == 3
