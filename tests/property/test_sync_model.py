"""Whatever edits a source sees, a sync leaves what an obvious twin says: a dict of documents.

The twin also says what has to be embedded: texts of chunks that their document did not have.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus import BM25, VARCHAR, Embedding, Field, Schema
from elanus.plugins import ModelInfo
from elanus.sync import Chunk, DocumentEntry, Lineage, SourceDocument

DIM = 3
IDS = st.sampled_from(["one", "two", "three", "four"])
TEXTS = st.lists(st.sampled_from(["a", "b", "c", "dd", "e e"]), max_size=4)
DOCUMENTS = st.dictionaries(IDS, st.tuples(TEXTS, st.integers(0, 1)), max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sync"), st.sampled_from(["s", "t"]), DOCUMENTS, st.booleans()),
        st.tuples(st.just("flush")),
        st.tuples(st.just("compact")),
        st.tuples(st.just("reopen")),
        st.tuples(st.just("insert")),
        st.tuples(st.just("delete"), st.integers(0, 10)),
    ),
    max_size=8,
)


class Embedder:
    """Keeps what it was asked for."""

    info = ModelInfo("kept", dim=DIM)

    def __init__(self):
        self.asked = Counter()

    def embed_documents(self, texts):
        self.asked.update(texts)
        return np.array([vector_of(text) for text in texts], np.float32).reshape(-1, DIM)

    embed_queries = embed_documents


def vector_of(text):
    return [1.0, float(len(text)), float(ord(text[0]))]


class Source:
    """Documents whose state is what they hold, if they say it at all."""

    def __init__(self, name, documents, says_state):
        self.name = name
        self._documents = documents
        self._says_state = says_state

    def documents(self):
        for id_, (texts, year) in self._documents.items():
            made = SourceDocument(id_, chunks=[Chunk(t) for t in texts], metadata={"year": year})
            state = repr((texts, year)) if self._says_state else None
            yield DocumentEntry(id_, lambda made=made: made, state)


class Twin:
    """What is stored: by source and document its texts in order, and a number."""

    def __init__(self):
        self.sources = {"s": {}, "t": {}}
        self.others = 0

    def sync(self, name, documents):
        """Return added, changed, unchanged, deleted, empty, and the texts to embed."""
        old = self.sources[name]
        new = {id_: made for id_, made in documents.items() if made[0]}
        same = {id_ for id_ in new if old.get(id_) == new[id_]}
        asked = Counter()
        for id_ in new.keys() - same:
            had = set(old[id_][0]) if id_ in old else set()
            asked.update(text for text in new[id_][0] if text not in had)
        self.sources[name] = new
        return (
            new.keys() - old.keys(),
            (new.keys() & old.keys()) - same,
            same,
            old.keys() - new.keys(),
            documents.keys() - new.keys(),
            asked,
        )


def schema():
    return Schema(
        [
            Field("id", VARCHAR, primary=True),
            Field("text", VARCHAR, analyzer="standard"),
            Field("dense", elanus.FLOAT_VECTOR, dim=DIM),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ],
        dynamic=True,
    )


def check(collection, twin):
    found = {"s": {}, "t": {}}
    others = 0
    for entity in collection.query(output=["*"]):
        assert np.allclose(entity["dense"], vector_of(entity["text"]))
        if entity.get("lineage") is None:
            others += 1
            continue
        lineage = Lineage.from_json(entity["lineage"])
        texts, years = found[lineage.source].setdefault(lineage.document, ({}, set()))
        assert lineage.place not in texts
        texts[lineage.place] = entity["text"]
        years.add(entity["year"])
    stored = {
        name: {
            id_: ([texts[n] for n in sorted(texts)], years.pop())
            for id_, (texts, years) in documents.items()
        }
        for name, documents in found.items()
    }
    assert stored == twin.sources
    assert others == twin.others


@given(steps=STEPS)
def test_edits(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("db")
    db = elanus.connect(folder)
    collection = db.create_collection("made", schema())
    twin = Twin()
    try:
        for step in steps:
            if step[0] == "sync":
                _sync(collection, twin, *step[1:])
            elif step[0] == "reopen":
                db.close()
                db = elanus.connect(folder)
                collection = db.collection("made")
            elif step[0] == "insert":
                row = {"id": f"mine {twin.others}", "text": "a", "dense": vector_of("a")}
                collection.insert([row])
                twin.others += 1
            elif step[0] == "delete":
                _delete(collection, twin, step[1])
                continue
            else:
                getattr(collection, step[0])()
            check(collection, twin)
    finally:
        db.close()


def _sync(collection, twin, name, documents, says_state):
    source = Source(name, documents, says_state)
    planned = collection.sync(source, dry_run=True, embedder=(idle := Embedder()))
    embedder = Embedder()
    report = collection.sync(source, embedder=embedder)
    added, changed, unchanged, deleted, empty, asked = twin.sync(name, documents)
    for one in (planned, report):
        assert set(one.added) == added
        assert set(one.changed) == changed
        assert set(one.unchanged) == unchanged
        assert set(one.deleted) == deleted
        assert set(one.empty) == empty
        assert one.embedded == sum(asked.values())
    assert embedder.asked == asked
    assert not idle.asked


def _delete(collection, twin, number):
    """Take a document away behind the back of its source: it comes back at the next sync."""
    known = sorted((name, id_) for name in twin.sources for id_ in twin.sources[name])
    if not known:
        return
    name, id_ = known[number % len(known)]
    collection.delete(
        filter='lineage["source"] == {source} and lineage["document"] == {document}',
        params={"source": name, "document": id_},
    )
    del twin.sources[name][id_]
    check(collection, twin)


def test_the_engine_embeds_what_the_twin_says(tmp_path):
    """The same for a field that was declared with its model, once by hand."""
    fields = [f for f in schema().fields if f.name != "dense"]
    fields.append(Field("dense", elanus.FLOAT_VECTOR, embedding=Embedding("text", "hash")))
    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("made", Schema(fields, dynamic=True))
        collection.sync(Source("s", {"one": (["a", "b"], 0)}, True))
        report = collection.sync(Source("s", {"one": (["b", "c", "a"], 1)}, True))
        assert (report.changed, report.embedded, report.chunks) == (["one"], 1, 3)
        vectors = {e["text"]: e["dense"] for e in collection.query(output=["text", "dense"])}
        model = db.documents("other", embedder="hash").embedder
        for text, vector in vectors.items():
            assert np.allclose(vector, model.embed_documents([text])[0])
