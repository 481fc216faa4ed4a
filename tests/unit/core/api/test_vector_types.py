"""Vectors of every type through every write, against a dict and NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus.api.collection import Collection
from elanus.errors import CorruptionError, EntityError, InvalidArgumentError, SchemaError
from elanus.kernels.bfloat16 import from_bfloat16, to_bfloat16

DIM = 24
KINDS = [
    ("FLOAT16_VECTOR", "L2"),
    ("FLOAT16_VECTOR", "IP"),
    ("FLOAT16_VECTOR", "COSINE"),
    ("BFLOAT16_VECTOR", "L2"),
    ("BFLOAT16_VECTOR", "IP"),
    ("BFLOAT16_VECTOR", "COSINE"),
    ("INT8_VECTOR", "L2"),
    ("INT8_VECTOR", "IP"),
    ("INT8_VECTOR", "COSINE"),
    ("BINARY_VECTOR", "HAMMING"),
    ("BINARY_VECTOR", "JACCARD"),
    ("BINARY_VECTOR", "MHJACCARD_8"),
]
Model = dict[int, dict[str, Any]]


def schema(kind: str, metric: str) -> elanus.Schema:
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("even", elanus.BOOL),
            elanus.Field("v", kind, dim=DIM, metric=metric),  # type: ignore[arg-type]
        ]
    )


def vectors(kind: str, count: int, seed: int) -> Any:
    """Return vectors as they are stored, as a user gets them back."""
    rng = np.random.default_rng(seed)
    if kind == "BINARY_VECTOR":
        made = rng.integers(0, 4, (count, DIM // 8), dtype=np.uint8)  # few bits: many ties
        made[::9] = 0
        return made
    if kind == "INT8_VECTOR":
        return rng.integers(-128, 128, (count, DIM), dtype=np.int8)
    numbers = rng.normal(size=(count, DIM)).astype(np.float32)
    numbers[::9] = 0
    if kind == "FLOAT16_VECTOR":
        return numbers.astype(np.float16)
    return from_bfloat16(to_bfloat16(numbers))


def score(metric: str, query: Any, row: Any) -> float:
    if metric in ("HAMMING", "JACCARD"):
        q, x = np.unpackbits(query), np.unpackbits(row)
        differing = int((q != x).sum())
        if metric == "HAMMING":
            return differing
        return differing / max(int((q | x).sum()), 1)
    if metric == "MHJACCARD_8":
        return float((query == row).mean())
    q, x = query.astype(np.float64), row.astype(np.float64)
    if metric == "L2":
        return float(((q - x) ** 2).sum())
    lengths = float(np.linalg.norm(q) * np.linalg.norm(x)) if metric == "COSINE" else 1.0
    return float(q @ x) / lengths if lengths else 0.0


def expected(model: Model, metric: str, query: Any, limit: int) -> list[tuple[int, float]]:
    sign = -1.0 if metric in ("IP", "COSINE", "MHJACCARD_8") else 1.0
    found = [(pk, score(metric, query, row["v"])) for pk, row in model.items()]
    return sorted(found, key=lambda s: (sign * round(s[1], 4), s[0]))[:limit]


class Written:
    """A collection and the dict that it has to equal."""

    def __init__(self, folder: Path, kind: str, metric: str) -> None:
        self.folder, self.kind, self.metric = folder, kind, metric
        self.db = elanus.connect(folder)
        self.collection: Collection = self.db.create_collection("c", schema(kind, metric))
        self.model: Model = {}
        self.written = 0

    def rows(self, keys: list[int]) -> list[dict[str, Any]]:
        self.written += 1
        made = vectors(self.kind, len(keys), self.written)
        return [{"id": k, "even": k % 2 == 0, "v": v} for k, v in zip(keys, made, strict=True)]

    def put(self, keys: list[int]) -> None:
        rows = self.rows(keys)
        self.collection.upsert(rows)
        self.model.update({row["id"]: row for row in rows})

    def delete(self, keys: list[int]) -> None:
        self.collection.delete(keys)
        for key in keys:
            self.model.pop(key, None)

    def reopen(self) -> None:
        self.db.close()
        self.db = elanus.connect(self.folder)
        self.collection = self.db.collection("c")

    def check(self) -> None:
        stored = {row["id"]: row["v"] for row in self.collection.query(output=["*"])}
        assert stored.keys() == self.model.keys()
        for key, row in self.model.items():
            assert stored[key].dtype == row["v"].dtype
            np.testing.assert_array_equal(stored[key], row["v"])
        queries = vectors(self.kind, 3, 99)
        evens = {pk: row for pk, row in self.model.items() if row["even"]}
        for query, found in zip(queries, self.collection.search(queries, limit=7), strict=True):
            self.same(found, expected(self.model, self.metric, query, 7))
            filtered = self.collection.search(query, limit=5, filter="even == true")
            self.same(filtered, expected(evens, self.metric, query, 5))

    @staticmethod
    def same(found: Any, wanted: list[tuple[int, float]]) -> None:
        assert found.ids == [pk for pk, _ in wanted]
        tolerance = {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose([h.score for h in found], [s for _, s in wanted], **tolerance)


@pytest.mark.parametrize(("kind", "metric"), KINDS)
def test_every_write_and_every_state_answers_as_numpy_does(
    tmp_path: Path, kind: str, metric: str
) -> None:
    written = Written(tmp_path, kind, metric)
    written.put(list(range(40)))
    written.check()
    written.collection.flush()
    written.check()
    written.put(list(range(30, 70)))
    written.delete([3, 35, 66])
    written.check()
    written.reopen()
    written.check()
    written.collection.flush()
    written.delete([4, 5])
    written.check()
    written.collection.compact()
    written.check()
    written.reopen()
    written.check()
    assert written.collection.describe().indexes == {"v": "AUTO"}
    written.db.close()


def test_queries_of_other_types_are_not_rounded(tmp_path: Path) -> None:
    for kind in ("FLOAT16_VECTOR", "BFLOAT16_VECTOR", "INT8_VECTOR"):
        written = Written(tmp_path / kind, kind, "L2")
        written.put(list(range(50)))
        query = np.random.default_rng(5).normal(size=DIM).astype(np.float32) * 3
        for given in (query, query.tolist(), query.astype(np.float64)):
            written.same(written.collection.search(given, limit=9), expected_l2(written, query))
        written.db.close()


def expected_l2(written: Written, query: Any) -> list[tuple[int, float]]:
    return expected(written.model, "L2", query, 9)


@pytest.mark.parametrize("kind", ["FLOAT16_VECTOR", "BFLOAT16_VECTOR", "INT8_VECTOR"])
def test_integers_and_floats_of_the_same_value_find_the_same(tmp_path: Path, kind: str) -> None:
    written = Written(tmp_path, kind, "COSINE")
    written.put(list(range(60)))
    numbers = [(n * 37) % 255 - 127 for n in range(DIM)]
    whole = written.collection.search(numbers, limit=20)
    floats = written.collection.search([float(n) for n in numbers], limit=20)
    assert whole.ids == floats.ids
    np.testing.assert_allclose([h.score for h in whole], [h.score for h in floats], rtol=1e-5)
    written.db.close()


def test_bytes_are_one_query(tmp_path: Path) -> None:
    for kind, metric in (KINDS[0], KINDS[3], KINDS[6], KINDS[9]):
        written = Written(tmp_path / kind, kind, metric)
        written.put(list(range(30)))
        query = vectors(kind, 2, 8)[1]
        raw = to_bfloat16(query).tobytes() if kind == "BFLOAT16_VECTOR" else query.tobytes()
        written.same(
            written.collection.search(raw, limit=6), expected(written.model, metric, query, 6)
        )
        (many,) = written.collection.search([raw], limit=6)
        written.same(many, expected(written.model, metric, query, 6))
        written.db.close()


def test_legs_of_a_hybrid_search(tmp_path: Path) -> None:
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("small", elanus.INT8_VECTOR, dim=DIM, metric="IP"),
        elanus.Field("bits", elanus.BINARY_VECTOR, dim=DIM),
    ]
    with elanus.connect(tmp_path) as db:
        made = db.create_collection("c", elanus.Schema(fields))
        small, bits = vectors("INT8_VECTOR", 30, 1), vectors("BINARY_VECTOR", 30, 2)
        made.insert({"id": np.arange(30), "small": small, "bits": bits})
        legs = [elanus.Leg("small", small[4]), elanus.Leg("bits", bits[4])]
        found = made.hybrid_search(legs, limit=30, fusion=elanus.Weighted(weights=(0.0, 1.0)))
        wanted = expected({n: {"v": b} for n, b in enumerate(bits)}, "HAMMING", bits[4], 30)
        by_id = {hit.id: hit.score for hit in found}
        for pk, distance in wanted:
            assert by_id[pk] == pytest.approx(1 - 2 * np.arctan(distance) / np.pi)


@pytest.mark.parametrize("kind", ["FLOAT16_VECTOR", "BFLOAT16_VECTOR", "INT8_VECTOR"])
def test_graph_is_refused_where_there_is_none(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("hnswlib", reason="hnswlib is not installed")
    written = Written(tmp_path, kind, "L2")
    with pytest.raises(InvalidArgumentError, match=f"HNSW does not take {kind} with L2"):
        written.collection.create_index("v", "HNSW")
    written.collection.create_index("v", "FLAT")
    written.db.close()


@pytest.mark.parametrize(
    ("kind", "metric", "dim"),
    [
        ("FLOAT16_VECTOR", "COSINE", 64),
        ("BFLOAT16_VECTOR", "L2", 64),
        ("INT8_VECTOR", "IP", 128),
        ("BINARY_VECTOR", "JACCARD", 1024),
    ],
)
def test_graph_verifies_the_rows_that_it_returns_and_no_others(
    tmp_path: Path, kind: str, metric: str, dim: int
) -> None:
    """Rows of 128 bytes; those of the damaged block lie far from all others."""
    block, damaged_row = 64 * 1024, 1_300
    rng = np.random.default_rng(4)
    in_block = (64 + np.arange(2_000) * 128) // block == (64 + damaged_row * 128) // block
    in_block |= (64 + np.arange(2_000) * 128 + 127) // block == (64 + damaged_row * 128) // block
    if kind == "BINARY_VECTOR":
        near = (np.arange(dim) < dim // 2) ^ in_block[:, None]
        made: Any = np.packbits(near ^ (rng.random((2_000, dim)) < 0.1), axis=1)
    else:
        made = rng.normal(size=(2_000, dim)) + np.where(in_block, -9, 9)[:, None]
        made = np.rint(made * 3).astype(np.int8) if kind == "INT8_VECTOR" else made.astype("f4")
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("v", kind, dim=dim, metric=metric),  # type: ignore[arg-type]
    ]
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("c", elanus.Schema(fields))
        collection.create_index("v", "GRAPH")
        collection.insert({"id": np.arange(2_000), "v": made})
        collection.compact()
        collection.wait_indexed()
    (file,) = (tmp_path / "kb").rglob("*-v.vec")
    raw = bytearray(file.read_bytes())
    raw[64 + damaged_row * 128 + 50] ^= 255
    file.write_bytes(bytes(raw))
    with elanus.connect(tmp_path / "kb", read_only=True) as db:
        collection = db.collection("c")
        collection.wait_indexed()
        found = collection.search(made[3], limit=1, ef=50)
        assert not found.is_exact
        assert not in_block[found.ids].any()
        with pytest.raises(CorruptionError) as caught:
            collection.search(made[damaged_row], limit=1, ef=50)
        assert caught.value.offset == (64 + damaged_row * 128) // block * block


@pytest.mark.parametrize(("kind", "metric"), [k for k in KINDS if k[1] != "MHJACCARD_8"])
def test_large_segment_under_auto_has_a_graph(
    tmp_path: Path, monkeypatch: Any, kind: str, metric: str
) -> None:
    monkeypatch.setattr("elanus.engine.indexing.index_choice.MIN_INDEXED_ROWS", 10)
    written = Written(tmp_path, kind, metric)
    written.put(list(range(300)))
    written.collection.flush()
    written.collection.wait_indexed()
    check_graph(written)
    written.delete(list(range(40)))
    written.put(list(range(280, 420)))
    written.collection.flush()
    written.collection.compact()
    written.collection.wait_indexed()
    check_graph(written)
    written.reopen()
    check_graph(written)
    written.db.close()


def check_graph(written: Written) -> None:
    """Check that all rows lie in one segment with a graph, which finds them with their scores."""
    (segment,) = (s for s in written.collection.stats().segments if s.rows)
    assert segment.indexes == {"v": "GRAPH"}
    query = vectors(written.kind, 3, 99)[2]
    every = dict(expected(written.model, written.metric, query, len(written.model)))
    nearest = list(every.values())[:10]
    tolerance = {"rtol": 1e-5, "atol": 1e-5}
    for given in (query, query.tolist()):
        found = written.collection.search(given, limit=10, ef=100)
        assert not found.is_exact
        scores = [every[hit.id] for hit in found]
        np.testing.assert_allclose([hit.score for hit in found], scores, **tolerance)
        # Of rows that are equally near any may be found.
        assert np.isclose(scores, nearest, **tolerance).sum() >= 9
    exact = written.collection.search(query, limit=10, recall=1.0)
    assert exact.is_exact
    Written.same(exact, list(every.items())[:10])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"dtype": "BINARY_VECTOR", "dim": 12}, "dim=8..262144 bits, a multiple of 8, got 12"),
        ({"dtype": "BINARY_VECTOR"}, "BINARY_VECTOR needs dim"),
        ({"dtype": "BINARY_VECTOR", "dim": 8, "metric": "L2"}, "expected one of HAMMING, JACCARD"),
        ({"dtype": "INT8_VECTOR", "dim": 0}, "INT8_VECTOR needs dim=1..32768, got 0"),
        ({"dtype": "INT8_VECTOR", "dim": 8, "metric": "HAMMING"}, "does not fit a INT8_VECTOR"),
        ({"dtype": "FLOAT16_VECTOR", "dim": 8, "metric": "BM25"}, "one of COSINE, IP, L2"),
        ({"dtype": "FLOAT_VECTOR", "dim": 8, "metric": "JACCARD"}, "does not fit a FLOAT_VECTOR"),
        ({"dtype": "BFLOAT16_VECTOR", "dim": 40_000}, "needs dim=1..32768, got 40000"),
        ({"dtype": "BINARY_VECTOR", "dim": 8, "default": b"x"}, "cannot have a default"),
    ],
)
def test_fields_that_cannot_be(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        elanus.Field("v", **attributes)


@pytest.mark.parametrize(
    ("kind", "query", "message"),
    [
        ("FLOAT16_VECTOR", [1.0], "expected dim 24, got 1"),
        ("BFLOAT16_VECTOR", [float("nan")] * DIM, "NaN or infinity"),
        ("INT8_VECTOR", b"abc", r"expected 24 bytes \(dim 24\), got 3"),
        ("INT8_VECTOR", [float("inf")] * DIM, "NaN or infinity"),
        ("BINARY_VECTOR", [0.5, 1.0, 2.0], "expected 3 packed bytes per vector"),
        ("BINARY_VECTOR", [0, 1, 256], "256 is no byte"),
        ("BINARY_VECTOR", b"ab", r"expected 3 bytes \(dim / 8 = 3 bytes\), got 2"),
    ],
)
def test_queries_at_fault(tmp_path: Path, kind: str, query: Any, message: str) -> None:
    written = Written(tmp_path, kind, "HAMMING" if kind == "BINARY_VECTOR" else "L2")
    with pytest.raises(EntityError, match=message):
        written.collection.search(query)
    written.db.close()


@pytest.mark.parametrize(("kind", "metric"), [KINDS[2], KINDS[9]])
def test_salvage_keeps_the_rows_whose_vectors_verify(
    tmp_path: Path, kind: str, metric: str
) -> None:
    count = 30_000
    made = vectors(kind, count, 1)
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.create_collection("c", schema(kind, metric))
        even = np.arange(count) % 2 == 0
        collection.insert({"id": np.arange(count), "even": even, "v": made})
        collection.flush()
    (file,) = (tmp_path / "kb").rglob("*-v.vec")
    raw = bytearray(file.read_bytes())
    raw[64 + 50] ^= 255
    file.write_bytes(bytes(raw))
    with elanus.connect(tmp_path / "kb") as db, pytest.raises(CorruptionError):
        db.collection("c").search(made[5], limit=3)
    report = elanus.repair(tmp_path / "kb", salvage=True)
    assert report.is_complete
    with elanus.connect(tmp_path / "kb") as db:
        collection = db.collection("c")
        kept = [row["id"] for row in collection.query(output=["id"])]
        assert 0 < kept[0] < count
        assert kept == list(range(kept[0], count))
        rows = collection.get(kept[:3] + kept[-3:], output=["v"])
        for key, row in zip(kept[:3] + kept[-3:], rows, strict=True):
            np.testing.assert_array_equal(row["v"], made[key])
        model = {key: {"v": made[key]} for key in kept}
        found = collection.search(made[-1], limit=3)
        Written.same(found, expected(model, metric, made[-1], 3))
