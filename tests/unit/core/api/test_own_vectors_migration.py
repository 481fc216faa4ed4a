"""A field whose vectors the program makes is replaced while it is searched and written."""

import numpy as np
import pytest

import elanus
from elanus.engine.definition.backfill import coverage, texts_without_vectors
from elanus.errors import InvalidArgumentError, StateError
from support.judged import embedded_schema

TEXTS = {1: "one", 2: "two", 3: "three"}


@pytest.fixture
def database(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        yield db


@pytest.fixture
def collection(database):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2, metric="L2"),
        ]
    )
    made = database.create_collection("own", schema, properties={"model": "old", "kept": 1})
    made.create_index("v", "HNSW")
    made.insert([{"id": k, "text": t, "v": [k, 0.0]} for k, t in TEXTS.items()])
    return made


def lengths(_keys, texts):
    return np.array([[len(t), 0, 0] for t in texts], dtype=np.float32)


def nearest(collection, query):
    return collection.search(query, "v", limit=1).ids


def test_filled_switched_rolled_back_and_finished(database, collection):
    asked = []

    def make(keys, texts):
        asked.append((keys, texts))
        return lengths(keys, texts)

    migration = collection.migrate_vectors(
        "v", 3, make, text="text", properties={"model": "new"}, batch_size=2, background=False
    )
    assert asked == [([1, 2], ["one", "two"]), ([3], ["three"])]
    assert (migration.state, migration.progress()) == ("filled", (3, 3))
    assert nearest(collection, [3.0, 0.0]) == [3]
    migration.switch()
    assert nearest(collection, [5.0, 0.0, 0.0]) == [3]
    migration.rollback()
    assert nearest(collection, [3.0, 0.0]) == [3]
    migration.switch()
    assert collection.properties == {"model": "old", "kept": 1}
    migration.finish()
    assert collection.properties == {"model": "new", "kept": 1}
    assert "v" not in collection.schema
    assert nearest(collection, [5.0, 0.0, 0.0]) == [3]
    assert collection.describe().indexes == {"v_2": "HNSW"}
    collection.insert([{"id": 9, "text": "none"}])
    with pytest.raises(StateError, match="no model was declared"):
        collection.embedding_migration().run()


def test_texts_that_change_meanwhile_are_embedded_again(collection):
    def make(keys, texts):
        if texts[0] == "one":
            collection.upsert([{"id": 1, "text": "longer", "v": [1.0, 1.0]}])
        return lengths(keys, texts)

    migration = collection.migrate_vectors("v", 3, make, text="text")
    assert migration.wait() == (3, 3)
    (row,) = collection.get([1], ["text", "v", "v_2"])
    assert (row["text"], list(row["v"]), list(row["v_2"])) == ("longer", [1, 1], [6, 0, 0])


def test_another_dim_or_a_declared_model_is_refused(database, collection):
    collection.migrate_vectors("v", 3, lengths, text="text", background=False)
    with pytest.raises(StateError, match="dim 3 is on its way, expected 4"):
        collection.migrate_vectors("v", 4, lengths, text="text")
    with pytest.raises(InvalidArgumentError, match="was declared with a model"):
        database.create_collection("kb", embedded_schema()).migrate_vectors(
            "dense", 3, lengths, text="text"
        )


def test_batches_and_progress_count_texts_without_vectors(tmp_path):
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, nullable=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=1, nullable=True),
        ]
    )
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("kb", schema)
        for first in (0, 10, 20):  # two segments and what is in memory
            made.insert([{"id": first + i, "text": f"t{first + i}"} for i in range(3)])
            made.insert([{"id": first + 5, "text": "has one", "v": [1.0]}])
            made.insert([{"id": first + 6, "v": [1.0]}, {"id": first + 7, "text": "dead"}])
            made.delete([first + 7])
            if first < 20:
                made.flush()
        sources = made._engine.snapshot().sources
        assert len(sources) == 3
        lacking = [0, 1, 2, 10, 11, 12, 20, 21, 22]
        for limit in (1, 2, 3, 4, 5, 6, 8, 9, 50):
            wanted = texts_without_vectors(made.schema, sources, "v", "text", limit)
            assert wanted.pks == lacking[:limit]
            assert wanted.texts == [f"t{pk}" for pk in lacking[:limit]]
        assert coverage(sources, "v", "text") == (3, 12)
