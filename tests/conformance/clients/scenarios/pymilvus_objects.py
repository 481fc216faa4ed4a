"""The object API (ORM): Collection, Partition, connections, utility, db."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus import (
    AnnSearchRequest,
    Collection,
    CollectionSchema,
    DataType,
    FieldSchema,
    MilvusException,
    Partition,
    WeightedRanker,
    connections,
    db,
    utility,
)

RNG = np.random.default_rng(9)
COUNT = 300
VECTORS = RNG.random((COUNT, 8)).astype(np.float32)
NUMBERS = RNG.random(COUNT)


@pytest.fixture(scope="module")
def using(uri):
    connections.connect("objects", uri=uri)
    assert connections.has_connection("objects")
    db.create_database("objects", using="objects")
    db.using_database("objects", using="objects")
    yield "objects"
    for name in utility.list_collections(using="objects"):
        utility.drop_collection(name, using="objects")
    db.using_database("default", using="objects")
    db.drop_database("objects", using="objects")
    connections.disconnect("objects")


@pytest.fixture(scope="module")
def hello(using):
    fields = [
        FieldSchema("pk", DataType.VARCHAR, is_primary=True, auto_id=False, max_length=100),
        FieldSchema("random", DataType.DOUBLE),
        FieldSchema("embeddings", DataType.FLOAT_VECTOR, dim=8),
    ]
    made = Collection(
        "hello", CollectionSchema(fields, "a tutorial"), consistency_level="Strong", using=using
    )
    answer = made.insert([[str(i) for i in range(COUNT)], NUMBERS, VECTORS])
    assert (answer.insert_count, answer.primary_keys[:2]) == (COUNT, ["0", "1"])
    made.flush()
    made.create_index(
        "embeddings", {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 8}}
    )
    utility.wait_for_index_building_complete("hello", using=using)
    made.load()
    utility.wait_for_loading_complete("hello", using=using)
    return made


def nearest(query, holds=lambda i: True):
    distances = ((VECTORS - query) ** 2).sum(axis=1)
    return [str(i) for i in np.argsort(distances, kind="stable") if holds(int(i))]


SEARCH = {"metric_type": "L2", "params": {"nprobe": 8}}


def test_what_a_collection_says_of_itself(hello, using):
    assert utility.has_collection("hello", using=using)
    assert hello.num_entities == COUNT
    assert hello.description == "a tutorial"
    assert hello.primary_field.name == "pk"
    assert [field.dtype for field in hello.schema.fields] == [
        DataType.VARCHAR, DataType.DOUBLE, DataType.FLOAT_VECTOR,
    ]  # fmt: skip
    assert hello.has_index()
    assert hello.index().params["index_type"] == "IVF_FLAT"
    assert utility.load_state("hello", using=using).name == "Loaded"
    assert utility.loading_progress("hello", using=using)["loading_progress"] == "100%"
    progress = utility.index_building_progress("hello", using=using)
    assert (progress["total_rows"], progress["pending_index_rows"]) == (COUNT, 0)
    again = Collection("hello", using=using)
    assert again.schema == hello.schema
    assert utility.get_server_version(using=using).startswith("v")


def test_searches_and_queries(hello):
    for query in VECTORS[-3:]:
        (hits,) = hello.search([query], "embeddings", SEARCH, limit=3, output_fields=["random"])
        assert list(hits.ids) == nearest(query)[:3]
        assert hits[0].entity.get("random") == NUMBERS[int(hits[0].id)]
        assert hits[0].distance == pytest.approx(0, abs=1e-6)
    (hits,) = hello.search(
        VECTORS[:1], "embeddings", SEARCH, limit=4, expr="random > 0.5", output_fields=["random"]
    )
    assert list(hits.ids) == nearest(VECTORS[0], lambda i: NUMBERS[i] > 0.5)[:4]
    found = hello.query("random > 0.5", output_fields=["random"])
    assert len(found) == int((NUMBERS > 0.5).sum())
    page = hello.query("random > 0.5", limit=4, offset=2, output_fields=["pk"])
    wanted = sorted(str(i) for i in range(COUNT) if NUMBERS[i] > 0.5)[2:6]
    assert [row["pk"] for row in page] == wanted
    legs = [AnnSearchRequest([VECTORS[4]], "embeddings", SEARCH, 5) for _ in range(2)]
    (hits,) = hello.hybrid_search(legs, WeightedRanker(0.5, 0.5), limit=2)
    assert hits[0].id == "4"
    waiting = hello.search([VECTORS[9]], "embeddings", SEARCH, limit=1, _async=True)
    assert waiting.result()[0][0].id == "9"


def test_iterators(hello):
    iterator = hello.query_iterator(batch_size=70, expr="random <= 0.5", output_fields=["pk"])
    found = []
    while page := iterator.next():
        found += [row["pk"] for row in page]
    iterator.close()
    assert found == sorted(str(i) for i in range(COUNT) if NUMBERS[i] <= 0.5)
    iterator = hello.search_iterator([VECTORS[2].tolist()], "embeddings", SEARCH, batch_size=50)
    found = []
    while page := iterator.next():
        found += page.ids()
    iterator.close()
    assert sorted(found) == sorted(str(i) for i in range(COUNT))
    assert found[:20] == nearest(VECTORS[2])[:20]


def test_partitions_writes_and_aliases(hello, using):
    late = hello.create_partition("late")
    assert [partition.name for partition in hello.partitions] == ["_default", "late"]
    assert hello.has_partition("late")
    late.insert([["900", "901"], [0.1, 0.2], VECTORS[:2]])
    assert Partition(hello, "late").num_entities == 2
    assert len(late.query('pk in ["900", "1"]')) == 1
    hello.upsert([["900"], [0.9], VECTORS[:1]], partition_name="late")
    assert late.query('pk == "900"', output_fields=["random"])[0]["random"] == 0.9
    assert hello.delete('pk in ["900", "901"]').delete_count == 2
    late.release()
    late.drop()
    assert not hello.has_partition("late")
    utility.create_alias("hello", "hi", using=using)
    assert hello.aliases == ["hi"]
    assert Collection("hi", using=using).num_entities == COUNT
    utility.drop_alias("hi", using=using)
    hello.compact()
    hello.wait_for_compaction_completed()
    hello.set_properties({"mine": "x"})
    assert Collection("hello", using=using).describe()["properties"]["mine"] == "x"


def test_release_and_errors(hello, using):
    hello.release()
    assert utility.load_state("hello", using=using).name == "NotLoad"
    with pytest.raises(MilvusException, match="collection not loaded"):
        hello.query('pk == "1"')
    hello.drop_index()
    assert not hello.has_index()
    with pytest.raises(MilvusException, match="index not found"):
        hello.load()
    hello.create_index("embeddings", {"index_type": "FLAT", "metric_type": "L2", "params": {}})
    hello.load()
    assert len(hello.query('pk == "1"')) == 1
    with pytest.raises(Exception, match="absent"):
        Collection("absent", using=using)
    utility.rename_collection("hello", "bye", using=using)
    assert utility.list_collections(using=using) == ["bye"]
