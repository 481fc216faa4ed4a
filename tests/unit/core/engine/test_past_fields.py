"""A read is bound to the fields of what it sees, be that of the past or changed a moment ago."""

import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.engine.reading import CollectionReader
from elanus.errors import FieldNotFoundError, FilterError
from elanus.query.why_not import Cause

NUMBER = Field("x", DataType.INT64, nullable=True)
TEXT = Field("x", DataType.VARCHAR, nullable=True)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kb"


@pytest.fixture(params=["in memory", "in a segment"])
def changed(request, folder):
    """A database whose snapshot ``before`` has numbers in a field that is of texts by now."""
    db = elanus.connect(folder)
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            NUMBER,
            Field("v", DataType.FLOAT_VECTOR, dim=2, metric="L2"),
        ]
    )
    collection = db.create_collection("c", schema)
    collection.insert([{"id": pk, "x": 10 - pk, "v": [pk, 0]} for pk in range(5)])
    if request.param == "in a segment":
        collection.flush()
    db.snapshot("before")
    collection.drop_field("x")
    yield db
    db.close()


def check_past(collection):
    past = {"as_of": "before"}
    assert collection.query("x > 8", ["x"], order_by="x", **past) == [
        {"id": 1, "x": 9},
        {"id": 0, "x": 10},
    ]
    assert collection.count("6 <= x <= 7", **past) == 2
    assert collection.get([3], **past) == [{"id": 3, "x": 7}]
    assert collection.aggregate("max(x)", **past) == [{"max(x)": 10}]
    assert collection.facets("x", filter="x < 7", **past) == {"x": [(6, 1)]}
    hits = collection.search([0, 0], "v", 1, filter="x != 10", output=["x"], **past)
    assert [(hit.id, hit.entity["x"], hit.score) for hit in hits] == [(1, 9, 1.0)]
    grouped = collection.search([0, 0], "v", 2, group_by="x", **past)
    assert grouped.ids == [0, 1]
    assert collection.search(ids=[2], field="v", limit=1, **past)[0].ids == [2]
    for batch in collection.query_iterator("x == 10", ["x"], **past):
        assert batch == [{"id": 0, "x": 10}]
    for batch in collection.search_iterator([0, 0], "v", filter="x == 10", output=["x"], **past):
        assert [hit.entity for hit in batch] == [{"x": 10}]
    assert collection.why_not(0, [0, 0], "v", filter="x == 9", **past).cause == Cause.FILTER


@pytest.mark.parametrize("now", [None, TEXT])
def test_the_past_has_the_fields_that_it_had(changed, folder, now):
    collection = changed.collection("c")
    if now is not None:
        collection.add_field(now)
        collection.upsert([{"id": 0, "x": "ten", "v": [0, 0]}])
        assert collection.count("x like 't%'") == 1
        assert collection.query("id < 2", ["x"]) == [{"id": 0, "x": "ten"}, {"id": 1, "x": None}]
    else:
        with pytest.raises(FilterError, match="no field 'x'"):
            collection.count("x > 8")
    check_past(collection)
    with elanus.connect(folder, read_only=True) as reader:
        check_past(reader.collection("c"))
    assert collection.to_arrow(as_of="before").column("x").to_pylist() == [10, 9, 8, 7, 6]


def test_a_field_that_was_not_there_yet_is_none_of_the_past(changed):
    collection = changed.collection("c")
    collection.add_field(Field("later", DataType.INT64, default=1))
    assert collection.count("later == 1") == 5
    with pytest.raises(FilterError, match="no field 'later'"):
        collection.count("later == 1", as_of="before")
    with pytest.raises(FieldNotFoundError):
        collection.search([0, 0], "w", as_of="before")


def test_a_metric_of_now_is_none_of_the_past(changed):
    collection = changed.collection("c")
    collection.alter_field("v", metric="IP")
    assert [hit.score for hit in collection.search([1, 0], "v", 2)] == [4.0, 3.0]
    past = collection.search([1, 0], "v", 2, as_of="before")
    assert [(hit.id, hit.score) for hit in past] == [(1, 0.0), (0, 1.0)]


def test_fields_that_change_while_a_read_begins(changed, monkeypatch):
    collection = changed.collection("c")
    collection.add_field(NUMBER)
    collection.upsert([{"id": pk, "x": pk, "v": [pk, 0]} for pk in range(5)])
    waiting = []

    def others_first(read):
        def beginning(engine, *args, **kwargs):
            while waiting:
                waiting.pop()()
            return read(engine, *args, **kwargs)

        return beginning

    def to_text():
        collection.drop_field("x")
        collection.add_field(TEXT)
        collection.upsert([{"id": pk, "x": f"t{pk}", "v": [pk, 0]} for pk in range(5)])

    def to_number():
        collection.drop_field("x")
        collection.add_field(NUMBER)
        collection.upsert([{"id": pk, "x": pk, "v": [pk, 0]} for pk in range(5)])

    # What an iterator sees is held first.
    for name in ("snapshot", "hold"):
        monkeypatch.setattr(CollectionReader, name, others_first(getattr(CollectionReader, name)))
    texts, numbers = [f"t{pk}" for pk in range(5)], [*range(5)]
    for read in (
        lambda: [row["x"] for row in collection.query(output=["x"], order_by="x")],
        lambda: [value for value, _ in collection.facets("x")["x"]],
        lambda: [group["min(x)"] for group in collection.aggregate("min(x)", group_by="x")],
        lambda: [hit.entity["x"] for hit in collection.search([0, 0], "v", 5, output=["x"])],
        lambda: [
            hit.entity["x"]
            for hit in collection.search([0, 0], "v", 5, filter="x is not null", output=["x"])
        ],
        lambda: [row["x"] for part in collection.query_iterator(output=["x"]) for row in part],
    ):
        for _ in range(3):  # the last of them as what was prepared
            assert read() == numbers
        waiting.append(to_text)
        assert read() == texts
        waiting.append(to_number)
        assert read() == numbers


def test_a_state_outlives_a_truncation_right_after_it(folder):
    with elanus.connect(folder) as db:
        schema = Schema(
            [
                Field("id", DataType.INT64, primary=True),
                Field("v", DataType.FLOAT_VECTOR, dim=2),
            ]
        )
        collection = db.create_collection("c", schema)
        collection.set_retention(3600)
        collection.insert([{"id": pk, "v": [pk, 1]} for pk in range(5)])
        db.snapshot("before")
        seq = collection.last_seq
        collection.truncate()
        assert collection.last_seq > seq
        assert [collection.count(as_of=state) for state in (None, seq, "before")] == [0, 5, 5]
        collection.set_retention(0)
    with elanus.connect(folder) as db:
        collection = db.collection("c")
        assert [collection.count(as_of=state) for state in (None, "before")] == [0, 5]
        assert db.restore_snapshot("before", "c", "again").count() == 5
