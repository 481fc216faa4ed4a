"""Vector fields that are added while entities are there, which have none."""

import numpy as np
import pytest

import elanus
from elanus import DataType, Field, Schema

RNG = np.random.default_rng(8)
DIM = 16
KINDS = [
    (DataType.FLOAT_VECTOR, np.float32),
    (DataType.FLOAT16_VECTOR, np.float16),
    (DataType.BFLOAT16_VECTOR, np.float32),
    (DataType.INT8_VECTOR, np.int8),
]
METRICS = ("COSINE", "IP", "L2")
BITS = ("HAMMING", "JACCARD", "MHJACCARD_8")


def filled(folder):
    """20 entities in a segment."""
    database = elanus.connect(folder)
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("old", DataType.FLOAT_VECTOR, dim=DIM),
    ]
    collection = database.create_collection("kb", Schema(fields))
    collection.insert([{"id": pk, "old": RNG.normal(size=DIM)} for pk in range(20)])
    collection.flush()
    return database, collection


def vector_of(field, dtype):
    if field.vector_type is DataType.BINARY_VECTOR:
        return b"\xf0\x0f"
    return np.arange(1, DIM + 1).astype(dtype)


def every_kind():
    """Fields of all dense vectors with all metrics, and the type of their values."""
    for held, dtype in KINDS:
        for metric in METRICS:
            yield Field("new", held, dim=DIM, nullable=True, metric=metric), dtype
    for metric in BITS:
        yield Field("new", DataType.BINARY_VECTOR, dim=DIM, nullable=True, metric=metric), None
    for metric in ("COSINE", "L2", "MAX_SIM_COSINE", "MAX_SIM_L2"):
        options = {"element_type": DataType.FLOAT_VECTOR, "nullable": True, "metric": metric}
        yield Field("new", DataType.ARRAY, dim=DIM, **options), np.float32


@pytest.mark.parametrize(
    ("field", "dtype"),
    [pytest.param(f, d, id=f"{f.dtype.name}-{f.metric}") for f, d in every_kind()],
)
def test_entities_without_the_vector_are_loaded_searched_and_merged(tmp_path, field, dtype):
    database, collection = filled(tmp_path / "kb")
    collection.add_field(field)
    one = vector_of(field, dtype)
    query = [one] if field.metric_type.is_max_sim else one

    def check(expected):
        collection.load()
        assert collection.search(query, "new", 5).ids == expected
        assert collection.get([3], ["new"]) == [{"id": 3, "new": None}]

    check([])
    value = [one] if field.dtype is DataType.ARRAY else one
    collection.insert([{"id": 100, "old": RNG.normal(size=DIM), "new": value}])
    check([100])
    collection.flush()
    check([100])
    database.close()
    database = elanus.connect(tmp_path / "kb")
    collection = database.collection("kb")
    check([100])
    collection.compact()
    check([100])
    database.close()


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_of_the_vectors_that_came_later(tmp_path, metric):
    database, collection = filled(tmp_path / "kb")
    field = Field("new", DataType.FLOAT_VECTOR, dim=DIM, nullable=True, metric=metric)
    collection.add_field(field)
    collection.create_index("new", "HNSW")
    collection.load()
    collection.compact()
    assert collection.search(np.ones(DIM), "new", 5).ids == []
    collection.insert([{"id": 100, "old": np.ones(DIM), "new": np.ones(DIM)}])
    collection.compact()
    collection.load()
    assert collection.search(np.ones(DIM), "new", 5).ids == [100]
    database.close()
