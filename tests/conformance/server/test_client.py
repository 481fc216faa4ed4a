"""The client of elanus: what is done with a server gives what it gives embedded."""

from __future__ import annotations

from dataclasses import replace

import pytest

import elanus
from elanus import Boost, Decay, Field, Leg
from elanus.errors import (
    ClosedError,
    CollectionExistsError,
    CollectionNotFoundError,
    ElanusError,
    EntityError,
    EntityExistsError,
    FieldNotFoundError,
    FilterError,
    HistoryError,
    InvalidArgumentError,
    NotFoundError,
    ReadOnlyError,
    SearchTimeoutError,
    ServerConnectionError,
)
from elanus.filter import field
from elanus.query.results import SearchResult
from elanus.remote.database import RemoteDatabase
from support.client_papers import TEXTS, VECTORS, papers, papers_schema
from support.every_type import every_type_rows, every_type_schema


def told(value):
    """Return everything that an answer says, as text, but for times."""
    if isinstance(value, SearchResult):
        why = value.explanation._replace(timings_ms={})
        hits = [
            (h.id, h.score, h.entity, h.offset, dict(h.highlights), h.explanation, str(h))
            for h in value
        ]
        groups = [(group.value, [hit.id for hit in group.hits]) for group in value.groups]
        return repr((hits, groups, why, str(why), value.is_exact, value.recall_estimate))
    if isinstance(value, list) and value and isinstance(value[0], SearchResult):
        return [told(one) for one in value]
    return repr(value)


READS = {
    "get": lambda c: c.get([5, 3, 999]),
    "get one": lambda c: c.get(7, ["*"]),
    "query": lambda c: c.query("year > 2010 and id < 40", ["*"]),
    "query in order": lambda c: c.query(field("id") < 30, ["year", "at"], order_by="year desc"),
    "query by parameters": lambda c: c.query("id in {ids}", params={"ids": [1, 2]}, offset=1),
    "query in a zone": lambda c: c.query("id < 3", ["at"], timezone="Europe/Berlin"),
    "dict filter": lambda c: c.count({"year": {"$gte": 2010}}),
    "count": lambda c: c.count(),
    "explain": lambda c: [str(plan) for plan in c.explain("year > 2010")],
    "aggregate": lambda c: c.aggregate(["count(*)", "max(year)"], group_by="year"),
    "facets": lambda c: c.facets("year", limit=3),
    "aggregates of paths": lambda c: c.aggregate(
        ["count(*)", "sum(meta['n'])"], group_by=["meta['tags'][0]"], filter="year > 2003"
    ),
    "facets of paths": lambda c: c.facets(['meta["tags"]', "meta['n']"], limit=2),
    "search": lambda c: c.search(VECTORS[7], "dense", 5),
    "search list": lambda c: c.search(VECTORS[7].tolist(), "dense", 5, output=["text"]),
    "search batch": lambda c: c.search(VECTORS[:3], "dense", 5, filter="year > 2003"),
    "search text": lambda c: c.search("graphs and words", "bm25", 7, explain=True),
    "search texts": lambda c: c.search(["graphs", "trees"], "bm25", 4),
    "search by ids": lambda c: c.search(ids=[3], field="dense", limit=4),
    "search nothing": lambda c: c.search("zzz", "bm25"),
    "groups": lambda c: c.search(VECTORS[2], "dense", 4, group_by="year", group_size=2),
    "range": lambda c: c.search(VECTORS[2], "dense", 50, radius=0.2, range_filter=0.9),
    "rankers": lambda c: c.search(
        VECTORS[2], "dense", 5, ranker=[Decay("year", origin=2010, scale=5), Boost("id < 50", 3.0)]
    ),
    "mmr": lambda c: c.search(VECTORS[2], "dense", 5, ranker=elanus.MMR(0.4)),
    "highlight": lambda c: c.search("graphs", "bm25", 3, highlight=elanus.Highlighter("<b>")),
    "hybrid": lambda c: c.hybrid_search([Leg("dense", VECTORS[4]), Leg("bm25", "trees")], limit=6),
    "hybrid for several": lambda c: c.hybrid_search(
        [Leg("dense", VECTORS[3:6]), Leg("bm25", ["trees", "graph", "none"])], limit=6
    ),
    "hybrid weighted": lambda c: c.hybrid_search(
        [Leg("dense", VECTORS[4], filter="year > 2001"), Leg("bm25", "trees", limit=9)],
        elanus.Weighted(0.3, 0.7),
        6,
        filter=field("id") > 5,
        explain=True,
    ),
    "why_not": lambda c: c.why_not(250, VECTORS[4], "dense", 3),
    "why_not filter": lambda c: str(c.why_not(9, VECTORS[4], "dense", filter="year > 2010")),
    "why_not legs": lambda c: c.why_not(
        9, legs=[Leg("dense", VECTORS[4]), Leg("bm25", "trees")], limit=2
    ),
    "query_iterator": lambda c: list(c.query_iterator("id < 100", ["text"], batch_size=30)),
    "run_analyzer": lambda c: c.run_analyzer(["Running graphs"], "text", with_detail=True),
    "describe": lambda c: c.describe(),
    "schema": lambda c: c.schema,
    "properties": lambda c: (c.properties, c.retention_s, c.ttl, c.consistency, c.search_profile),
    "indexes": lambda c: (c.list_indexes(), c.list_partitions(), c.has_partition("x")),
    "known items": lambda c: c.known_item_queries(20),
    "lengths": lambda c: (len(c), c.name, c.stats().rows),
    "arrow": lambda c: c.to_arrow(filter="id < 20").to_pydict(),
    "pandas": lambda c: c.to_pandas(filter="id < 5", output=["id", "text"]).to_dict(),
    "sources": lambda c: (c.sources(), c.lineage([1]), list(c.lineages())),
}


@pytest.fixture(scope="module")
def twins(served, place):
    """One collection by two ways: a folder opened twice in one process shares its files."""
    with elanus.connect(served) as root:
        root.create_database("twins")
        with (
            elanus.connect(place, database="twins") as one,
            elanus.connect(served, database="twins") as other,
        ):
            made = papers(other)
            yield one.collection("papers"), made
            made.drop()
        root.drop_database("twins")


@pytest.mark.parametrize("name", READS)
def test_reads_say_the_same(twins, name):
    one, other = twins
    assert told(READS[name](other)) == told(READS[name](one))


def test_answers_say_of_hits_alone_why_they_are_hits(twins):
    legs = [Leg("dense", VECTORS[4], limit=40), Leg("bm25", "trees", limit=40)]
    ranker = [Boost("id < 50", 3.0)]
    one, other = [c.hybrid_search(legs, limit=6, ranker=ranker) for c in twins]
    assert [len(leg.row_ids) for leg in one.answer.reasons.legs] == [40, 40]
    sent = other.answer.reasons
    hits = set(zip(sent.sources.tolist(), sent.row_ids.tolist(), strict=True))
    for part in (*sent.legs, *sent.records):
        rows = list(zip(part.sources.tolist(), part.row_ids.tolist(), strict=True))
        assert rows
        assert set(rows) <= hits
    assert told(other) == told(one)


def test_search_iterators_say_the_same(twins):
    found = [
        [
            (h.id, h.score, h.entity)
            for batch in c.search_iterator(VECTORS[1], "dense", limit=90)
            for h in batch
        ]
        for c in twins
    ]
    assert len(found[0]) == 90
    assert found[0] == found[1]


ERRORS = {
    "filter": lambda c: c.query("year >> > 3"),
    "filter name": lambda c: c.count("yaer > 3"),
    "field": lambda c: c.search(VECTORS[0], "dens"),
    "option": lambda c: c.search(VECTORS[0], "dense", fliter="x"),
    "argument": lambda c: c.search(VECTORS[0], "dense", 0),
    "vector": lambda c: c.search([1.0, 2.0], "dense"),
    "entity": lambda c: c.insert([{"id": 1000, "text": 5, "dense": VECTORS[0]}]),
    "taken": lambda c: c.insert([{"id": 3, "text": "x", "dense": VECTORS[0]}]),
    "delete": lambda c: c.delete(),
    "partition": lambda c: c.insert([], partition="nowhere"),
    "unknown index": lambda c: c.drop_index("year"),
    "history": lambda c: c.count(as_of=1),
    "too few": lambda c: c.get(),
    "token": lambda c: c.query_iterator(token="nonsense"),
    "key": lambda c: c.search(ids=[12345], field="dense"),
    "import": lambda c: c.import_data("/nowhere.jsonl"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_the_same(twins, name):
    found = []
    for collection in twins:
        with pytest.raises((ElanusError, TypeError)) as caught:
            ERRORS[name](collection)
        found.append((type(caught.value), str(caught.value), vars(caught.value)))
    assert found[1] == found[0]


def test_searches_have_a_time(twins):
    _, other = twins
    with pytest.raises(SearchTimeoutError):
        other.search(VECTORS, "dense", timeout=1e-9)


def test_every_type_comes_back(both):
    rows = every_type_rows(40)
    found = []
    for database in both:
        made = database.create_collection("types", every_type_schema())
        keys = made.insert(rows)
        made.create_partition("part")
        made.upsert(every_type_rows(5, first=100), partition="part")
        found.append(repr((keys, made.query(output=["*"]), made.query(partitions="part"))))
        found.append(repr([dict(row) for row in made.query(limit=3, output=["dense", "sparse"])]))
    assert found[2:] == found[:2]


def test_writes(database):
    made = papers(database, 50)
    assert made.insert([{"id": 900, "text": "new", "dense": VECTORS[0]}]) == [900]
    assert made.upsert([{"id": 3, "year": 1}], partial=True) == [3]
    assert made.get(3, ["year"]) == [{"id": 3, "year": 1}]
    assert made.delete([1, 2, 77]) == 2
    assert made.delete("id < {least}", params={"least": 5}) == 3
    assert made.delete(filter=field("id") == 900) == 1
    assert len(made) == 45
    with pytest.raises(EntityExistsError) as caught:
        made.insert([{"id": 10, "text": "x", "dense": VECTORS[0]}])
    assert (caught.value.pk, caught.value.row) == (10, 0)
    with pytest.raises(EntityError) as wrong:
        made.insert({"id": [5000], "text": ["x"], "dense": VECTORS[:1, :3]})
    assert wrong.value.field == "dense"
    made.truncate()
    assert made.count() == 0


def test_signatures_are_made_of_texts(database):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("text", elanus.VARCHAR, analyzer="standard"),
        elanus.Field("signature", elanus.BINARY_VECTOR, source=elanus.MinHash("text", seed=7)),
    ]
    made = database.create_collection("signed", elanus.Schema(fields))
    assert made.schema.field("signature").source == elanus.MinHash("text", seed=7)
    made.insert([{"id": 1, "text": "a b c d"}, {"id": 2, "text": "w x y z"}])
    made.create_index("signature", "MINHASH_LSH")
    found = made.search("A, b: c d", "signature", limit=2)
    assert [(hit.id, hit.score) for hit in found] == [(1, 1.0), (2, 0.0)]


def test_the_schema_changes(database):
    made = papers(database, 20)
    other = database.collection("papers")
    made.add_field(Field("note", elanus.VARCHAR, nullable=True))
    assert "note" in other.schema
    assert other.seen_schema == other.schema
    made.alter_field("note", description="text")
    assert other.schema.field("note").description == "text"
    made.drop_field("note")
    assert "note" not in other.schema
    made.create_index("year", "INVERTED")
    made.create_index("dense", "FLAT")
    made.wait_indexed()
    assert {i.name: i.type for i in made.list_indexes()}["year"] == "INVERTED"
    made.drop_index("year")
    with pytest.raises(FieldNotFoundError) as caught:
        made.drop_field("nothing")
    assert caught.value.name == "nothing"


def test_settings(database):
    made = papers(database, 20)
    made.alter_properties({"own": {"a": [1]}})
    assert made.properties["own"] == {"a": [1]}
    made.set_properties({"other": 5})
    made.drop_properties("own")
    assert made.properties == {"other": 5}
    made.set_retention(60.0)
    made.set_ttl(1e6)
    made.set_consistency("bounded")
    assert (made.retention_s, made.ttl, made.consistency) == (60.0, (1e6, None), "bounded")
    made.load()
    made.release()
    made.compact()
    seq = made.last_seq
    made.delete([3])
    assert made.count(as_of=seq) == made.count() + 1
    made.create_partition("extra")
    assert made.list_partitions() == ["_default", "extra"]
    made.drop_partition("extra")
    assert not made.has_partition("extra")


def test_names(database):
    made = papers(database, 5)
    assert (database.list_collections(), database.has_collection("papers")) == (["papers"], True)
    database.create_alias("latest", "papers")
    assert database.collection("latest") == made
    assert database.list_aliases() == {"latest": "papers"} == database.list_aliases("papers")
    database.create_collection("second", papers_schema())
    database.alter_alias("latest", "second")
    assert database.collection("latest").name == "second"
    database.drop_alias("latest")
    database.rename_collection("papers", "articles")
    assert made.name == "articles"
    assert made.count() == 5
    with pytest.raises(CollectionNotFoundError) as caught:
        database.collection("paper")
    assert caught.value.name == "paper"
    with pytest.raises(CollectionExistsError):
        database.create_collection("second", papers_schema())
    again = database.collection("articles")
    made.drop()
    papers(database).count()
    database.rename_collection("papers", "articles")
    # A collection of the same name is another one.
    assert database.collection("articles") != again
    for handle in (made, again):
        with pytest.raises(ClosedError):
            handle.count()


def test_databases(database):
    database.create_database("team", properties={"timezone": "Europe/Berlin"})
    assert "team" in database.list_databases()
    with database.use_database("team") as team:
        assert team.database == "team"
        made = papers(team, 3)
        assert team.list_collections() == ["papers"]
        assert database.list_collections() == []
        assert made.schema.timezone == "Europe/Berlin"
        assert team.database_properties() == {"timezone": "Europe/Berlin"}
        team.alter_database_properties("team", {"a": 1})
        team.drop_database_properties("team", "timezone")
        assert team.database_properties("team") == {"a": 1}
        team.drop_collection("papers")
    database.drop_database("team")
    with pytest.raises(NotFoundError):
        database.use_database("team")


def test_snapshots_and_backups(database, tmp_path):
    made = papers(database, 5)
    kept = database.snapshot("before")
    made.delete([1])
    assert made.count(as_of="before") == 5
    found = database.list_snapshots()["before"]
    assert (found.seq, found.created) == (kept.seq, kept.created)
    own = database.snapshot("own", collection="papers", description="text")
    assert database.list_snapshots("papers") == {"own": own}
    assert database.describe_snapshot("own", "papers").schema == made.schema
    database.create_database("restored")
    copy = database.restore_snapshot("own", "papers", "copy", database="restored")
    assert (copy.name, copy.count()) == ("copy", 4)
    copy.drop()
    database.drop_database("restored")
    database.drop_snapshot("own", collection="papers")
    database.drop_snapshot("before")
    with pytest.raises((HistoryError, NotFoundError)):
        made.count(as_of="before")
    result = database.backup(tmp_path / "backups")
    assert isinstance(result, elanus.BackupResult)
    elanus.restore(tmp_path / "backups", tmp_path / "restored")
    with elanus.connect(tmp_path / "restored") as copy:
        assert len(copy.collection("papers")) == 4
    assert "papers" in database.stats().collections


def test_snapshots_of_one_collection_are_restored(database):
    schema = elanus.Schema(
        [elanus.Field("id", elanus.INT64, primary=True), elanus.Field("n", elanus.INT64)]
    )
    collection = database.create_collection("restorable", schema, properties={"own": "x"})
    collection.insert([{"id": i, "n": i} for i in range(5)])
    made = database.snapshot("s", collection="restorable", description="why")
    assert (made.description, list(database.list_snapshots("restorable"))) == ("why", ["s"])
    collection.delete([1])
    collection.create_partition("late")
    state = database.describe_snapshot("s", "restorable")
    assert (state.schema, state.partitions) == (schema, ("_default",))
    assert state.properties["own"] == "x"
    assert collection.count(as_of="s") == 5
    restored = database.restore_snapshot("s", "restorable", "restored", properties={"more": 1})
    assert (restored.name, restored.schema, restored.count()) == ("restored", schema, 5)
    assert restored.properties["more"] == 1
    restored.insert([{"id": 9, "n": 9}])
    assert database.collection("restored").count() == 6
    with pytest.raises(CollectionExistsError):
        database.restore_snapshot("s", "restorable", "restored")
    with pytest.raises(NotFoundError, match="no snapshot 'x'"):
        database.restore_snapshot("x", "restorable", "another")
    database.drop_snapshot("s", collection="restorable")
    assert database.list_snapshots("restorable") == {}
    for name in ("restorable", "restored"):
        database.drop_collection(name)


def test_an_iterator_sees_one_snapshot_and_goes_on_by_its_token(database):
    made = papers(database, 100)
    made.set_retention(60.0)
    batches = made.query_iterator(batch_size=30)
    first = next(batches)
    token = batches.token
    made.delete("id >= 0")
    assert [len(batch) for batch in batches] == [30, 30, 10]
    later = database.collection("papers").query_iterator(batch_size=30, token=token)
    assert [row["id"] for row in next(later)] == list(range(30, 60))
    assert [row["id"] for row in first] == list(range(30))
    assert list(made.query_iterator()) == []


def test_evaluating_and_tuning_say_the_same(twins):
    queries = {f"q{i}": {"dense": VECTORS[i], "bm25": TEXTS[i]} for i in range(0, 300, 6)}
    qrels = {f"q{i}": {i: 1.0, (i + 1) % 300: 0.5} for i in range(0, 300, 6)}
    found, tuned = [], []
    for collection in twins:
        measured = collection.evaluate(queries, qrels, resamples=100)
        found.append(measured.values.tolist())
        own = collection.evaluate(
            {"q0": TEXTS[0]}, {"q0": [0]}, search=lambda text, c=collection: c.search(text, "bm25")
        )
        assert own.metrics
        made = collection.tune(queries, qrels, splits=3, apply=False)
        tuned.append(repr(replace(made.profile, measured={})))
    assert found[0] == found[1]
    assert tuned[0] == tuned[1]


def test_a_profile_is_kept(database):
    made = papers(database, 200)
    result = made.tune(fields=["bm25"], splits=2)
    assert result.applied
    assert made.search_profile == result.profile
    made.drop_properties("search.profile")
    assert made.search_profile is None


def test_read_only_is_refused_before_it_is_sent(served):
    with elanus.connect(served) as database:
        papers(database, 5)
    with elanus.connect(served, read_only=True) as database:
        made = database.collection("papers")
        assert database.read_only
        assert made.count() == 5
        made.wait_indexed()
        assert len(list(made.query_iterator())) == 1
        for write in (
            lambda: made.delete([1]),
            lambda: database.drop_collection("papers"),
            lambda: database.create_database("x"),
        ):
            with pytest.raises(ReadOnlyError):
                write()
    with elanus.connect(served) as database:
        database.drop_collection("papers")


def test_handles(served):
    database = elanus.connect(served, token="user:secret-word")
    assert isinstance(database, elanus.Database)
    assert isinstance(database, RemoteDatabase)
    made = database.create_collection("handles", papers_schema())
    assert isinstance(made, elanus.Collection)
    assert {made, database.collection("handles")} == {made}
    assert "secret" not in repr(database) + repr(made) + repr(vars(database))
    made.drop()
    database.close()
    database.close()
    with pytest.raises(ClosedError):
        database.list_collections()
    with pytest.raises(TypeError, match="cannot be pickled"):
        database.__reduce__()
    with pytest.raises(TypeError, match="'handles' of a server cannot be pickled"):
        made.__reduce__()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"durability": "os"}, "the server has its own"),
        ({"memory_limit": "1GB"}, "the server has its own"),
        ({"timeout": 0}, "seconds above 0"),
        ({"tls_ca": "/x.pem"}, "without TLS"),
    ],
)
def test_options_of_folders_are_none_of_servers(served, options, text):
    with pytest.raises(InvalidArgumentError, match=text):
        elanus.connect(served, **options)


def test_urls(served):
    port = served.rpartition(":")[2]
    for scheme in ("http", "tcp", "grpc"):
        with elanus.connect(f"{scheme}://127.0.0.1:{port}") as database:
            assert database.list_collections() == []
    with pytest.raises(NotFoundError, match="no database 'nowhere'"):
        elanus.connect(f"http://127.0.0.1:{port}/nowhere")
    with pytest.raises(InvalidArgumentError, match="only for servers"):
        elanus.connect("./folder", timeout=3)
    with pytest.raises(InvalidArgumentError, match="expected a folder"):
        elanus.connect("ftp://user:secret@host")
    with pytest.raises(ServerConnectionError, match="does not talk TLS there; write http://"):
        elanus.connect(f"https://127.0.0.1:{port}")


def test_filters_are_not_read_twice(twins):
    """A tree that a client builds is what the server evaluates."""
    _, other = twins
    with pytest.raises(FilterError):
        other.query(field("nothing") == 3, params={"a": 1})
