"""Every dense index type passes the same suite."""

import numpy as np
import pytest

from elanus.index.base import VectorRows
from elanus.index.dense.flat import FlatIndex, FlatType
from elanus.index.dense.flat_sq8 import FlatSQ8Type
from elanus.index.dense.graph_type import GraphType
from elanus.index.dense.hnsw import HnswType
from elanus.index.registry import index_type
from elanus.testing.vector_index import NUM_ROWS, VectorIndexContract
from elanus.types import MetricType


class TestFlat(VectorIndexContract):
    min_recall = 1.0

    def index_type(self):
        return FlatType()


class TestFlatSQ8(VectorIndexContract):
    min_recall = 1.0

    def index_type(self):
        return FlatSQ8Type()


class TestGraph(VectorIndexContract):
    min_recall = 0.97

    def index_type(self):
        return GraphType()


class TestGraphOfInt8(TestGraph):
    def vectors(self, count=NUM_ROWS, seed=0):
        return np.clip(np.rint(super().vectors(count, seed) * 15), -128, 127).astype(np.int8)


class TestHnsw(VectorIndexContract):
    def index_type(self):
        pytest.importorskip("hnswlib", reason="hnswlib is not installed")
        return HnswType()


class MinHashContract(VectorIndexContract):
    """Signatures in place of the numbers of the suite: 40 texts, each with many near-duplicates."""

    survives_damage = True
    metric = MetricType.MHJACCARD
    elements = 64

    def index_type(self):
        return index_type("MINHASH_LSH")

    def vectors(self, count=NUM_ROWS, seed=0):
        texts = np.random.default_rng(100).integers(0, 1 << 63, (40, self.elements))
        rng = np.random.default_rng(seed)
        others = rng.integers(0, 1 << 63, (count, self.elements))
        of_text = texts[rng.integers(0, 40, count)]
        made = np.where(rng.random(others.shape) < 0.2, others, of_text)
        width = self.metric.element_bits // 8
        return np.ascontiguousarray(made.astype(f"<u{width}")).view(np.uint8)

    def rows(self, metric, count=NUM_ROWS):
        return self.made(self.vectors(count), metric)

    def queries(self, metric, count=30):
        return self.vectors(count, seed=1)

    def made(self, values, metric):
        return VectorRows(values, None, self.metric)

    def test_any_dimension_with_zero_rows_and_twins(self):
        for elements in (1, 7, 33):
            self.elements = elements
            values = self.vectors(400)
            values[100:130] = 0
            values[200:240] = values[200]
            rows = self.made(values, self.metric)
            queries = np.concatenate([values[100:101], values[200:201], values[:3]])
            found = self.build(rows).search(queries, 10, ef=400)
            self._check_sound(found, FlatIndex(rows).search(queries, 400))
            if elements > 1:
                assert found.row_ids[1].tolist() == list(range(200, 210))


class TestMinHashLsh(MinHashContract):
    pass


class TestMinHashLshOfBytes(MinHashContract):
    metric = MetricType.MHJACCARD_8
    # Bytes are equal by chance, so that rows of other texts differ a little; no band leads to them.
    min_recall = 0.6


class TestMinHashLshOfWideElements(MinHashContract):
    metric = MetricType.MHJACCARD_64


class TestIvfFlat(VectorIndexContract):
    survives_damage = True

    def index_type(self):
        return index_type("IVF_FLAT")


class TestIvfSq8(VectorIndexContract):
    survives_damage = True

    def index_type(self):
        return index_type("IVF_SQ8")


class TestIvfPq(VectorIndexContract):
    survives_damage = True

    def index_type(self):
        return index_type("IVF_PQ")


class FaissContract(VectorIndexContract):
    factory = ""

    def index_type(self):
        pytest.importorskip("faiss", reason="faiss-cpu is not installed")
        return index_type("FAISS")

    def build(self, rows, **params):
        return super().build(rows, **{"factory": self.factory, **params})


class TestFaissHnsw(FaissContract):
    factory = "HNSW16"


class TestFaissIvf(FaissContract):
    factory = "IVF32,SQ8"


class TestFaissFastScan(FaissContract):
    factory = "IVF32,PQ12x4fs,RFlat"
