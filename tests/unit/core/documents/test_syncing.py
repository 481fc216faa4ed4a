"""Documents follow a source: what is kept of each, tenants apart, and the model is the same."""

import pytest

import elanus
from elanus.errors import ModelMismatchError
from elanus.plugins import get_embedder
from elanus.sync import Chunk, SourceDocument
from elanus_embeddings import CachedEmbedder, HashEmbedder

OLD = [
    SourceDocument("a.md", chunks=["keys rotate", Chunk("copies move", {"page": 2})]),
    SourceDocument("b.md", "plain words", metadata={"year": 1999}),
]
NEW = [OLD[1], SourceDocument("a.md", chunks=[Chunk("copies move", {"page": 3}), "keys stay"])]


@pytest.fixture
def database(tmp_path):
    with elanus.connect(tmp_path / "db") as opened:
        yield opened


def contents(documents):
    return {(d.text, d.ref_doc_id, *sorted(d.metadata.items())) for d in documents.query()}


def test_documents(database):
    documents = database.documents("made", embedder="hash", language="english")
    assert documents.sync(OLD, source="s", dry_run=True).embedded == 3
    assert len(documents) == 0
    assert documents.sync(OLD, source="s").added == ["a.md", "b.md"]
    assert documents.get(["b.md"])[0].metadata == {"year": 1999}
    before = {d.text: d.vector.tolist() for d in documents.query(with_vectors=True)}
    report = documents.sync(NEW, source="s")
    assert (report.changed, report.unchanged, report.embedded) == (["a.md"], ["b.md"], 1)
    assert contents(documents) == {
        ("copies move", "a.md", ("page", 3)),
        ("keys stay", "a.md"),
        ("plain words", "b.md", ("year", 1999)),
    }
    after = {d.text: d.vector.tolist() for d in documents.query(with_vectors=True)}
    assert after["copies move"] == before["copies move"]
    assert documents.search("stay", limit=1)[0].text == "keys stay"
    assert [one.name for one in documents.collection.sources()] == ["s"]


def test_texts_alone(database):
    documents = database.documents("made")
    documents.sync(OLD, source="s")
    assert documents.search("rotate", limit=1)[0].ref_doc_id == "a.md"


def test_another_model_is_refused_and_a_cache_is_not(database, tmp_path):
    documents = database.documents("made", embedder="hash")
    with pytest.raises(ModelMismatchError):
        documents.sync(OLD, source="s", embedder=HashEmbedder(dim=64))
    with CachedEmbedder(get_embedder("hash"), tmp_path / "cache") as cached:
        documents.sync(OLD, source="s", embedder=cached)
        assert cached.misses >= 3
    assert len(documents) == 3
    with pytest.raises(TypeError, match="did you mean 'version'"):
        documents.sync(OLD, source="s", versoin="2")


def test_tenants(database):
    documents = database.documents("made", embedder="hash", partition_key="owner")
    mine, yours = documents.for_tenant("me"), documents.for_tenant("you")
    mine.sync(OLD, source="s")
    yours.sync(OLD[1:], source="s")
    assert (len(mine), len(yours), len(documents)) == (3, 1, 4)
    assert mine.sync(OLD, source="s").unchanged == ["a.md", "b.md"]
    assert mine.get(["b.md"])[0].text == "plain words"
    mine.sync([], source="s")
    assert (len(mine), len(yours)) == (0, 1)
