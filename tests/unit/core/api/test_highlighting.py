"""Marked fragments, worked out by hand."""

import zlib

import pytest

import elanus
from elanus.errors import FieldNotFoundError, InvalidArgumentError

TEXTS = {
    1: "The graph index walks a graph of rows.",
    2: "Indexing graphs takes time",
    3: "我是中国人。中国",
    4: "Nothing of that kind",
    5: "x" * 60 + " graph " + "y" * 60 + " graph " + "z" * 300 + " graph tail",
    6: None,
}


@pytest.fixture
def notes(tmp_path):
    with elanus.connect(tmp_path / "base") as database:
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="english", nullable=True),
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("plain", elanus.VARCHAR),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
        made = database.create_collection("notes", elanus.Schema(fields))
        rows = [
            {"id": k, "text": text, "title": f"note {k}", "plain": "p", "v": [k, 1.0]}
            for k, text in TEXTS.items()
        ]
        made.insert(rows[:3])
        made.flush()
        made.insert(rows[3:])
        yield made


def marked(result, field="text"):
    return {hit.id: hit.highlights[field] for hit in result}


def test_stems_are_marked_as_they_were_written(notes):
    result = notes.search("indexed graph", highlight=elanus.Highlighter())
    assert marked(result) == {
        1: ["The graph index walks a graph of rows.".replace("graph", "<em>graph</em>").replace(
            "index", "<em>index</em>")[4:]],
        2: ["<em>Indexing</em> <em>graphs</em> takes time"],
        5: [
            "<em>graph</em> " + "y" * 60 + " <em>graph</em> " + "z" * 27,
            "<em>graph</em> tail",
        ],
    }  # fmt: skip


def test_the_answer_is_that_without_marks(notes):
    plain = notes.search("indexed graph")
    found = notes.search("indexed graph", highlight={"pre_tags": ["["], "post_tags": "]"})
    assert [(h.id, h.score, h.entity) for h in found] == [(h.id, h.score, h.entity) for h in plain]
    assert [dict(hit.highlights) for hit in plain] == [{}] * len(plain)
    assert marked(found)[2] == ["[Indexing] [graphs] takes time"]


def test_fields_need_not_be_read_back(notes):
    result = notes.search("graphs", output=["id"], highlight=elanus.Highlighter())
    assert result.hits[0].entity == {"id": result.hits[0].id}
    assert marked(result)[2] == ["<em>graphs</em> takes time"]


def test_pairs_of_characters_that_overlap_are_one_mark(notes):
    result = notes.search("中国人", highlight=elanus.Highlighter())
    assert marked(result) == {3: ["<em>中国人</em>。<em>中国</em>"]}


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        ({"fragment_offset": 4}, ["The <em>graph</em> index walks a <em>graph</em> of rows."]),
        # What stands before a match may stand in the fragment before as well.
        ({"fragment_size": 18, "fragment_offset": 4},
         ["The <em>graph</em> index wa", "s a <em>graph</em> of rows."]),
        ({"fragment_size": 2, "fragment_offset": 40},
         ["The <em>graph</em>", "The graph index walks a <em>graph</em>"]),
        ({"fragment_size": 19}, ["<em>graph</em> index walks a", "<em>graph</em> of rows."]),
        ({"fragment_size": 19, "num_of_fragments": 1}, ["<em>graph</em> index walks a"]),
        # A match that begins where a fragment would end belongs to it.
        ({"fragment_size": 20}, ["<em>graph</em> index walks a <em>graph</em>"]),
        ({"num_of_fragments": 0}, []),
        # A fragment goes on to the end of a match.
        ({"fragment_size": 2}, ["<em>graph</em>", "<em>graph</em>"]),
        ({"num_of_fragments": None}, ["The <em>graph</em> index walks a <em>graph</em> of rows."]),
        ({"pre_tags": ["<", "{"], "post_tags": [">", "}"]},
         ["<graph> index walks a {graph} of rows."]),
    ],
)  # fmt: skip
def test_settings(notes, settings, fragments):
    result = notes.search("graphs", filter="id == 1", highlight=elanus.Highlighter(**settings))
    assert marked(result) == {1: fragments}


def test_words_of_a_filter_are_marked_beside_a_vector_search(notes):
    highlighter = elanus.Highlighter(
        highlight_query=[
            {"type": "TextMatch", "field": "text", "text": "graphs"},
            {"type": "TextMatch", "field": "title", "text": "2 9"},
        ]
    )
    condition = "text_match(text, 'graphs') and id < 3"
    result = notes.search([2.0, 1.0], "v", filter=condition, limit=2, highlight=highlighter)
    assert {hit.id: hit.highlights for hit in result} == {
        1: {"text": ["<em>graph</em> index walks a <em>graph</em> of rows."], "title": []},
        2: {"text": ["<em>graphs</em> takes time"], "title": ["<em>2</em>"]},
    }


def test_search_text_can_stay_unmarked(notes):
    highlighter = elanus.Highlighter(
        highlight_search_text=False,
        highlight_query=[{"type": "TextMatch", "field": "text", "text": "taking"}],
    )
    assert marked(notes.search("graph", highlight=highlighter))[2] == ["<em>takes</em> time"]


def test_each_of_several_queries_has_its_own_marks(notes):
    results = notes.search(["time", "graph"], highlight=elanus.Highlighter())
    first, second = (marked(result) for result in results)
    assert first == {2: ["<em>time</em>"]}
    assert second[2] == ["<em>graphs</em> takes time"]


def test_hybrid_grouped_and_iterated_searches(notes):
    highlighter = elanus.Highlighter()
    legs = [elanus.Leg("v", [6.0, 1.0]), elanus.Leg("bm25", "graph")]
    found = marked(notes.hybrid_search(legs, limit=6, highlight=highlighter))
    assert found[2] == ["<em>graphs</em> takes time"]
    assert found[4] == found[6] == []
    grouped = notes.search("graph", group_by="plain", group_size=5, highlight=highlighter)
    assert {h.id: h.highlights["text"][0][:14] for h in grouped.groups[0].hits}[2] == (
        "<em>graphs</em>"[:14]
    )
    batches = list(notes.search_iterator("graph", batch_size=1, highlight=highlighter))
    iterated = {k: v for batch in batches for k, v in marked(batch).items()}
    assert iterated == marked(notes.search("graph", highlight=highlighter))


def test_rows_are_marked_by_their_own_analyzer(tmp_path):
    german = {"tokenizer": "standard", "filter": ["lowercase", {"type": "stemmer",
              "language": "german"}]}  # fmt: skip
    multi = {"by_field": "lang", "analyzers": {"default": "standard", "de": german}}
    with elanus.connect(tmp_path / "base") as database:
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer=multi),
            elanus.Field("lang", elanus.VARCHAR),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
        notes = database.create_collection("notes", elanus.Schema(fields))
        notes.insert(
            [
                {"id": 1, "text": "Viele Häuser", "lang": "de"},
                {"id": 2, "text": "Haus haus", "lang": "en"},
            ]
        )
        found = notes.search("Häusern", analyzer_name="de", highlight=elanus.Highlighter())
        assert marked(found) == {1: ["<em>Häuser</em>"], 2: ["<em>Haus</em> <em>haus</em>"]}


def test_synonyms_and_parts_of_compounds(tmp_path):
    spec = {
        "tokenizer": "standard",
        "filter": [
            "lowercase",
            {"type": "synonym", "synonyms": ["car, automobile"]},
            {"type": "decompounder", "word_list": ["dampf", "schiff", "fahrt"]},
        ],
    }
    with elanus.connect(tmp_path / "base") as database:
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer=spec),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
        notes = database.create_collection("notes", elanus.Schema(fields))
        notes.insert([{"id": 1, "text": "An Automobile or a Dampfschiff"}])
        found = notes.search("car schiff", highlight=elanus.Highlighter())
        assert marked(found) == {1: ["<em>Automobile</em> or a <em>Dampfschiff</em>"]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: elanus.Highlighter(pre_tags=[]), "pre_tags: expected at least one string"),
        (lambda: elanus.Highlighter(post_tags=[1]), "post_tags: expected at least one string"),
        (lambda: elanus.Highlighter(fragment_size=0), "fragment_size: expected an integer >= 1"),
        (lambda: elanus.Highlighter(fragment_offset=-1), "fragment_offset: expected an integer"),
        (lambda: elanus.Highlighter(highlight_query=[{"text": "x"}]), "expected dicts such as"),
        (lambda: {"fragments": 2}, "highlight: no setting 'fragments'; "),
        (lambda: "yes", "highlight: expected Highlighter(...), got str"),
        (
            lambda: elanus.Highlighter(
                highlight_query=[{"type": "TextMatch", "field": "plain", "text": "x"}]
            ),
            "highlight: field 'plain' has no analyzer",
        ),
    ],
)
def test_errors_say_what_was_expected(notes, make, message):
    with pytest.raises(InvalidArgumentError) as caught:
        notes.search("graph", highlight=make())
    assert message in str(caught.value)


def test_nothing_to_mark(notes):
    with pytest.raises(InvalidArgumentError, match="no BM25 field is searched"):
        notes.search([1.0, 1.0], "v", highlight=elanus.Highlighter())
    unknown = [{"type": "TextMatch", "field": "texxt", "text": "x"}]
    with pytest.raises(FieldNotFoundError, match="did you mean 'text'"):
        notes.search("x", highlight=elanus.Highlighter(highlight_query=unknown))
    assert list(notes.search("unheard", highlight=elanus.Highlighter())) == []


def test_terms_have_the_numbers_of_milvus(notes):
    # CRC-32 of the term, the check value of the standard among them; bytes behind 100 do not count.
    tokens = elanus.run_analyzer("123456789 graphs", with_hash=True)
    assert [(t.token, t.hash, t.start_offset) for t in tokens] == [
        ("123456789", 0xCBF43926, 0),
        ("graphs", zlib.crc32(b"graphs"), 10),
    ]
    long, longer = elanus.run_analyzer(["a" * 100, "a" * 150], "standard", with_hash=True)
    assert long[0].hash == longer[0].hash
    assert elanus.run_analyzer("graphs", with_detail=True)[0].hash is None
    (token,) = notes.run_analyzer("The Graphs", "text", with_hash=True)
    assert (token.token, token.hash) == ("graph", zlib.crc32(b"graph"))


def test_run_analyzer(notes):
    assert elanus.run_analyzer("The Graphs", "english") == ["graph"]
    assert elanus.run_analyzer(["a b", "c"]) == [["a", "b"], ["c"]]
    (token,) = elanus.run_analyzer("The Graphs", {"type": "english"}, with_detail=True)
    assert token == elanus.Token("graph", 4, 10, 1, 1)
    assert (token.start_offset, token.position, token.position_length) == (4, 1, 1)
    assert notes.run_analyzer("The Graphs", "text") == ["graph"]
    assert notes.run_analyzer("The Graphs", "title") == ["the", "graphs"]
    with pytest.raises(InvalidArgumentError, match="field 'plain' has no analyzer"):
        notes.run_analyzer("x", "plain")
    with pytest.raises(InvalidArgumentError, match="expected a text or a list of texts, got 3"):
        elanus.run_analyzer(3)
    multi = {"by_field": "x", "analyzers": {"default": "standard", "en": "english"}}
    assert elanus.run_analyzer("dogs", multi) == ["dogs"]
    assert elanus.run_analyzer("dogs", multi, analyzer_name="en") == ["dog"]
