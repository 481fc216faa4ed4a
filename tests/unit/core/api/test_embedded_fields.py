"""A field whose vectors are made of a text, at writes and at queries, by a real plug-in."""

import numpy as np
import pytest

import elanus
from elanus import BM25, DataType, Embedding, Field, Leg, Rerank, Schema
from elanus.engine.writing.embedding import with_models
from elanus.errors import (
    EntityError,
    InvalidArgumentError,
    ModelMismatchError,
    PluginNotInstalledError,
    SchemaError,
)
from elanus.plugins import RerankerInfo, ScoreKind, get_embedder

TEXTS = [
    "graphs of neighbours",
    "keyword search with BM25",
    "durable write-ahead logs",
    "a mountain lake in winter",
    "fresh bread and butter",
]
MODEL = get_embedder("hash")


def schema(**options):
    options = {"embedding": Embedding("text", "hash"), **options}
    return Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("text", DataType.VARCHAR, analyzer="standard", nullable=True),
            Field("dense", DataType.FLOAT_VECTOR, **options),
            Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
            Field("n", DataType.INT64, nullable=True),
        ]
    )


def documents(texts):
    return np.asarray(MODEL.embed_documents(texts), dtype=np.float32)


@pytest.fixture
def collection(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        yield database.create_collection("kb", schema())


def stored(collection, *pks):
    return np.array([e["dense"] for e in collection.get(list(pks), ["dense"])], dtype=np.float32)


def test_texts_become_vectors_and_so_do_queries(collection):
    collection.insert([{"id": i, "text": text} for i, text in enumerate(TEXTS)])
    assert collection.schema.field("dense").dim == MODEL.info.dim
    assert np.array_equal(stored(collection, *range(5)), documents(TEXTS))
    for i, text in enumerate(TEXTS):
        assert collection.search(text, "dense", 1).ids == [i]
    several = collection.search(TEXTS[2:4], "dense", 1)
    assert [found.ids for found in several] == [[2], [3]]
    legs = [Leg("dense", "keyword search"), Leg("bm25", "keyword search")]
    assert collection.hybrid_search(legs, limit=1).ids == [1]
    vector = MODEL.embed_queries(["winter lake"])[0]
    assert collection.search(vector, "dense", 3).ids == (
        collection.search("winter lake", "dense", 3).ids
    )


def test_a_given_vector_is_kept(collection):
    given = documents(["something else"])[0]
    collection.insert({"id": [1, 2], "text": TEXTS[:2], "dense": [given, None]})
    assert np.array_equal(stored(collection, 1)[0], given)
    assert np.array_equal(stored(collection, 2), documents(TEXTS[1:2]))


def test_a_changed_text_gets_a_new_vector(collection):
    collection.insert([{"id": 1, "text": TEXTS[0]}])
    collection.upsert([{"id": 1, "n": 4}], partial=True)
    assert np.array_equal(stored(collection, 1), documents(TEXTS[:1]))
    collection.upsert([{"id": 1, "text": TEXTS[3]}], partial=True)
    assert np.array_equal(stored(collection, 1), documents(TEXTS[3:4]))
    assert collection.search("winter", "bm25", 3).ids == [1]


@pytest.mark.parametrize("kind", ["rows", "columns", "jsonl"])
def test_imports_embed_too(collection, tmp_path, kind):
    rows = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    source = rows
    if kind == "columns":
        source = {"id": np.arange(5), "text": TEXTS}
    elif kind == "jsonl":
        source = tmp_path / "rows.jsonl"
        source.write_text("\n".join(f'{{"id": {r["id"]}, "text": "{r["text"]}"}}' for r in rows))
    collection.import_data(source)
    assert np.array_equal(stored(collection, *range(5)), documents(TEXTS))


def test_without_a_text_there_is_no_vector(collection, tmp_path):
    with pytest.raises(EntityError, match=r"no vector is given.*row 1"):
        collection.insert([{"id": 1, "text": "a"}, {"id": 2}])
    assert collection.count() == 0
    with pytest.raises(EntityError, match="no vector is given"):
        collection.upsert([{"id": 1, "dense": None}], partial=True)
    with elanus.connect(tmp_path / "other") as database:
        made = database.create_collection("kb", schema(nullable=True))
        made.insert([{"id": 1, "text": "a lake"}, {"id": 2}])
        assert made.search("lake", "dense", 5).ids == [1]


def test_the_model_is_built_again_and_compared_at_opening(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection("kb", schema(embedding=Embedding("text", MODEL)))
        made.insert([{"id": 1, "text": TEXTS[0]}])
        known = made.schema.field("dense").embedding
        assert known.embedder == "hash"
        assert known.fingerprint
    with elanus.connect(tmp_path / "kb") as database:
        again = database.collection("kb")
        assert again.search(TEXTS[0], "dense", 1).ids == [1]
    with elanus.connect(tmp_path / "kb2") as database:
        shrunk = Embedding("text", "hash", {"dim": MODEL.info.dim // 2}, known.fingerprint)
        made = database.create_collection("kb", schema(embedding=shrunk, dim=MODEL.info.dim))
        with pytest.raises(ModelMismatchError, match="field 'dense'"):
            made.insert([{"id": 1, "text": "a"}])


def test_a_field_with_a_model_can_be_added_later(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        made = database.create_collection(
            "kb", Schema([Field("id", DataType.INT64, primary=True), Field("t", DataType.VARCHAR)])
        )
        made.insert([{"id": 1, "t": TEXTS[0]}])
        embedding = Embedding("t", "hash")
        made.add_field(Field("v", DataType.FLOAT_VECTOR, embedding=embedding, nullable=True))
        made.insert([{"id": 2, "t": TEXTS[1]}])
        assert made.search(TEXTS[0], "v", 5).ids == [2]
        made.upsert([{"id": 1, "t": TEXTS[0]}], partial=True)
        assert made.search(TEXTS[0], "v", 5).ids == [1, 2]


class Unknown:
    """An embedder that nothing can build again."""

    info = MODEL.info
    embed_documents = MODEL.embed_documents
    embed_queries = MODEL.embed_queries


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"embedding": Embedding("text", "no-such")}, PluginNotInstalledError, "no-such"),
        ({"dim": 7}, SchemaError, "declared with dim=7"),
        ({"embedding": Embedding("text", Unknown())}, InvalidArgumentError, "has no config"),
    ],
)
def test_models_that_cannot_be(tmp_path, options, error, message):
    with elanus.connect(tmp_path / "kb") as database:
        with pytest.raises(error, match=message):
            database.create_collection("kb", schema(**options))
        assert database.list_collections() == []


def test_only_texts_are_embedded():
    with pytest.raises(SchemaError, match="VARCHAR field named 'words'"):
        schema(embedding=Embedding("words", "hash"))
    with pytest.raises(SchemaError, match="fills a FLOAT_VECTOR"):
        Field("v", DataType.INT8_VECTOR, dim=8, embedding=Embedding("t", "hash"))


class Words:
    """Reranker that counts the words of the query in a text."""

    info = RerankerInfo("words", ScoreKind.RELEVANCE)

    def score(self, query, documents):
        counts = [sum(text.split().count(word) for word in query.split()) for text in documents]
        return np.array(counts, dtype=np.float32)


def test_a_reranker_reads_for_the_text_that_was_embedded(collection):
    collection.insert([{"id": i, "text": text} for i, text in enumerate(TEXTS)])
    ranker = Rerank(Words())
    assert collection.search("lake in winter", "dense", 1, ranker=ranker)[0].score == 3.0
    several = collection.search(["BM25 with keyword", "bread and"], "dense", 1, ranker=ranker)
    assert [(one.ids, one[0].score) for one in several] == [([1], 3.0), ([4], 2.0)]
    legs = [Leg("dense", "bread and butter"), Leg("bm25", "logs")]
    assert collection.hybrid_search(legs, limit=1, ranker=ranker)[0].score == 3.0


def test_model_of_a_field_is_given_altered_and_taken_away(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        plain = schema(embedding=None, dim=MODEL.info.dim)
        collection = database.create_collection("kb", plain)
        given = documents(["anything"])[0]
        collection.insert([{"id": 1, "text": TEXTS[0], "dense": given}])
        collection.alter_field("dense", embedding=Embedding("text", "hash"))
        collection.insert([{"id": 2, "text": TEXTS[1]}])
        assert np.array_equal(stored(collection, 1, 2), [given, documents(TEXTS[1:2])[0]])
        assert collection.search(TEXTS[1], "dense", 1).ids == [2]
        # A model that makes other vectors, of another text, or of another dim.
        for wrong in (Embedding("text", "hash", {"dim": 8}), Embedding("n", "hash")):
            with pytest.raises(SchemaError, match="field 'dense'"):
                collection.alter_field("dense", embedding=wrong)
        assert collection.schema.field("dense").embedding.params == {}
        same = {"dim": MODEL.info.dim}
        collection.alter_field("dense", embedding=Embedding("text", "hash", same))
        assert collection.schema.field("dense").embedding.params == same
        collection.alter_field("dense", embedding=None)
        with pytest.raises(EntityError, match="dense"):
            collection.insert([{"id": 3, "text": TEXTS[2]}])
        assert np.array_equal(stored(collection, 2), documents(TEXTS[1:2]))
    with elanus.connect(tmp_path / "kb") as database:
        assert database.collection("kb").schema.field("dense").embedding is None


def test_model_that_makes_other_vectors_is_refused():
    other = Embedding("text", "other", fingerprint="of another model")
    before = schema(embedding=other, dim=MODEL.info.dim)
    with pytest.raises(SchemaError, match="its vectors were made by 'other', and 'hash' makes"):
        with_models(schema(), before)
    assert with_models(schema(), with_models(schema())) == with_models(schema())
