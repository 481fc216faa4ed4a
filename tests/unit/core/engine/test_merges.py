"""Merging keeps answers, graphs and writers, and gives space back without being asked."""

import os
import threading

import numpy as np
import pytest

import elanus
from elanus.engine import growing
from elanus.engine.background import merged_columns, upkeep
from elanus.engine.database import DatabaseEngine
from elanus.engine.indexing import index_choice
from elanus.index.dense.graph_type import GraphType
from elanus.storage.memory_directory import MemoryDirectory
from support.builders import paper_schema, papers

DIM = 16
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(6_000, DIM)).astype(np.float32)


def vector_schema():
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
        ]
    )


def put(collection, first, stop):
    collection.upsert({"id": np.arange(first, stop), "v": ROWS[first:stop]})


def nearest(query, alive, limit=10):
    distances = ((ROWS[alive] - query) ** 2).sum(axis=1)
    return set(np.asarray(alive)[np.argsort(distances, kind="stable")[:limit]].tolist())


@pytest.fixture
def built(monkeypatch):
    """Rows that graphs were built from and rows that were put into adopted ones."""
    monkeypatch.setattr(index_choice, "MIN_INDEXED_ROWS", 500)
    counts = {"built": [], "adopted": []}
    build, adopt = GraphType.build, GraphType.adopt

    def counted_build(self, rows, params, *, checkpoint):
        counts["built"].append(rows.num_rows)
        return build(self, rows, params, checkpoint=checkpoint)

    def counted_adopt(self, index, rows, mapping, params, *, checkpoint):
        made = adopt(self, index, rows, mapping, params, checkpoint=checkpoint)
        if made is not None:
            counts["adopted"].append(rows.num_rows)
        return made

    monkeypatch.setattr(GraphType, "build", counted_build)
    monkeypatch.setattr(GraphType, "adopt", counted_adopt)
    return counts


def test_a_merged_segment_has_its_graph_when_it_appears(built):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", vector_schema())
        put(collection, 0, 4_000)
        collection.flush()
        collection.wait_indexed()
        assert built == {"built": [4_000], "adopted": []}
        collection.delete(list(range(400)))
        put(collection, 4_000, 5_500)
        collection.flush()
        collection.wait_indexed()
        # The new rows were put into the old graph: nothing was built from nothing.
        assert built == {"built": [4_000], "adopted": [5_100]}
        (segment,) = (s for s in collection.stats().segments if s.rows)
        assert (segment.rows, segment.deleted, segment.indexes) == (5_100, 0, {"v": "GRAPH"})
        alive = np.arange(400, 5_500)
        hits = 0
        for query in ROWS[:300:3]:
            result = collection.search(query, limit=10, ef=100)
            assert not result.is_exact
            assert min(result.ids) >= 400
            hits += len(set(result.ids) & nearest(query, alive))
        assert hits >= 0.97 * 1_000


def test_deleted_rows_never_come_back_from_an_adopted_graph(built):
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", vector_schema())
        put(collection, 0, 2_000)
        collection.flush()
        collection.wait_indexed()
        alive = np.arange(2_000)
        for round_ in range(4):
            dead = np.sort(RNG.choice(alive, 150, replace=False))
            collection.delete(dead.tolist())
            first = 2_000 + round_ * 800
            put(collection, first, first + 800)
            alive = np.concatenate([np.setdiff1d(alive, dead), np.arange(first, first + 800)])
            collection.flush()
            collection.wait_indexed()
            for row in dead[::10].tolist():
                assert row not in collection.search(ROWS[row], limit=20, ef=100).ids
        assert sorted(r["id"] for r in collection.query(output=["id"])) == alive.tolist()
        assert len(built["adopted"]) >= 2


def test_rows_that_die_during_a_merge_stay_dead(built):
    """Deletes and upserts while the graph of the merged segment is being made."""
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", vector_schema())
        put(collection, 0, 3_000)
        collection.flush()
        collection.wait_indexed()
        in_merge, go_on = threading.Event(), threading.Event()
        adopt = GraphType.adopt

        def slow_adopt(self, *arguments, **named):
            in_merge.set()
            assert go_on.wait(30)
            return adopt(self, *arguments, **named)

        GraphType.adopt = slow_adopt
        try:
            put(collection, 3_000, 4_000)
            collection.flush()
            assert in_merge.wait(30)
            # Nobody waits for the merge, and it serves meanwhile.
            assert collection.delete([5, 3_005]) == 2
            collection.upsert([{"id": 6, "v": ROWS[5_999]}])
            assert collection.search(ROWS[5_999], limit=1).ids == [6]
            assert collection.search(ROWS[7], limit=1).ids == [7]
        finally:
            go_on.set()
            GraphType.adopt = adopt
        collection.wait_indexed()
        assert collection.count() == 3_998
        assert collection.get([5, 3_005]) == []
        assert np.allclose(collection.get([6], ["v"])[0]["v"], ROWS[5_999])


def test_every_kind_of_column_survives_a_merge(monkeypatch):
    monkeypatch.setattr(merged_columns, "PART_ROWS", 7)
    monkeypatch.setattr(merged_columns, "PART_BYTES", 100)
    fields = [
        elanus.Field("id", elanus.VARCHAR, primary=True),
        elanus.Field("flag", elanus.BOOL, nullable=True),
        elanus.Field("number", elanus.DOUBLE),
        elanus.Field("text", elanus.VARCHAR, nullable=True),
        elanus.Field("meta", elanus.JSON, nullable=True),
        elanus.Field("numbers", elanus.ARRAY, element_type=elanus.INT32),
        elanus.Field("words", elanus.ARRAY, element_type=elanus.VARCHAR),
        elanus.Field("dense", elanus.FLOAT_VECTOR, dim=4, metric="COSINE"),
        elanus.Field("sparse", elanus.SPARSE_FLOAT_VECTOR),
    ]
    rows = [
        {
            "id": f"k{i}é",
            "flag": None if i % 5 == 0 else i % 2 == 0,
            "number": i / 3,
            "text": None if i % 7 == 0 else "ü" * (i % 4),
            "meta": None if i % 6 == 0 else {"i": i, "s": ["a", "b"][: i % 3]},
            "numbers": list(range(i % 4)),
            "words": [f"w{j}" * j for j in range(i % 3)],
            "dense": [float(i + 1), 0.0, 1.0, -1.0],
            "sparse": dict.fromkeys(range(i % 3), 1.0 + i),
        }
        for i in range(100)
    ]
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", elanus.Schema(fields))
        for start in range(0, 100, 34):
            collection.insert(rows[start : start + 34])
            collection.flush()
        collection.delete([row["id"] for row in rows[::3]])
        collection.compact()
        left = [row for i, row in enumerate(rows) if i % 3]
        names = [field.name for field in fields]
        assert collection.get([row["id"] for row in left], names) == left
        assert len([s for s in collection.stats().segments if s.rows]) == 1


# --- space --------------------------------------------------------------------------------------


def folder_bytes(folder):
    return sum(
        os.path.getsize(os.path.join(root, name))
        for root, _, names in os.walk(folder)
        for name in names
        if name != "BALLAST"
    )


PATTERNS = {
    "random": lambda n: np.random.default_rng(1).permutation(n)[: n * 9 // 10].tolist(),
    "prefix": lambda n: list(range(n * 9 // 10)),
    "every row but the tenth": lambda n: [i for i in range(n) if i % 10],
    "in many calls": lambda n: list(range(n // 10, n)),
}


@pytest.mark.parametrize("pattern", [*PATTERNS, "filter"])
@pytest.mark.parametrize("flush_rows", [700, 1 << 20])
def test_space_comes_back_without_being_asked(tmp_path, monkeypatch, pattern, flush_rows):
    count = 3_000
    monkeypatch.setattr(growing, "FLUSH_ROWS", flush_rows)
    rows = [{**row, "year": row["id"] % 10} for row in papers(count, dim=64)]
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("papers", paper_schema(dim=64))
        for start in range(0, count, 100):
            collection.insert(rows[start : start + 100])
        collection.wait_indexed()
        if pattern == "filter":
            collection.delete("year > 0")
            dead = [row["id"] for row in rows if row["year"] > 0]
        else:
            dead = PATTERNS[pattern](count)
            step = 50 if pattern == "in many calls" else len(dead)
            for start in range(0, len(dead), step):
                collection.delete(dead[start : start + step])
        collection.wait_indexed()
        used = folder_bytes(tmp_path / "kb")
        left = [row for row in rows if row["id"] not in set(dead)]
        assert collection.count() == len(left)
    with elanus.connect(tmp_path / "fresh") as db:
        collection = db.create_collection("papers", paper_schema(dim=64))
        collection.insert(left)
        collection.compact()
        fresh = folder_bytes(tmp_path / "fresh")
    assert used <= 2 * fresh


def test_a_merge_that_did_not_end_is_done_at_the_next_opening(monkeypatch):
    monkeypatch.setattr(growing, "FLUSH_ROWS", 1 << 20)
    directory = MemoryDirectory()
    engine = DatabaseEngine(directory, read_only=False)
    written = engine.create("papers", paper_schema(), {})
    # What a process that was killed leaves: segments, and a merge that nobody began.
    monkeypatch.setattr(
        "elanus.engine.background.maintenance.Maintenance.submit", lambda *a, **k: None
    )
    for first in range(0, 200, 50):
        written.insert(papers(50, first=first))
        written.flush()
    engine.close()
    monkeypatch.undo()
    engine = DatabaseEngine(directory, read_only=False)
    collection = engine.open("papers")
    collection.wait_idle()
    assert [s.rows for s in collection.stats().segments if s.rows] == [200]
    engine.close()


def test_a_build_ends_when_its_segment_is_merged(built):
    """A merge gets its turn inside a build, which is then of no use any more."""
    build = GraphType.build
    in_build, go_on = threading.Event(), threading.Event()

    def slow_build(self, rows, params, *, checkpoint):
        if rows.num_rows == 600:
            in_build.set()
            assert go_on.wait(30)
            checkpoint()
            raise AssertionError("the segment is gone, and its build goes on")
        return build(self, rows, params, checkpoint=checkpoint)

    GraphType.build = slow_build
    try:
        with elanus.connect(":memory:") as db:
            collection = db.create_collection("c", vector_schema())
            put(collection, 0, 600)
            collection.flush()
            waiting = threading.Thread(target=collection.wait_indexed)
            waiting.start()  # ends the pause that a build waits for
            assert in_build.wait(30)
            for first in range(600, 2_400, 600):
                put(collection, first, first + 600)
                collection.flush()
            go_on.set()
            waiting.join()
            collection.wait_indexed()
            (segment,) = (s for s in collection.stats().segments if s.rows)
            assert (segment.rows, segment.indexes) == (2_400, {"v": "GRAPH"})
            assert built["built"] == [2_400]
    finally:
        go_on.set()
        GraphType.build = build


def test_segments_of_a_load_are_merged_before_they_are_indexed(built, monkeypatch):
    monkeypatch.setattr(upkeep, "LEAST_QUIET_S", 60.0)
    monkeypatch.setattr(upkeep, "MOST_QUIET_S", 60.0)
    with elanus.connect(":memory:") as db:
        collection = db.create_collection("c", vector_schema())
        for first in range(0, 4_800, 600):
            put(collection, first, first + 600)
            collection.flush()
        collection.wait_indexed()
        # No graph was built and thrown away: the rows of one were built, the others were added.
        # How many segments a merge found depends on how far the load was.
        if built["adopted"]:
            assert (len(built["built"]), built["adopted"]) == (1, [4_800])
        else:
            assert sum(built["built"]) == 4_800
        assert sum(s.rows for s in collection.stats().segments if s.indexes) == 4_800
