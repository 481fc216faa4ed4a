"""Nothing that is passed to a restricted handle widens it."""

import inspect

import pytest

import elanus
from elanus import BM25, DataType, Field, Schema
from elanus.engine import restriction
from elanus.engine.reading import CollectionReader
from elanus.engine.restriction import RestrictedCollection
from elanus.errors import (
    EntityExistsError,
    FilterError,
    InvalidArgumentError,
    NotAllowedError,
    ReadOnlyError,
)
from elanus.filter import FieldRef, IsNull, Literal, Or

SECRET = "classified"


@pytest.fixture
def collection(tmp_path):
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("tenant", DataType.VARCHAR, nullable=True),
            Field("text", DataType.VARCHAR, analyzer="standard"),
            Field("n", DataType.INT64),
            Field("meta", DataType.JSON),
            Field("dense", DataType.FLOAT_VECTOR, dim=2, metric="L2"),
            Field("words", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ]
    )
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("notes", schema)
        made.set_retention(3600)
        made.create_partition("p")
        made.insert([entity(key, "a") for key in (1, 2, 3)])
        made.flush()
        made.insert([entity(key, "b") for key in (11, 12, 13)])
        made.insert([entity(21, None)])
        made.insert([entity(31, "b")], partition="p")
        yield made


def entity(key, tenant, **others):
    text = f"{SECRET} paper" if tenant == "b" else "open paper"
    kept = {"id": key, "tenant": tenant, "text": text, "n": key, "meta": {"t": tenant}}
    return {**kept, "dense": [key, 0], **others}


@pytest.fixture
def handle(collection):
    return collection.restricted("tenant == 'a'")


def keys(found):
    return [one["id"] for one in found]


WIDER = [
    "true",
    "true or tenant == 'b'",
    "tenant == 'b' or id > 0",
    "not (tenant == 'a') or tenant == 'a'",
    "(tenant == 'a') or (tenant is null) or (1 == 1)",
    {"$or": [{"tenant": "b"}, {"id": {"$gt": 0}}]},
    Or((IsNull(FieldRef("tenant")), Literal(True))),
]


@pytest.mark.parametrize("asked", WIDER, ids=str)
def test_no_filter_widens_it(handle, asked):
    allowed = [1, 2, 3]
    assert keys(handle.query(asked)) == allowed
    assert handle.count(asked) == 3
    assert [hit.id for hit in handle.search([0, 0], "dense", 9, filter=asked)] == allowed
    assert {key for batch in handle.query_iterator(asked) for key in keys(batch)} == {1, 2, 3}
    assert handle.facets("tenant", filter=asked) == {"tenant": [("a", 3)]}
    assert handle.aggregate("max(id)", filter=asked) == [{"max(id)": 3}]


@pytest.mark.parametrize(
    "text",
    ["id > 0) or (id > 0", "id > 0 /*", "id > 0; true", "') or (tenant == 'b", "{x} or true"],
)
def test_text_that_would_close_a_parenthesis_is_no_filter(handle, text):
    for call in (handle.query, handle.count, handle.delete):
        with pytest.raises(FilterError):
            call(text)
    assert len(handle) == 3


def test_values_of_templates_are_values(handle):
    given = {"x": "b' or true or '"}
    assert handle.query("tenant == {x} or text == {x}", params=given) == []
    assert keys(handle.query("tenant in {x}", params={"x": ["a", "b"]})) == [1, 2, 3]


def test_options_do_not_widen_it(collection, handle):
    seq = collection.last_seq
    for options in (
        {"as_of": seq},
        {"consistency": "strong"},
        {"partitions": ["p", "_default"]},
        {"timezone": "Europe/Berlin"},
        {"root": "meta"},
        {"at_least": seq},
    ):
        assert keys(handle.query(**options)) == [1, 2, 3], options
    assert handle.query(partitions="p") == []
    assert handle.get([1, 11, 21, 31], partitions=["_default", "p"])[0]["id"] == 1
    assert len(handle.get([1, 11, 21, 31], partitions=["_default", "p"])) == 1
    collection.upsert([entity(2, "b")])
    assert keys(handle.query()) == [1, 3]
    # The state of then is bound as well, by what its rows held then.
    assert keys(handle.query(as_of=seq)) == [1, 2, 3]
    collection.delete([11])
    assert handle.get([11], as_of=seq) == []


def test_how_recent_a_read_is_can_be_asked_for(collection, handle):
    with pytest.raises(InvalidArgumentError, match="no level 'weak'"):
        handle.query(consistency="weak")
    # Nobody writes it, so only the time ends the wait.
    with pytest.raises(elanus.errors.SearchTimeoutError):
        handle.search([0, 0], "dense", at_least=collection.last_seq + 10**12, timeout=0.02)


def test_scores_and_terms_do_not_tell_of_other_rows(collection, handle):
    before = [(hit.id, hit.score) for hit in handle.search("open paper", "words", 9)]
    assert [key for key, _ in before] == [1, 2, 3]
    assert len(handle.search(SECRET, "words", 9)) == 0
    collection.upsert([entity(key, "b", text="open open open") for key in range(40, 60)])
    assert [(hit.id, hit.score) for hit in handle.search("open paper", "words", 9)] == before
    explained = handle.search("open paper", "words", 9, explain=True)
    assert "/3 rows" in str(explained.explanation)
    assert str(handle.explain("tenant == 'b'")[0]) == 'filter tenant == "b"\n' + "\n".join(
        [f"{explained.explanation.legs[0].steps[0].source}: 0 of 3 rows pass"]
    )


def test_a_key_of_another_row_is_unknown(collection, handle):
    collection.insert([entity(99, "b")])
    collection.delete([99])
    said = {key: handle.why_not(key, [0, 0], "dense") for key in (11, 99, 12345)}
    assert {one.cause for one in said.values()} == {"unknown_key"}
    assert len({str(one).replace(str(key), "") for key, one in said.items()}) == 1
    with pytest.raises(elanus.errors.NotFoundError):
        handle.search(ids=11, field="dense")


def test_tokens_of_iterators_are_of_one_restriction(collection, handle):
    other = collection.restricted("tenant == 'b'")
    whole = collection.query_iterator(batch_size=1)
    foreign = other.query_iterator(batch_size=1)
    own = handle.query_iterator(batch_size=1)
    for iterator in (whole, foreign, own):
        next(iterator)
    for token in (whole.token, foreign.token):
        with pytest.raises(InvalidArgumentError, match="another request"):
            handle.query_iterator(batch_size=1, token=token)
    again = collection.restricted("tenant == 'a'").query_iterator(batch_size=1, token=own.token)
    assert [key for batch in again for key in keys(batch)] == [2, 3]
    found = collection.search_iterator([0, 0], "dense", batch_size=1)
    next(found)
    with pytest.raises(InvalidArgumentError, match="another request"):
        handle.search_iterator([0, 0], "dense", batch_size=1, token=found.token)


def test_writes_are_bound(collection, handle):
    for call, row in (
        (lambda: handle.upsert([entity(4, "a"), entity(11, "a")]), 1),
        (lambda: handle.upsert([entity(4, "a"), entity(5, "b")]), 1),
        (lambda: handle.insert([entity(4, None)]), 0),
        (lambda: handle.upsert([{"id": 1, "tenant": "b"}], partial=True), 0),
        (lambda: handle.upsert([{"id": 11, "n": 0}], partial=True), 0),
        (lambda: handle.upsert([{"id": 11, "tenant": "a"}], partial=True), 0),
    ):
        with pytest.raises(NotAllowedError) as raised:
            call()
        assert raised.value.row == row
        assert SECRET not in str(raised.value)
    with pytest.raises(EntityExistsError):
        handle.insert([entity(1, "a")])
    assert len(collection) == 8
    handle.upsert([{"id": 1, "n": 100}, {"id": 4, **entity(4, "a")}], partial=True)
    assert handle.get(1, ["n"]) == [{"id": 1, "n": 100}]
    assert handle.delete([1, 11, 21]) == 1
    assert handle.delete("id > 0", partitions=["p"]) == 0
    assert handle.delete("id > 0 or true") == 3
    assert keys(collection.query()) == [11, 12, 13, 21, 31]


def test_of_many_keys_the_one_of_another_row_is_told(collection, handle):
    collection.compact()  # all of them in one segment, rows of both sides by turns
    for bad, batch in ((2, (4, 2, 12, 1)), (1, (1, 11)), (0, (21, 3, 2))):
        with pytest.raises(NotAllowedError, match=f"key {batch[bad]} ") as raised:
            handle.upsert([entity(key, "a") for key in batch])
        assert raised.value.row == bad
    assert keys(collection.query("tenant == 'a'")) == [1, 2, 3]
    # Both sides of a new key are looked for in every source.
    collection.insert([entity(41, "b")])
    with pytest.raises(NotAllowedError, match="key 41 "):
        handle.upsert([entity(key, "a") for key in (40, 41, 42)])


def test_a_handle_of_a_handle_replaces_what_both_see(collection):
    outer = collection.restricted("tenant == 'a'", check="n < 100")
    narrow = outer.restricted("id > 2", check="id < 50")
    for hidden in (1, 11, 21):
        with pytest.raises(NotAllowedError, match=f"key {hidden} "):
            narrow.upsert([entity(hidden, "a")])
    narrow.upsert([entity(3, "a", n=30)])
    assert narrow.query(output=["n"]) == [{"id": 3, "n": 30}]
    # A place in one list of entities says nothing about a longer one.
    own = narrow.query_iterator(batch_size=1)
    next(own)
    with pytest.raises(InvalidArgumentError, match="another request"):
        collection.restricted("id > 2", check="id < 50").query_iterator(
            batch_size=1, token=own.token
        )


def test_what_may_be_written_may_differ_from_what_is_seen(collection):
    handle = collection.restricted("tenant == 'a'", check="n < 100")
    handle.insert([entity(5, "b"), entity(6, "a")])
    assert keys(handle.query()) == [1, 2, 3, 6]
    with pytest.raises(NotAllowedError):
        handle.insert([entity(7, "a", n=100)])
    narrow = handle.restricted("id > 2", check={"id": {"$lt": 50}})
    assert keys(narrow.query()) == [3, 6]
    for wrong in (entity(60, "a"), entity(40, "a", n=100), entity(1, "a")):
        with pytest.raises(NotAllowedError):
            narrow.upsert([wrong])
    narrow.upsert([entity(40, "a")])
    assert narrow.delete("true") == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.drop(),
        lambda c: c.truncate(),
        lambda c: c.drop_partition("p"),
        lambda c: c.create_partition("q"),
        lambda c: c.add_field(Field("x", DataType.INT64, nullable=True)),
        lambda c: c.drop_field("tenant"),
        lambda c: c.alter_field("text", description="x"),
        lambda c: c.create_index("n"),
        lambda c: c.drop_index("n"),
        lambda c: c.set_ttl(1),
        lambda c: c.set_retention(0),
        lambda c: c.set_consistency("strong"),
        lambda c: c.alter_properties({"x": 1}),
        lambda c: c.drop_properties("x"),
        lambda c: c.flush(),
        lambda c: c.compact(),
        lambda c: c.stats(),
        lambda c: c.release(),
    ],
    ids=inspect.getsource,
)
def test_what_is_about_more_than_entities_is_refused(handle, call):
    with pytest.raises(NotAllowedError, match="ask whoever handed it to you"):
        call(handle)


def test_imports_are_refused(handle, tmp_path):
    handle.export_data(tmp_path / "rows.jsonl")
    told = (tmp_path / "rows.jsonl").read_text()
    assert SECRET not in told
    assert told.count("\n") == 3
    with pytest.raises(NotAllowedError):
        handle.import_data(tmp_path / "rows.jsonl")
    with pytest.raises(NotAllowedError):
        handle.sync([{"id": "x", "text": "t"}], source="s")


def test_every_part_of_the_engine_is_replaced_or_refused(collection, handle):
    """What somebody adds to the reader later tells nothing through a restricted handle."""
    own = vars(RestrictedCollection)
    inherited = [n for n in vars(CollectionReader) if not n.startswith("_") and n not in own]
    assert inherited
    engine = handle._engine
    for name in inherited:
        if name in ("follow", "restricted_to"):
            continue
        parameters = inspect.signature(getattr(CollectionReader, name)).parameters.values()
        needed = [p for p in parameters if p.name != "self" and p.default is p.empty]
        with pytest.raises(NotAllowedError):
            getattr(engine, name)(*[None for p in needed if p.kind is not p.KEYWORD_ONLY])


def test_the_engine_below_a_handle_refuses_by_itself(collection, handle):
    engine = handle._engine
    for call in (
        lambda: engine.live_view,
        engine.sync_turn,
        lambda: engine.begin_load(None),
        lambda: engine.fill_vectors(None),
    ):
        with pytest.raises(NotAllowedError):
            call()
    engine.close(flush=False)
    assert len(collection) == 8


def test_few_restrictions_are_remembered(collection, monkeypatch):
    monkeypatch.setattr(restriction, "MAX_PARTS", 3)
    whole = collection._engine.snapshot()
    for key in range(8):
        assert len(collection.restricted(f"id == {key}")) == (key in (1, 2, 3))
        assert 1 <= len(whole.parts) <= 3


@pytest.mark.parametrize("was_used", [False, True])
def test_without_its_field_nothing_is_seen(collection, handle, was_used):
    if was_used:
        assert len(handle) == 3
    collection.drop_field("tenant")
    for call in (
        handle.query,
        handle.count,
        lambda: handle.get([1]),
        lambda: handle.search([0, 0], "dense"),
        lambda: handle.delete("id > 0"),
        lambda: handle.insert([{k: v for k, v in entity(7, "a").items() if k != "tenant"}]),
    ):
        with pytest.raises(NotAllowedError) as raised:
            call()
        assert "'a'" not in str(raised.value)
    assert len(collection) == 8


def test_indexes_and_renaming_change_nothing(collection, handle):
    collection.create_index('meta["t"]', "INVERTED", {"json_cast_type": "VARCHAR"})
    collection.create_index("tenant", "BITMAP")
    collection.wait_indexed()
    (partly,) = [one for one in collection.list_indexes() if one.name == "tenant"]
    assert (partly.indexed_rows, partly.total_rows) == (3, 8)
    # Its three rows are those that have the index, which would tell that there are others.
    assert {one.indexed_rows for one in handle.list_indexes()} == {0}
    collection.compact()
    assert keys(handle.query("meta['t'] == 'b' or id > 0")) == [1, 2, 3]
    assert {one.total_rows for one in handle.list_indexes()} == {3}
    assert {one.total_rows for one in collection.list_indexes()} == {8}
    described = handle.describe()
    assert (described.name, described.count) == ("notes", 3)
    assert handle.is_restricted
    assert not collection.is_restricted


def test_wrong_restrictions(collection):
    for wrong in ("", "  ", {}):
        with pytest.raises(InvalidArgumentError, match="expected a filter"):
            collection.restricted(wrong)
    with pytest.raises(InvalidArgumentError, match="random_sample"):
        collection.restricted("tenant == 'a' and random_sample(0.5)")
    with pytest.raises(FilterError):
        collection.restricted("owner == 1")
    with pytest.raises(FilterError):
        collection.restricted("tenant == {x}")
    handle = collection.restricted("tenant == {x}", params={"x": "a' or true or '"})
    assert handle.query() == []


def test_a_process_that_only_reads_is_bound_as_well(collection, tmp_path):
    collection.flush()
    with elanus.connect(tmp_path / "db", read_only=True) as db:
        handle = db.collection("notes").restricted("tenant == 'a'")
        assert keys(handle.query("true")) == [1, 2, 3]
        collection.insert([entity(4, "a")])
        assert keys(handle.query(consistency="session")) == [1, 2, 3]  # what it has seen already
        assert keys(handle.query()) == [1, 2, 3, 4]
        with pytest.raises(ReadOnlyError):
            handle.insert([entity(5, "a")])
