"""Another embedding model takes over a store: filled, switched, rolled back, finished."""

from pathlib import Path

import pytest
from langchain_core.documents import Document

from elanus.errors import InvalidArgumentError, ModelMismatchError, StateError
from langchain_elanus import BM25, ElanusEmbeddings, ElanusVectorStore
from support.langchain_models import TableEmbeddings

TEXTS = ["one", "two", "three", "four"]
OLD = {"dimensions": [0.0, 1.0], **{t: [1.0, float(n)] for n, t in enumerate(TEXTS)}}
# The other model has another dim and sees the texts the other way round.
NEW = {"dimensions": [0.0, 0.0, 1.0], **{t: [1.0, 3.0 - n, 0.0] for n, t in enumerate(TEXTS)}}
QUERY = {"query": [1.0, 0.0]}
NEW_QUERY = {"query": [1.0, 0.0, 0.0]}


def models() -> tuple[TableEmbeddings, TableEmbeddings]:
    return TableEmbeddings(OLD | QUERY), TableEmbeddings(NEW | NEW_QUERY)


def documents_of(model: TableEmbeddings) -> list[str]:
    return [text for text in model.embedded if text in TEXTS]


def order(store: ElanusVectorStore, **options: object) -> list[str]:
    return [d.page_content for d in store.similarity_search("query", k=9, **options)]


def test_another_model_takes_over(tmp_path: Path) -> None:
    old, new = models()
    with ElanusVectorStore(old, uri=tmp_path, metric="L2") as store:
        store.add_texts(TEXTS[:3], ids=TEXTS[:3])
        migration = store.migrate_embeddings(new, background=False)
        assert (migration.state, documents_of(new)) == ("filled", TEXTS[:3])
        # The old model answers, and what is written has vectors of both.
        store.add_texts(["four"], ids=["four"])
        assert documents_of(new) == TEXTS
        assert migration.progress() == (4, 4)
        assert order(store) == TEXTS
        migration.switch()
        assert order(store) == TEXTS[::-1]
        assert store.embeddings is new
        assert [
            d.page_content for d in store.max_marginal_relevance_search("query", k=4, lambda_mult=1)
        ] == TEXTS[::-1]
        migration.rollback()
        assert order(store) == TEXTS
        migration.switch()
        migration.finish()
        assert migration.state == "finished"
        old.embedded.clear()
        store.add_texts(["one"], ids=["more"])
        assert documents_of(old) == []
        assert order(store) == ["four", "three", "two", "one", "one"]
    with ElanusVectorStore(new, uri=tmp_path) as store:
        assert order(store) == ["four", "three", "two", "one", "one"]
        assert store.collection is not None
        assert store.collection.properties["documents"]["dim"] == 3
        store.add_texts(["two"], ids=["again"])
        assert store.count() == 6
    with (
        pytest.raises(InvalidArgumentError, match="dim 3"),
        ElanusVectorStore(old, uri=tmp_path) as store,
    ):
        order(store)


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    old, new = models()
    with ElanusVectorStore(old, uri=tmp_path) as store:
        store.add_texts(TEXTS[:2])
        store.migrate_embeddings(new, background=False)
    with ElanusVectorStore(old, uri=tmp_path) as store:
        # A store that knows of no other model writes what it has.
        store.add_texts(TEXTS[2:])
        assert order(store) == TEXTS
        new.embedded.clear()
        migration = store.migrate_embeddings(new)
        assert migration.wait() == (4, 4)
        assert sorted(documents_of(new)) == sorted(TEXTS[2:])
        with pytest.raises(StateError, match="dim 3 is on its way, expected 2"):
            store.migrate_embeddings(old)
        migration.switch()
    with ElanusVectorStore(old, uri=tmp_path) as store:
        with pytest.raises(ModelMismatchError, match="is between two models"):
            store.add_texts(["one"])
        with pytest.raises(ModelMismatchError, match="is between two models"):
            store.sync([Document("one", metadata={"source": "a"})], source="s")
        assert store.count() == 4


def test_missing_vectors_keep_the_old_model(tmp_path: Path) -> None:
    old, new = models()
    with ElanusVectorStore(old, uri=tmp_path) as store:
        store.add_texts(TEXTS)
        other = ElanusVectorStore(old, uri=tmp_path)
        migration = store.migrate_embeddings(new, background=False)
        other.add_texts(["one"], ids=["by another store"])
        with pytest.raises(StateError, match="1 of 5 entities have no vector"):
            migration.switch()
        migration.run()
        migration.switch()
        with pytest.raises(StateError, match="answers searches"):
            migration.abandon()
        migration.rollback()
        migration.abandon()
        new.embedded.clear()
        store.add_texts(["two"])
        assert documents_of(new) == []
        assert order(store) == ["one", "one", "two", "two", "three", "four"]
        other.close()


def test_sync_writes_vectors_of_both(tmp_path: Path) -> None:
    old, new = models()
    with ElanusVectorStore(old, uri=tmp_path) as store:
        first = [Document(t, metadata={"source": t}) for t in TEXTS[:2]]
        store.sync(first, source="s")
        migration = store.migrate_embeddings(new, background=False)
        migration.switch()
        more = [Document(t, metadata={"source": t}) for t in TEXTS]
        assert store.sync(more, source="s").embedded == 2
        assert migration.progress() == (4, 4)
        assert order(store) == TEXTS[::-1]


def test_views_and_hybrid_search(tmp_path: Path) -> None:
    old, new = models()
    with ElanusVectorStore(old, uri=tmp_path, partition_key="who", sparse=BM25()) as store:
        acme = store.for_tenant("acme")
        acme.add_texts(TEXTS)
        with pytest.raises(InvalidArgumentError, match="bound to tenant 'acme'"):
            acme.migrate_embeddings(new)
        migration = store.migrate_embeddings(new, background=False)
        migration.switch()
        assert order(acme, search_mode="dense") == TEXTS[::-1]
        assert order(acme, search_mode="hybrid") == TEXTS[::-1]
        acme.add_texts(["one"], ids=["more"])
        assert order(acme, search_mode="dense")[-2:] == ["one", "one"]


async def test_asynchronous_calls_ask_the_model_that_answers(tmp_path: Path) -> None:
    old, new = models()
    async with ElanusVectorStore(old, uri=tmp_path) as store:
        await store.aadd_texts(TEXTS)
        migration = store.migrate_embeddings(new, background=False)
        migration.switch()
        found = await store.asimilarity_search("query", k=1)
        assert [d.page_content for d in found] == ["four"]
        migration.finish()
        await store.aadd_texts(["four"], ids=["more"])
        assert store.count() == 5


def test_plug_ins_are_recognised_afterwards(tmp_path: Path) -> None:
    old, new = (ElanusEmbeddings(model="hash", model_kwargs={"dim": dim}) for dim in (8, 16))
    with ElanusVectorStore(old, uri=tmp_path) as store:
        store.add_texts(TEXTS)
        migration = store.migrate_embeddings(new, background=False)
        with pytest.raises(ModelMismatchError):
            ElanusVectorStore(new, uri=tmp_path)
        migration.switch()
        migration.finish()
        assert store.embeddings is new
        store.add_texts(["more"])
        assert store.similarity_search_with_score("more", k=1)[0][1] == pytest.approx(1.0)
        # And once more, in the same store.
        back = store.migrate_embeddings(old, background=False)
        store.add_texts(["both"])
        assert store.similarity_search("both", k=1)[0].page_content == "both"
        back.switch()
        assert store.embeddings is old
        assert store.similarity_search("both", k=1)[0].page_content == "both"
        back.rollback()
        assert store.similarity_search("more", k=1)[0].page_content == "more"
        back.abandon()
    with pytest.raises(ModelMismatchError):
        ElanusVectorStore(old, uri=tmp_path)
    with ElanusVectorStore(new, uri=tmp_path) as store:
        assert order(store)[0] in TEXTS
        (found,) = store.similarity_search_with_score("three", k=1)
        assert found[0].page_content == "three"
        assert found[1] == pytest.approx(1.0)
