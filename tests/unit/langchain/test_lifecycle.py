"""Opening, sharing, reopening, pickling and closing stores."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import VectorStore

import elanus
from elanus.errors import (
    ClosedError,
    CollectionNotFoundError,
    EntityError,
    ModelMismatchError,
    SchemaError,
    StateError,
)
from langchain_elanus import BM25, Elanus, ElanusEmbeddings, ElanusVectorStore
from support.langchain_models import WordSparse

EMBEDDINGS = DeterministicFakeEmbedding(size=4)


def test_class() -> None:
    assert issubclass(ElanusVectorStore, VectorStore)
    assert Elanus is ElanusVectorStore
    store = ElanusVectorStore(embedding_function=EMBEDDINGS, uri=":memory:")
    assert store.embeddings is EMBEDDINGS
    assert store.as_retriever().tags == ["ElanusVectorStore", "DeterministicFakeEmbedding"]


def test_reopen(tmp_path: Path) -> None:
    with ElanusVectorStore(EMBEDDINGS, uri=tmp_path / "db", sparse=BM25("english")) as store:
        store.add_texts(["rotating keys", "apples"], [{"n": 1}, {"n": 2}], ids=["a", "b"])
        expected = store.similarity_search_with_score("key")
    with pytest.raises(ClosedError):
        store.similarity_search("key")
    with ElanusVectorStore(EMBEDDINGS, uri=tmp_path / "db", sparse=BM25("english")) as store:
        assert store.similarity_search_with_score("key") == expected
    existing = ElanusVectorStore.from_existing_collection(
        EMBEDDINGS, collection_name="langchain", uri=tmp_path / "db"
    )
    with existing as store:
        assert store.similarity_search_with_score("key") == expected
        assert [d.id for d in store.similarity_search("key", search_mode="bm25")] == ["a"]


def test_two_stores_share_path(tmp_path: Path) -> None:
    first = ElanusVectorStore(EMBEDDINGS, uri=tmp_path)
    second = ElanusVectorStore(EMBEDDINGS, uri=str(tmp_path))
    first.add_texts(["x"], ids=["a"])
    assert [d.id for d in second.similarity_search("x")] == ["a"]
    first.close()
    second.add_texts(["y"], ids=["b"])
    assert second.count() == 2
    second.drop()
    second.close()


def test_collections_of_one_path_are_separate(tmp_path: Path) -> None:
    with (
        ElanusVectorStore(EMBEDDINGS, uri=tmp_path, collection_name="one") as one,
        ElanusVectorStore(EMBEDDINGS, uri=tmp_path, collection_name="two") as two,
    ):
        one.add_texts(["x"], ids=["a"])
        assert two.get() == []


def test_shared_database_stays_open() -> None:
    with elanus.connect(":memory:") as database:
        with ElanusVectorStore(EMBEDDINGS, database=database) as store:
            store.add_texts(["x"], ids=["a"])
        assert database.list_collections() == ["langchain"]
        assert [e["text"] for e in database.collection("langchain").query()] == ["x"]
        with pytest.raises(StateError, match="cannot be pickled"):
            pickle.dumps(store)


def test_from_texts_and_from_documents_append(tmp_path: Path) -> None:
    texts = ElanusVectorStore.from_texts(["x"], EMBEDDINGS, [{"n": 1}], ids=["a"], uri=tmp_path)
    documents = ElanusVectorStore.from_documents(
        [Document(id="b", page_content="y")], EMBEDDINGS, uri=tmp_path
    )
    assert [d.id for d in documents.get()] == ["a", "b"]
    texts.close()
    documents.close()


def test_drop_old(tmp_path: Path) -> None:
    with ElanusVectorStore.from_texts(["x"], EMBEDDINGS, uri=tmp_path):
        pass
    with ElanusVectorStore(EMBEDDINGS, uri=tmp_path, drop_old=True) as store:
        assert store.collection is None


def test_from_existing_collection_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="'nope'"):
        ElanusVectorStore.from_existing_collection(EMBEDDINGS, collection_name="nope", uri=tmp_path)
    # The failed call left nothing open.
    with elanus.connect(tmp_path) as database:
        assert database.list_collections() == []


def test_dim_mismatch_message(tmp_path: Path) -> None:
    with ElanusVectorStore(EMBEDDINGS, uri=tmp_path) as store:
        store.add_texts(["x"], ids=["a"])
        wrong = ElanusVectorStore(DeterministicFakeEmbedding(size=5), uri=tmp_path)
        with pytest.raises(EntityError, match=r"dim 4, got 5 \(row 0\)"):
            wrong.add_texts(["y"])
        with pytest.raises(ValueError, match=r"dim 4, got shape \(5,\)"):
            wrong.similarity_search("x")
        wrong.close()
        assert store.count() == 1


@pytest.mark.parametrize(
    ("made", "opened", "message"),
    [
        ({"metric": "IP"}, {"metric": "L2"}, "metric is IP.*opened with L2"),
        ({}, {"sparse": BM25()}, "full-text search is no BM25 field"),
        ({"sparse": BM25("english")}, {"sparse": BM25()}, "analyzer is 'english'.*'standard'"),
        ({"sparse": BM25()}, {"sparse": BM25(k1=2.0)}, "k1=1.2.*k1=2.0"),
        ({}, {"sparse": WordSparse()}, "learned sparse vectors is none"),
    ],
)
def test_other_settings_than_the_stored_ones(
    made: dict[str, Any], opened: dict[str, Any], message: str
) -> None:
    with elanus.connect(":memory:") as database:
        ElanusVectorStore(EMBEDDINGS, database=database, **made).add_texts(["x"])
        with pytest.raises(SchemaError, match=message):
            ElanusVectorStore(EMBEDDINGS, database=database, **opened)


def test_stored_metric_holds_when_none_is_named() -> None:
    with elanus.connect(":memory:") as database:
        ElanusVectorStore(EMBEDDINGS, database=database, metric="L2").add_texts(["x"])
        store = ElanusVectorStore(EMBEDDINGS, database=database)
        assert store.similarity_search_with_score("x")[0][1] == pytest.approx(0.0)
        assert store.similarity_search_with_relevance_scores("x")[0][1] == pytest.approx(1.0)


def test_model_mismatch_is_refused() -> None:
    class Other:
        """Same dim as the hash embedder below, other vectors."""

        info = elanus.plugins.ModelInfo(name="other", dim=16)

        def embed_documents(self, texts: Any) -> Any:
            return np.eye(16, dtype=np.float32)[[len(t) % 16 for t in texts]]

        embed_queries = embed_documents

    model = ElanusEmbeddings(model="hash", model_kwargs={"dim": 16})
    with elanus.connect(":memory:") as database:
        ElanusVectorStore(model, database=database).add_texts(["x"])
        ElanusVectorStore(model, database=database)
        with pytest.raises(ModelMismatchError, match=r"'hash'.*'other'"):
            ElanusVectorStore(ElanusEmbeddings(model=Other()), database=database)


def test_pickle_reopens(tmp_path: Path) -> None:
    with ElanusVectorStore(EMBEDDINGS, uri=tmp_path, sparse=BM25(), partition_key="t") as store:
        view = store.for_tenant("acme")
        view.add_texts(["x"], ids=["a"])
        with pickle.loads(pickle.dumps(view)) as again:
            assert [d.id for d in again.get()] == ["a"]
            assert [d.id for d in again.similarity_search("x")] == ["a"]


def test_token_is_not_serialised(tmp_path: Path) -> None:
    with pytest.raises(elanus.ElanusError) as failed:
        ElanusVectorStore(EMBEDDINGS, uri=tmp_path, token="hunter2")
    assert "hunter2" not in str(failed.value)
    store = ElanusVectorStore(EMBEDDINGS, uri=tmp_path)
    assert "token" not in store.__getstate__()["arguments"]
    assert repr(store) == f"ElanusVectorStore('langchain', {str(tmp_path)!r})"
    store.close()


def test_field_names_of_a_collection_made_elsewhere() -> None:
    fields = [
        elanus.Field("key", elanus.VARCHAR, primary=True),
        elanus.Field("body", elanus.VARCHAR),
        elanus.Field("extra", elanus.JSON, nullable=True),
        elanus.Field("vec", elanus.FLOAT_VECTOR, dim=4, metric="IP"),
    ]
    names = {
        "id_field": "key",
        "text_field": "body",
        "metadata_field": "extra",
        "dense_field": "vec",
    }
    with elanus.connect(":memory:") as database:
        collection = database.create_collection("mine", elanus.Schema(fields))
        vector = EMBEDDINGS.embed_query("x")
        collection.insert([{"key": "a", "body": "x", "extra": None, "vec": vector}])
        store = ElanusVectorStore(EMBEDDINGS, collection_name="mine", database=database, **names)
        store.add_texts(["y"], [{"n": 1}], ids=["b"])
        found = store.similarity_search("x", k=1)
        assert found == [Document(id="a", page_content="x", metadata={})]
        assert store.get({"n": 1}) == [Document(id="b", page_content="y", metadata={"n": 1})]
        with pytest.raises(SchemaError, match="field 'text' is no such field"):
            ElanusVectorStore(EMBEDDINGS, collection_name="mine", database=database, id_field="key")


def test_metadata_indexes_are_asked() -> None:
    kinds = {"n": "DOUBLE", 'a "b".c': "VARCHAR", "tags": "ARRAY_VARCHAR"}
    # Smaller segments are looked at by columns.
    rows = [
        {"n": i % 5000, 'a "b".c': f"v{i % 5000}", "tags": [f"t{i % 5000}"]} for i in range(10_000)
    ]
    with ElanusVectorStore(
        uri=":memory:", sparse=BM25(), metadata_indexes=kinds, index="FLAT"
    ) as store:
        store.add_texts(["x"] * len(rows), rows, ids=[str(i) for i in range(len(rows))])
        collection = store.collection
        assert isinstance(collection, elanus.Collection)
        collection.flush()
        collection.wait_indexed()
        indexes = {i.name: i.indexed_rows for i in collection.list_indexes()}
        paths = ('metadata["n"]', 'metadata["a \\"b\\".c"]', 'metadata["tags"]')
        assert {path: indexes.get(path) for path in paths} == dict.fromkeys(paths, len(rows))
        for condition in ({"n": 7}, {'a "b".c': "v7"}, {"tags": {"$contains": "t7"}}):
            assert [d.id for d in store.get(condition)] == ["5007", "7"]
    with pytest.raises(ValueError, match=r"metadata_indexes\['n'\]: expected one of BOOL.*'INT'"):
        ElanusVectorStore(uri=":memory:", sparse=BM25(), metadata_indexes={"n": "INT"})


def test_import_is_light() -> None:
    code = (
        "import sys, langchain_elanus.extras; "
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'llama_index.core', "
        "'hnswlib', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
