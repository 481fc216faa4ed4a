"""Rows that say how they are analyzed, on every way a row can take."""

import pytest

import elanus
from elanus.analysis.multi import MultiAnalyzer, build_field_analyzer
from elanus.errors import InvalidArgumentError, SchemaError

GERMAN = {"tokenizer": "standard", "filter": ["lowercase", {"type": "stemmer",
          "language": "german"}]}  # fmt: skip
MULTI = {
    "by_field": "language",
    "analyzers": {"default": "standard", "english": "english", "german": GERMAN},
    "alias": {"en": "english", "de": "german"},
}
ROWS = [
    {"id": 1, "text": "The houses are running", "language": "english"},
    {"id": 2, "text": "A house runs", "language": "en"},
    {"id": 3, "text": "Die Häuser laufen", "language": "german"},
    {"id": 4, "text": "Ein Haus lief", "language": "de"},
    {"id": 5, "text": "houses Häuser", "language": "klingon"},
    {"id": 6, "text": "houses", "language": None},
    {"id": 7, "text": None, "language": "english"},
]
# What each analyzer finds: stems in the rows of its own language, words as they stand elsewhere.
FOUND = {
    ("houses", None): {5, 6},
    ("house", None): set(),
    ("houses", "english"): {1, 2},
    ("houses", "en"): {1, 2},
    ("runs", "english"): {1, 2},
    ("haus", "german"): {3, 4},
    ("Häuser", "de"): {3, 4},
    # The standard analyzer keeps the word whole, the others took the end off.
    ("Häuser", None): {5},
}
MATCHED = {
    "text_match(text, 'houses')": {1, 2, 5, 6},
    "text_match(text, 'Häuser')": {3, 4, 5},
    "not text_match(text, 'houses')": {3, 4},
    "text_match(text, 'houses running', minimum_should_match=2)": {1, 2},
    "phrase_match(text, 'house running', slop=1)": {1, 2},
    "phrase_match(text, 'haus laufen')": {3},
}


def make(database):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("text", elanus.VARCHAR, analyzer=MULTI, nullable=True),
        elanus.Field("language", elanus.VARCHAR, nullable=True),
        elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
    ]
    return database.create_collection("notes", elanus.Schema(fields))


def check(notes, alive=frozenset(range(1, 8))):
    for (text, name), ids in FOUND.items():
        hits = notes.search(text, analyzer_name=name).hits
        assert {hit.id for hit in hits} == ids & alive, (text, name)
    for text, ids in MATCHED.items():
        assert {row["id"] for row in notes.query(text)} == ids & alive, text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "base"


def test_in_memory_and_after_a_flush(path):
    with elanus.connect(path) as database:
        notes = make(database)
        for row in ROWS:
            notes.insert([row])
        check(notes)
        notes.flush()
        check(notes)


def test_after_recovery(path):
    with elanus.connect(path) as database:
        make(database).insert(ROWS)
    with elanus.connect(path) as database:
        check(database.collection("notes"))


def test_after_a_merge_with_deletes(path):
    with elanus.connect(path) as database:
        notes = make(database)
        for row in ROWS:
            notes.insert([row])
            notes.flush()
        notes.delete([2, 3])
        notes.compact()
        check(notes, frozenset({1, 4, 5, 6, 7}))


def test_an_upsert_changes_the_language(path):
    with elanus.connect(path) as database:
        notes = make(database)
        notes.insert(ROWS)
        notes.upsert([{"id": 6, "text": "houses", "language": "en"}])
        assert {hit.id for hit in notes.search("house", analyzer_name="en").hits} == {1, 2, 6}
        assert {hit.id for hit in notes.search("houses").hits} == {5}


def test_postings_that_are_lost_are_derived_in_each_language(path):
    with elanus.connect(path) as database:
        notes = make(database)
        notes.insert(ROWS)
        notes.flush()
        expected = {
            key: [(hit.id, hit.score) for hit in notes.search(key[0], analyzer_name=key[1]).hits]
            for key in FOUND
        }
    files = [file for file in path.rglob("idx/**/*") if file.is_file()]
    for file in files:
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 2 :] = bytes(len(damaged) - len(damaged) // 2)
        file.write_bytes(damaged)
    assert files
    with elanus.connect(path) as database:
        notes = database.collection("notes")
        check(notes)
        for key, hits in expected.items():
            found = notes.search(key[0], analyzer_name=key[1]).hits
            assert [(hit.id, hit.score) for hit in found] == hits


def test_a_process_that_reads(path):
    with elanus.connect(path) as database:
        notes = make(database)
        notes.insert(ROWS[:3])
        with elanus.connect(path, read_only=True) as reader:
            notes.insert(ROWS[3:])
            check(reader.collection("notes"))


def test_hybrid_legs_name_their_analyzer(path):
    with elanus.connect(path) as database:
        notes = make(database)
        notes.insert(ROWS)
        legs = [
            elanus.Leg("bm25", "houses", analyzer_name="en"),
            elanus.Leg("bm25", "haus", analyzer_name="de"),
        ]
        assert {hit.id for hit in notes.hybrid_search(legs)} == {1, 2, 3, 4}


def test_several_queries_at_once(path):
    with elanus.connect(path) as database:
        notes = make(database)
        notes.insert(ROWS)
        notes.flush()
        first, second = notes.search(["houses", "running"], analyzer_name="en")
        assert [{hit.id for hit in result.hits} for result in (first, second)] == [{1, 2}, {1, 2}]


def test_an_unknown_name_is_refused(path):
    with elanus.connect(path) as database:
        notes = make(database)
        with pytest.raises(
            InvalidArgumentError, match="no analyzer 'englisch'; did you mean 'engl"
        ):
            notes.search("x", analyzer_name="englisch")
        with pytest.raises(SchemaError, match="by_field needs another VARCHAR field"):
            notes.drop_field("language")


def test_one_analyzer_needs_no_name(path):
    with elanus.connect(path) as database:
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="english"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
        notes = database.create_collection("notes", elanus.Schema(fields))
        with pytest.raises(InvalidArgumentError, match="has one analyzer, which needs no name"):
            notes.search("x", analyzer_name="english")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by_field": "lang"}, "by_field needs another VARCHAR field named 'lang'"),
        ({"by_field": "id"}, "by_field needs another VARCHAR field named 'id'"),
        ({"by_field": "text"}, "by_field needs another VARCHAR field named 'text'"),
        ({"analyzers": {"english": "english"}}, "analyzers: expected one named 'default'"),
        ({"analyzers": {"default": "englsh"}}, "unknown name 'englsh'; did you mean 'english'?"),
        ({"alias": {"fr": "french"}}, "analyzer: alias: unknown name 'french'"),
        ({"by_fields": 1}, "analyzer: unknown parameter 'by_fields'; did you mean 'by_field'?"),
    ],
)
def test_parameters_are_checked_when_the_collection_is_made(path, changes, message):
    fields = [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("text", elanus.VARCHAR, analyzer={**MULTI, **changes}),
        elanus.Field("language", elanus.VARCHAR),
        elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
    ]
    with elanus.connect(path) as database, pytest.raises(SchemaError) as caught:
        database.create_collection("notes", elanus.Schema(fields))
    assert message in str(caught.value)


def test_names_and_aliases():
    analyzer = build_field_analyzer(MULTI)
    assert isinstance(analyzer, MultiAnalyzer)
    assert analyzer.numbers(["de", "german", None, "xx", "en"]).tolist() == [2, 2, 0, 0, 1]
    assert analyzer.named("de") is analyzer.named("german")
    assert analyzer.named(None) is analyzer.named("default")
