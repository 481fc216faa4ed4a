"""A field gets another model while it is searched and written, step by step and back again."""

import threading

import numpy as np
import pytest

import elanus
from elanus import RRF, Embedding, Field, Leg
from elanus.errors import (
    FieldNotFoundError,
    InvalidArgumentError,
    NotFoundError,
    PluginNotInstalledError,
    ProviderError,
    ReadOnlyError,
    SchemaError,
    StateError,
)
from elanus.plugins import get_embedder
from elanus_embeddings.hashing import HashEmbedder
from support.judged import embedded_schema, entities, queries

OLD, NEW = get_embedder("hash", dim=32), get_embedder("hash", dim=48)
ROWS = [{"id": e["id"], "text": e["text"]} for e in entities()]
TEXT = "topic3 word7"


@pytest.fixture
def database(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        yield db


@pytest.fixture
def collection(database):
    made = database.create_collection("kb", embedded_schema())
    made.insert(ROWS)
    return made


def migrate(collection, **options):
    options = {"params": {"dim": 48}, "background": False, **options}
    return collection.migrate_embeddings("hash", **options)


def vectors(collection, name):
    """Return the vectors of a field by key, None where there is none."""
    return {e["id"]: e[name] for e in collection.query(output=["id", name])}


def check_vectors(collection, name, model):
    found = vectors(collection, name)
    texts = {e["id"]: e["text"] for e in collection.query(output=["id", "text"])}
    assert set(found) == set(texts)
    keys = [key for key, text in texts.items() if text is not None]
    wanted = model.embed_documents([texts[key] for key in keys])
    assert np.allclose(np.array([found[key] for key in keys]), wanted)
    assert all(found[key] is None for key, text in texts.items() if text is None)


def answers(collection, name="dense", text=TEXT):
    return [(hit.id, hit.score) for hit in collection.search(text, name)]


def test_both_models_answer_and_then_the_new_one_by_the_old_name(collection):
    old = answers(collection)
    migration = migrate(collection)
    assert (migration.field, migration.successor, migration.state) == ("dense", "dense_2", "filled")
    assert migration.progress() == (len(ROWS), len(ROWS))
    check_vectors(collection, "dense_2", NEW)
    check_vectors(collection, "dense", OLD)
    new = answers(collection, "dense_2")
    assert new != old == answers(collection)
    field = collection.schema.field("dense_2")
    assert (field.dim, field.nullable, field.metric_type) == (48, True, "COSINE")
    assert field.embedding.field == "text"
    migration.switch()
    assert migration.state == "switched"
    for _ in range(3):  # later ones are prepared
        assert answers(collection) == new == answers(collection, "dense_2")
    migration.rollback()
    assert migration.state == "filled"
    assert answers(collection) == old
    assert answers(collection, "dense_2") == new
    migration.switch()
    migration.finish()
    assert migration.state == "finished"
    assert answers(collection) == new
    assert [f.name for f in collection.schema.fields] == ["id", "text", "bm25", "dense_2"]
    migration.finish()
    with pytest.raises(SchemaError, match="its vectors are gone"):
        migration.rollback()


def test_a_search_that_names_no_field_goes_on_throughout(collection):
    collection.drop_field("bm25")

    def asked():
        return [(hit.id, hit.score) for hit in collection.search(TEXT)]

    old = asked()
    migration = migrate(collection)
    new = answers(collection, "dense_2")
    assert asked() == old
    migration.switch()
    assert asked() == new
    migration.finish()
    assert asked() == new


def test_hybrid_searches_and_their_weights_follow(collection):
    def legs(name):
        return [Leg(name, TEXT), Leg("bm25", TEXT)]

    def found(name, fusion):
        return [(hit.id, hit.score) for hit in collection.hybrid_search(legs(name), fusion)]

    migration = migrate(collection)
    old = found("dense", RRF(weights={"dense": 2, "bm25": 1}))
    new = found("dense_2", RRF(weights={"dense_2": 2, "bm25": 1}))
    assert old != new
    migration.switch()
    assert found("dense", RRF(weights={"dense": 2, "bm25": 1})) == new
    assert found("dense", RRF(weights=(2, 1))) == new
    assert collection.search(ids=[5], field="dense")[0][0].id == 5
    explained = collection.hybrid_search(legs("dense")).explanation
    assert [leg.field for leg in explained.legs] == ["dense_2", "bm25"]


def test_a_profile_goes_on_after_the_switch_and_the_drop(collection):
    texts = {name: query["bm25"] for name, query in queries()[0].items()}
    collection.tune(texts, queries()[1], splits=1, k1=[1.2], b=[0.75], depths=[50])
    profile = collection.search_profile
    migration = migrate(collection)
    migration.switch()
    migration.finish()
    assert collection.search_profile == profile
    legs = [Leg("dense", TEXT), Leg("bm25", TEXT)]
    assert collection.hybrid_search(legs).explanation.fusion.endswith("of the profile")
    found = collection.evaluate(texts, queries()[1], metrics=["ndcg@10"])
    assert found.title.startswith("bm25 + dense,")


def test_what_is_written_meanwhile_gets_both(collection, monkeypatch):
    """Writes between reading a text and writing its vector: none is lost, none is overwritten."""
    embed = HashEmbedder.embed_documents
    seen = []

    def embedding(self, texts):
        made = embed(self, texts)
        if self.info.dim == 48 and ROWS[1]["text"] in texts and not seen:
            seen.append(True)  # in the middle of the first batch
            collection.upsert({"id": [1], "text": ["another text altogether"]})
            collection.upsert([{"id": 2, "text": "yet another"}], partial=True)
            collection.delete([3])
            collection.insert(
                [
                    {"id": 5_000, "text": "new and topical"},
                    {"id": 5_001, "text": None, "dense": [0.5] * 32},
                ]
            )
        return made

    monkeypatch.setattr(HashEmbedder, "embed_documents", embedding)
    migration = migrate(collection, batch_size=50)
    assert seen
    assert migration.progress() == (len(ROWS), len(ROWS))  # one more and one less
    assert collection.get(3) == []
    assert collection.get(1, ["text"])[0]["text"] == "another text altogether"
    check_vectors(collection, "dense_2", NEW)
    assert collection.get(5_001, ["dense"])[0]["dense"] == [0.5] * 32


def test_everything_else_of_an_entity_stays(database):
    schema = embedded_schema()
    fields = [*schema.fields, Field("n", elanus.INT64), Field("tags", elanus.JSON, nullable=True)]
    made = database.create_collection("more", schema.replaced(fields=fields, dynamic=True))
    made.create_partition("p")
    made.insert([{**row, "n": row["id"] * 2, "extra": "x"} for row in ROWS[:60]])
    made.insert([{**row, "n": 7, "tags": {"a": row["id"]}} for row in ROWS[60:]], partition="p")
    made.flush()
    names = ["id", "text", "n", "tags", "extra", "dense"]
    before = made.query(output=names), made.count(partitions="p")
    migrate(made, batch_size=7)
    assert (made.query(output=names), made.count(partitions="p")) == before
    check_vectors(made, "dense_2", NEW)


def test_it_goes_on_where_it_was(tmp_path, monkeypatch):
    embedded, known = [], {row["text"] for row in ROWS}
    embed = HashEmbedder.embed_documents

    def failing(self, texts):
        if self.info.dim == 48:
            if len(embedded) >= 60 and not failing.healed:
                raise ProviderError("the service is down")
            embedded.extend(text for text in texts if text in known)
        return embed(self, texts)

    failing.healed = False
    monkeypatch.setattr(HashEmbedder, "embed_documents", failing)
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("kb", embedded_schema())
        made.insert(ROWS)
        migration = made.migrate_embeddings("hash", params={"dim": 48}, batch_size=20)
        with pytest.raises(ProviderError, match="the service is down"):
            migration.wait()
        assert not migration.is_running
        assert migration.progress().filled == 60
        assert migration.state == "filling"
        with pytest.raises(StateError, match=r"60 of 120 entities have no vector yet"):
            migration.switch()
    failing.healed = True
    with elanus.connect(tmp_path / "db") as db:
        made = db.collection("kb")
        again = made.embedding_migration()
        assert (again.field, again.successor) == ("dense", "dense_2")
        assert made.migrate_embeddings("hash", params={"dim": 48}).wait() == (120, 120)
        assert sorted(embedded) == sorted(row["text"] for row in ROWS)  # each once
        check_vectors(made, "dense_2", NEW)
        again.switch()


def test_searches_and_writes_go_on_while_it_fills_and_switches(collection):
    migration = migrate(collection, background=True, batch_size=10)
    old, stopping, errors, seen = answers(collection), threading.Event(), [], set()

    def searching():
        try:
            while not stopping.is_set():
                seen.add(tuple(answers(collection)))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=searching) for _ in range(2)]
    for thread in threads:
        thread.start()
    migration.wait()
    new = answers(collection, "dense_2")
    for _ in range(10):
        migration.switch()
        migration.rollback()
    migration.switch()
    assert answers(collection) == new
    stopping.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert seen <= {tuple(old), tuple(new)}  # wholly the one or wholly the other


def test_answers_are_compared(collection):
    migration = migrate(collection)
    texts = {name: query["bm25"] for name, query in queries()[0].items()}
    found = migration.compare(texts, queries()[1], k=5)
    assert found.fields == ("dense", "dense_2")
    for i, text in enumerate(texts.values()):
        old = collection.search(text, "dense", 5).ids
        new = collection.search(text, "dense_2", 5).ids
        assert list(found.hits[i]) == [old, new]
        assert found.overlaps[i] == len(set(old) & set(new)) / 5
    for name in found.fields:
        own = collection.evaluate(texts, queries()[1], fields=name, metrics=["ndcg@10"])
        assert found.measured[name].mean == pytest.approx(own.mean("ndcg@10"))
    gap = found.measured["dense_2"].mean - found.measured["dense"].mean
    assert found.difference.mean == pytest.approx(gap)
    first = found.least_alike(1)[0]
    assert first["overlap"] == found.overlaps.min()
    assert "overlap@5" in str(found)
    assert "dense_2 over dense" in str(found)
    migration.switch()
    assert migration.compare(texts, k=5).hits == found.hits
    assert migration.compare(count=12).overlap.mean == pytest.approx(
        migration.compare(count=12).overlaps.mean()
    )
    migration.finish()
    with pytest.raises(StateError, match="'dense' was dropped"):
        migration.compare(texts)


def test_it_can_be_abandoned(collection):
    old = answers(collection)
    migration = migrate(collection)
    migration.switch()
    with pytest.raises(StateError, match=r"rollback\(\) first"):
        migration.abandon()
    migration.rollback()
    migration.abandon()
    migration.abandon()
    assert migration.state == "abandoned"
    assert "dense_2" not in collection.schema
    assert answers(collection) == old
    with pytest.raises(NotFoundError, match="there are none"):
        collection.embedding_migration()
    with pytest.raises(StateError, match="was dropped"):
        migration.compare()
    assert migrate(collection, params={"dim": 24}).progress().filled == len(ROWS)


def test_one_follows_another(collection):
    for number, dim in ((2, 48), (3, 24), (4, 40)):
        migration = migrate(collection, field="dense", params={"dim": dim})
        assert migration.successor == f"dense_{number}"
        wanted = answers(collection, migration.successor)
        migration.switch()
        migration.finish()
        assert answers(collection) == wanted
    assert [f.name for f in collection.schema.fields] == ["id", "text", "bm25", "dense_4"]
    assert answers(collection, "dense_2") == wanted


def test_readers_follow(tmp_path, database, collection):
    with elanus.connect(tmp_path / "db", read_only=True) as reading:
        reader = reading.collection("kb")
        old = answers(reader)
        migration = migrate(collection)
        new = answers(reader, "dense_2")
        assert answers(reader) == old
        migration.switch()
        assert answers(reader) == new
        assert reader.embedding_migration().state == "switched"
        with pytest.raises(ReadOnlyError):
            reader.embedding_migration().rollback()


def test_the_new_field_has_the_index_of_the_old_one(collection):
    collection.create_index("dense", "FLAT_SQ8")
    migration = migrate(collection, name="fresh")
    assert migration.successor == "fresh"
    assert collection.describe().indexes["fresh"] == "FLAT_SQ8"


def test_fields_that_are_dropped_by_hand_leave_no_trace(collection):
    old = answers(collection)
    migration = migrate(collection)
    new = answers(collection, "dense_2")
    migration.switch()
    collection.drop_field("dense_2")
    assert collection.schema.successors == ()
    assert answers(collection) == old
    migrate(collection)
    collection.drop_field("dense")
    assert collection.schema.successors == ()
    assert answers(collection, "dense_2") == new
    with pytest.raises(FieldNotFoundError):
        answers(collection)


def test_what_cannot_be_done_is_refused(collection, database):
    with pytest.raises(PluginNotInstalledError):
        collection.migrate_embeddings("no-such-model")
    with pytest.raises(FieldNotFoundError, match="dens_"):
        collection.migrate_embeddings("hash", field="dens_")
    with pytest.raises(InvalidArgumentError, match="'bm25' was declared without a model"):
        collection.migrate_embeddings("hash", field="bm25")
    for size in (0, True, 1.5):
        with pytest.raises(InvalidArgumentError, match="batch_size"):
            collection.migrate_embeddings("hash", batch_size=size)
    with pytest.raises(SchemaError, match="used twice"):
        migrate(collection, name="text")
    assert collection.schema == embedded_schema_of(collection)
    migration = migrate(collection)
    with pytest.raises(StateError, match="is being filled by 'hash'"):
        migrate(collection, params={"dim": 24})
    with pytest.raises(StateError, match=r"switch\(\) first"):
        migration.finish()
    migration.switch()
    migration.finish()
    with pytest.raises(SchemaError, match="answered by 'dense_2'"):
        collection.add_field(
            Field("dense", elanus.FLOAT_VECTOR, nullable=True, embedding=Embedding("text", "hash"))
        )


def embedded_schema_of(collection):
    """Return the schema as it was declared, with what the engine found out about the model."""
    known = collection.schema.field("dense")
    declared = embedded_schema()
    return declared.replaced(fields=[known if f.name == "dense" else f for f in declared.fields])
