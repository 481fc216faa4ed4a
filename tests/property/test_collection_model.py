"""Any order of writes, flushes, merges and reopenings leaves what a plain dict would hold.

Few keys, so that writes collide; every answer is compared with the slow oracle, as the writer gives
it and as a second handle gives it that only reads and follows the writer.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import elanus
from elanus.errors import EntityExistsError
from support.builders import paper_schema, papers
from support.oracle import bm25_scores, nearest

KEYS = st.integers(0, 11)
BATCHES = st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1, max_size=6)
QUERY = [0.5, -0.2, 1.0, 0.1]


def row_of(pk, seed):
    return papers(1, first=pk, seed=seed)[0]


class CollectionModel(RuleBasedStateMachine):
    @initialize(in_memory=st.booleans())
    def open(self, in_memory):
        self.folder = None if in_memory else Path(tempfile.mkdtemp(prefix="elanus-model-"))
        self.db = elanus.connect(self.folder or ":memory:")
        self.collection = self.db.create_collection("papers", paper_schema())
        self.reader = None
        self.model = {}
        self.properties = {}

    def teardown(self):
        if hasattr(self, "db"):
            self.close_reader()
            self.db.close()
            if self.folder:
                shutil.rmtree(self.folder)

    @rule(batch=BATCHES)
    def upsert(self, batch):
        self.put(batch)

    def put(self, batch):
        rows = [row_of(pk, seed) for pk, seed in batch]
        assert self.collection.upsert(rows) == [pk for pk, _ in batch]
        self.model.update({row["id"]: row for row in rows})

    @rule(batch=BATCHES)
    def insert(self, batch):
        rows = [row_of(pk, seed) for pk, seed in batch]
        keys = [row["id"] for row in rows]
        if len(set(keys)) < len(keys) or not self.model.keys().isdisjoint(keys):
            with pytest.raises(EntityExistsError):
                self.collection.insert(rows)
        else:
            self.collection.insert(rows)
            self.model.update({row["id"]: row for row in rows})

    @rule(keys=st.lists(KEYS, max_size=5))
    def delete(self, keys):
        gone = self.model.keys() & set(keys)
        assert self.collection.delete(keys) == len(gone)
        for key in gone:
            del self.model[key]

    @rule(year=st.integers(1990, 2020))
    def delete_matching(self, year):
        gone = [k for k, row in self.model.items() if row["year"] < year]
        assert self.collection.delete(f"year < {year}") == len(gone)
        for key in gone:
            del self.model[key]

    @rule()
    def flush(self):
        self.collection.flush()

    @rule()
    def compact(self):
        self.collection.compact()
        assert len([s for s in self.collection.stats().segments if s.rows]) <= 1

    @rule(name=st.sampled_from("abc"), value=st.none() | st.integers())
    def set_property(self, name, value):
        self.collection.set_properties({name: value})
        self.properties[name] = value

    @rule(kind=st.sampled_from(["HNSW", "FLAT", "AUTO"]))
    def create_index(self, kind):
        self.collection.create_index("dense", kind)
        self.collection.wait_indexed()

    @precondition(lambda self: self.folder)
    @rule()
    def reopen(self):
        self.db.close()
        self.db = elanus.connect(self.folder)
        self.collection = self.db.collection("papers")

    @precondition(lambda self: self.folder)
    @rule()
    def open_a_copy_as_after_a_crash(self):
        # Copying takes a while, and a file that a merge deletes meanwhile is no crash.
        self.collection.wait_indexed()
        with tempfile.TemporaryDirectory(prefix="elanus-model-") as folder:
            copy = Path(folder) / "copy"
            shutil.copytree(self.folder, copy)
            with elanus.connect(copy) as db:
                self.check(db.collection("papers"))

    @precondition(lambda self: self.folder and self.reader is None)
    @rule()
    def open_reader(self):
        self.reader = elanus.connect(self.folder, read_only=True)
        self.following = self.reader.collection("papers")

    @precondition(lambda self: self.folder)
    @rule()
    def close_reader(self):
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    @precondition(lambda self: self.folder)
    @rule(batch=BATCHES)
    def drop_and_create_again(self, batch):
        self.collection.drop()
        self.collection = self.db.create_collection("papers", paper_schema())
        if self.reader is not None:
            self.following = self.reader.collection("papers")
        self.model, self.properties = {}, {}
        self.put(batch)

    @invariant()
    def answers_equal_the_model(self):
        if not hasattr(self, "model"):
            return
        self.check(self.collection)
        if self.reader is not None:
            self.check(self.following)

    def check(self, collection):
        model = self.model
        assert collection.count() == len(model)
        assert collection.properties == {n: v for n, v in self.properties.items() if v is not None}
        stored = collection.query(output=["title", "year", "meta"])
        wanted = [
            {name: model[key][name] for name in ("title", "year", "meta", "id")}
            for key in sorted(model)
        ]
        assert stored == wanted
        near = nearest("COSINE", QUERY, {k: r["dense"] for k, r in model.items()}, 5)
        hits = collection.search(QUERY, limit=5)
        assert [(h.id, pytest.approx(h.score, abs=1e-5)) for h in hits] == near
        scores = bm25_scores(["graph"], {k: r["title"].split() for k, r in model.items()})
        found = {h.id: h.score for h in collection.search("graph", limit=20)}
        assert found == {k: pytest.approx(s, rel=1e-5) for k, s in scores.items()}


CollectionModel.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestCollectionModel = CollectionModel.TestCase


@pytest.mark.soak
class TestCollectionModelForLong(CollectionModel.TestCase):
    settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
