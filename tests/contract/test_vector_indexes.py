"""Every dense index type passes the same suite."""

import pytest

from elanus.index.dense.flat import FlatType
from elanus.index.dense.flat_sq8 import FlatSQ8Type
from elanus.index.dense.graph import GraphType
from elanus.index.dense.hnsw import HnswType
from elanus.testing.vector_index import VectorIndexContract


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


class TestHnsw(VectorIndexContract):
    def index_type(self):
        pytest.importorskip("hnswlib", reason="hnswlib is not installed")
        return HnswType()
