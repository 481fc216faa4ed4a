"""Every dense index type passes the same suite."""

import numpy as np
import pytest

from elanus.index.dense.flat import FlatType
from elanus.index.dense.flat_sq8 import FlatSQ8Type
from elanus.index.dense.graph_type import GraphType
from elanus.index.dense.hnsw import HnswType
from elanus.index.registry import index_type
from elanus.testing.vector_index import NUM_ROWS, VectorIndexContract


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
