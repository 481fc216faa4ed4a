"""Documents: texts in, texts out."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.errors import (
    EntityError,
    InvalidArgumentError,
    ModelMismatchError,
    PluginNotInstalledError,
    SchemaError,
)
from elanus.plugins import ModelInfo, RerankerInfo, ScoreKind
from elanus.types import Float32Array

TEXTS = ["rotate the signing key", "apples and pears", "keys of a piano"]
IDS = ["keys", "pears", "piano"]
METADATA = [{"year": 2024}, {"year": 2020}, {"year": 2024, "tags": ["music"]}]


@pytest.fixture
def database() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as opened:
        yield opened


@pytest.fixture
def documents(database: elanus.Database) -> elanus.documents.Documents:
    made = database.documents("kb", embedder="hash", language="english")
    made.add(TEXTS, ids=IDS, metadata=METADATA)
    return made


class Table:
    """Embedder by a table; counts what it embeds."""

    info = ModelInfo(name="table", dim=2)

    def __init__(self) -> None:
        self.embedded = 0

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        self.embedded += len(texts)
        return np.array([[len(t), 1.0] for t in texts], dtype=np.float32).reshape(-1, 2)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self.embed_documents(texts)


def test_one_text_is_no_list_of_texts(documents: elanus.documents.Documents) -> None:
    with pytest.raises(EntityError, match="got one str; write \\[text\\]"):
        documents.add("Keys rotate.")
    # Letters of an id would be other ids, and some may exist.
    documents.add(["one", "two"], ids=["k", "e"])
    with pytest.raises(EntityError, match="ids: expected a list of str, got one str"):
        documents.add(["one", "two"], ids="ke")
    for call in (documents.get, documents.delete):
        with pytest.raises(InvalidArgumentError, match=r"got one str; write \['ke'\]"):
            call("ke")
    with pytest.raises(InvalidArgumentError, match=r"got None; query\(\) returns all"):
        documents.get(None)  # type: ignore[arg-type]
    assert documents.count() == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"query": None}, "query: expected a str, got NoneType"),
        ({"query": ["keys"]}, "query: expected a str, got list"),
        ({"limit": "2"}, "limit: expected an integer, at least 1, got str '2'"),
        ({"limit": None}, "limit: expected an integer, at least 1, got NoneType None"),
        ({"limit": True}, "limit: expected an integer, at least 1, got bool True"),
        ({"offset": 0.5}, "offset: expected an integer, 0 or more, got float 0.5"),
        ({"fusion": "rrf"}, r"fusion: expected RRF\(...\), .* got str"),
    ],
)
def test_a_search_says_what_it_cannot_take(
    documents: elanus.documents.Documents, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        documents.search(**{"query": "keys", **options})


def test_add_and_search(documents: elanus.documents.Documents) -> None:
    hits = documents.search("how do I rotate a key?", limit=2, filter={"year": {"$gte": 2024}})
    assert [h.id for h in hits] == ["keys", "piano"]
    assert (hits[0].text, hits[0].metadata) == (TEXTS[0], METADATA[0])
    # First of both legs.
    assert hits[0].score == pytest.approx(2 / 61)
    assert hits[0].relevance == pytest.approx(1.0)
    assert [(leg.name, leg.rank) for leg in hits[0].explanation.legs] == [
        ("dense", 1),
        ("bm25", 1),
    ]


def test_words_of_the_query_are_marked(documents: elanus.documents.Documents) -> None:
    marker = elanus.Highlighter(pre_tags="[", post_tags="]", num_of_fragments=None)
    for mode in ("hybrid", "bm25"):
        hits = documents.search("rotating keys", mode=mode, highlight=marker)
        marked = {hit.id: hit.highlights for hit in hits}
        assert marked["keys"] == ("[rotate] the signing [key]",)
        assert marked["piano"] == ("[keys] of a piano",)
        assert marked.get("pears", ()) == ()
    assert all(hit.highlights == () for hit in documents.search("rotating keys"))
    with pytest.raises(InvalidArgumentError, match="no BM25 field is searched"):
        documents.search("key", mode="dense", highlight=marker)


def test_modes(documents: elanus.documents.Documents) -> None:
    assert [h.id for h in documents.search("key", mode="bm25")] == ["piano", "keys"]
    assert [h.id for h in documents.search(TEXTS[1], mode="dense", limit=1)] == ["pears"]
    with pytest.raises(InvalidArgumentError, match="'dense', 'sparse', 'bm25', 'hybrid'"):
        documents.search("key", mode="fuzzy")
    with pytest.raises(InvalidArgumentError, match="offers only dense, bm25"):
        documents.search("key", mode="sparse")


def test_get_query_count_delete(documents: elanus.documents.Documents) -> None:
    assert [d.id for d in documents.get(["piano", "missing", "keys"])] == ["piano", "keys"]
    assert [d.id for d in documents.query({"year": 2024})] == ["keys", "piano"]
    assert [d.id for d in documents.query("year == 2024", limit=1, offset=1)] == ["piano"]
    (with_vector,) = documents.query({"year": 2020}, with_vectors=True)
    assert with_vector.vector is not None
    assert documents.embedder is not None
    expected = documents.embedder.embed_documents([TEXTS[1]])[0]
    assert np.allclose(with_vector.vector, expected)
    assert documents.count({"tags": {"$contains": "music"}}) == 1
    assert documents.delete(["keys", "missing"]) == 1
    assert documents.delete(filter={"year": 2020}) == 1
    assert documents.delete([]) == 0
    with pytest.raises(InvalidArgumentError, match="clear"):
        documents.delete()
    assert len(documents) == 1
    assert documents.clear() == 1
    assert documents.search("key") == []


def test_ids_are_generated_and_replace(database: elanus.Database) -> None:
    documents = database.documents("kb")
    made = documents.add(["one", "two"])
    assert [uuid.UUID(i).version for i in made] == [4, 4]
    documents.add(["changed"], ids=made[:1], metadata=[{"n": 1}])
    assert [(d.text, d.metadata) for d in documents.get(made)] == [
        ("changed", {"n": 1}),
        ("two", {}),
    ]


def test_without_embedder_search_is_bm25(database: elanus.Database) -> None:
    documents = database.documents("kb", language="english")
    documents.add(["rotating keys", "apples"], ids=["a", "b"])
    assert [h.id for h in documents.search("rotate the key")] == ["a"]
    assert repr(documents) == "Documents('kb', BM25 only)"


def test_finished_embeddings_and_progress(database: elanus.Database) -> None:
    embedder = Table()
    documents = database.documents("kb", embedder=embedder)
    before = embedder.embedded
    documents.add(["x"], ids=["a"], embeddings=np.array([[9.0, 1.0]], dtype=np.float32))
    assert embedder.embedded == before
    steps: list[tuple[int, int]] = []
    documents.add(["y"] * 3, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(3, 3)]
    with pytest.raises(EntityError, match=r"dim 2, got 3 \(row 0\)"):
        documents.add(["z"], embeddings=[[1.0, 2.0, 3.0]])
    assert documents.count() == 4


def test_bad_input_is_refused_before_it_is_embedded(database: elanus.Database) -> None:
    embedder = Table()
    documents = database.documents("kb", embedder=embedder)
    before = embedder.embedded
    bad: list[dict[str, Any]] = [{"metadata": [{}, {1: 2}]}, {"ids": ["a", ""]}, {"ids": ["a"]}]
    for arguments in bad:
        with pytest.raises(EntityError):
            documents.add(["x", "y"], **arguments)
    assert (embedder.embedded, documents.count()) == (before, 0)


def test_reopening_needs_only_the_name(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as database:
        documents = database.documents("kb", embedder="hash", language="english")
        documents.add(TEXTS, ids=IDS)
        expected = documents.search("rotate keys")
    with elanus.connect(tmp_path) as database:
        again = database.documents("kb")
        assert again.embedder is not None
        assert again.embedder.info.name == "hash"
        assert again.search("rotate keys") == expected


def test_other_model_is_refused(database: elanus.Database) -> None:
    database.documents("kb", embedder="hash").add(["x"])
    with pytest.raises(ModelMismatchError, match=r"'hash' \(dim 256\).*'table' \(dim 2\)"):
        database.documents("kb", embedder=Table())


def test_model_that_cannot_be_built_again(database: elanus.Database) -> None:
    database.documents("kb", embedder=Table()).add(["x"])
    assert database.documents("kb", embedder=Table()).count() == 1
    with pytest.raises(PluginNotInstalledError, match="'table' is an object of your own"):
        database.documents("kb")


def test_other_language_is_refused(database: elanus.Database) -> None:
    database.documents("kb", language="english")
    with pytest.raises(SchemaError, match="analyzer is 'english'"):
        database.documents("kb", language="standard")


class ByLength:
    info = RerankerInfo(name="by-length", score_kind=ScoreKind.LOGIT)

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        return np.array([len(d) for d in documents], dtype=np.float32)


def test_rerank(database: elanus.Database, documents: elanus.documents.Documents) -> None:
    hits = documents.search("key", rerank=ByLength(), limit=2)
    assert [(h.id, h.score) for h in hits] == [("keys", 22.0), ("pears", 16.0)]
    assert [h.id for h in documents.search("key", rerank=ByLength(), limit=1, offset=1)] == [
        "pears"
    ]
    with pytest.raises(InvalidArgumentError, match="without a reranker"):
        documents.search("key", rerank=True)
    own = database.documents("kb", reranker=ByLength())
    assert [h.id for h in own.search("key", limit=2)] == ["keys", "pears"]
    assert own.search("key", rerank=False) == documents.search("key")


def test_tenants(database: elanus.Database) -> None:
    documents = database.documents("kb", partition_key="tenant")
    acme, other = documents.for_tenant("acme"), documents.for_tenant("other")
    acme.add(["shared words"], ids=["1"])
    other.add(["shared words", "more"], ids=["1", "2"])
    assert [h.id for h in acme.search("shared")] == ["1"]
    assert (acme.count(), other.count(), documents.count()) == (1, 2, 3)
    other.delete(["1"])
    assert acme.count() == 1


def test_unknown_option(database: elanus.Database) -> None:
    with pytest.raises(TypeError, match="did you mean 'metric'"):
        database.documents("kb", metrics="L2")


def test_metric_of_the_collection(database: elanus.Database) -> None:
    documents = database.documents("kb", embedder="hash", metric="L2")
    documents.add(["x"], ids=["a"])
    (hit,) = documents.search("x", mode="dense")
    assert (hit.score, hit.relevance) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert documents.collection.schema.field("dense").metric == "L2"


class Length:
    """Reranker to whom longer texts are more relevant."""

    info = RerankerInfo("length", ScoreKind.PROBABILITY)

    def __init__(self) -> None:
        self.queries: list[str] = []

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        self.queries.append(query)
        return np.array([len(text) / 100 for text in documents], dtype=np.float32)


@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_rankers_read_metadata(documents: elanus.documents.Documents, mode: str) -> None:
    plain = {h.id: h.score for h in documents.search("key", mode=mode)}
    decay = elanus.Decay("year", "exp", origin=2024, scale=4)
    hits = documents.search("key", mode=mode, ranker=decay)
    wanted = {pk: s * (0.5 if pk == "pears" else 1.0) for pk, s in plain.items()}
    assert {h.id: h.score for h in hits} == pytest.approx(wanted)
    boosted = documents.search("key", mode=mode, ranker=elanus.Boost({"tags": ["music"]}, 100.0))
    assert boosted[0].id == "piano"
    assert boosted[0].score == pytest.approx(100 * plain["piano"])
    by_text = elanus.FunctionScore([elanus.Boost("year == 2024", 3.0)])
    chained = documents.search("key", mode=mode, ranker=[decay, by_text])
    assert {h.id: h.score for h in chained} == pytest.approx(
        {pk: s * (1 if pk == "pears" else 3) for pk, s in wanted.items()}
    )
    relevances = [h.relevance for h in hits]
    assert relevances == sorted(relevances, reverse=True)
    assert all(0 <= r <= 1 for r in relevances)


@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_a_model_in_a_chain_reads_the_texts(
    documents: elanus.documents.Documents, mode: str
) -> None:
    model = Length()
    hits = documents.search("key piano", mode=mode, ranker=elanus.Rerank(model))
    assert model.queries == ["key piano"]
    lengths = {pk: len(text) / 100 for pk, text in zip(IDS, TEXTS, strict=True)}
    assert [(h.id, h.score) for h in hits] == sorted(
        ((h.id, pytest.approx(lengths[h.id])) for h in hits), key=lambda s: -lengths[s[0]]
    )
    assert [h.relevance for h in hits] == pytest.approx([h.score for h in hits])
    assert hits[0].explanation is not None
    assert "Rerank(length)" in str(hits[0].explanation)


def test_dbsf_of_documents(documents: elanus.documents.Documents) -> None:
    hits = documents.search("key", fusion=elanus.DBSF(), mode="hybrid")
    assert "DBSF" in str(hits[0].explanation)
    assert all(0 <= h.relevance <= 1 for h in hits)


def test_a_decay_that_names_nothing(documents: elanus.documents.Documents) -> None:
    with pytest.raises(InvalidArgumentError, match="Decay: "):
        documents.search("key", ranker=elanus.Decay("year >"))
