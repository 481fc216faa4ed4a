"""What is marked in a text is a word of the query, and without the tags it is the text again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus import Field, Highlighter
from elanus.analysis.multi import shared_analyzer

PRE, POST = ("⟦", "⟪"), ("⟧", "⟫")
COMPOUNDS = {"type": "decompounder", "word_list": ["dampf", "schiff", "fahrt", "wein", "keller"]}
ANALYZERS = {
    "plain": "standard",
    "stems": "english",
    "chinese": "chinese",
    "parts": {"tokenizer": "standard", "filter": ["lowercase", COMPOUNDS]},
}
VOCABULARIES = st.sampled_from(
    [
        ["cat", "Cats", "CAT", "x", "it's", "1,5", "😀"],
        ["running", "run", "ran", "the", "of", "façade"],
        ["Dampfschiff", "Dampfschifffahrt", "Weinkeller", "dampf", "wein"],
        ["猫", "中文测试", "中文", "cat"],
        ["cat", "猫"],
    ]
)
GAPS = st.sampled_from(["", " ", "  ", ", ", "-", ". ", "\n", "", "/", "\u00a0", "…"])


@st.composite
def questions(draw):
    """A text, and words that may stand in it."""
    words = st.sampled_from(draw(VOCABULARIES))
    parts = draw(st.lists(st.tuples(words, GAPS), min_size=1, max_size=25))
    noise = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=10))
    text = noise + "".join(word + gap for word, gap in parts)
    query = " ".join(draw(st.lists(words, min_size=1, max_size=3)))
    return re.sub("[⟦⟧⟪⟫]", "", text), query


@pytest.fixture(scope="module")
def collection():
    schema = elanus.Schema(
        [
            Field("id", elanus.INT64, primary=True),
            *(Field(n, elanus.VARCHAR, analyzer=how) for n, how in ANALYZERS.items()),
            *(
                Field(f"{n}_bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25(n))
                for n in ANALYZERS
            ),
        ]
    )
    with elanus.connect(":memory:") as db:
        yield db.create_collection("texts", schema)


def standing(text, analyzer, query):
    """From where to where the words of the query stand in a text, those that overlap as one."""
    terms = set(analyzer.tokens(query))
    there = [t for t in analyzer.details(text) if t.token in terms]
    spans = []
    for start, end in sorted({(t.start_offset, t.end_offset) for t in there}):
        if spans and start < spans[-1][1]:
            first, last = spans.pop()
            start, end = first, max(last, end)
        spans.append((start, end))
    return spans


def taken_apart(fragment):
    """Return a fragment without its tags, from where to where they stood, and which they were."""
    text, spans, tags, opened = "", [], [], 0
    for part in re.split("([⟦⟧⟪⟫])", fragment):
        if part in PRE:
            opened = len(text)
            tags.append(part)
        elif part in POST:
            assert POST.index(part) == PRE.index(tags[-1])
            spans.append((opened, len(text)))
        else:
            text += part
    return text, spans, tags


@given(
    st.sampled_from(list(ANALYZERS)),
    questions(),
    st.integers(0, 12),
    st.integers(1, 40),
    st.none() | st.integers(0, 5),
)
def test_fragments_are_parts_of_the_text_with_the_words_of_the_query(
    collection, field, question, offset, size, number
):
    text, query = question
    collection.upsert([{"id": 1, **dict.fromkeys(ANALYZERS, ""), field: text}])
    options = Highlighter(
        PRE, POST, fragment_offset=offset, fragment_size=size, num_of_fragments=number
    )
    found = collection.search(query, f"{field}_bm25", 1, highlight=options)
    spans = standing(text, shared_analyzer(ANALYZERS[field]), query)
    assert bool(found.ids) == bool(spans)
    if not spans:
        return
    fragments = found[0].highlights[field]
    if number is None:
        assert len(fragments) == 1
        assert taken_apart(fragments[0])[:2] == (text, spans)
        return
    assert min(number, 1) <= len(fragments) <= number
    left = list(spans)
    for fragment in fragments:
        plain, inner, tags = taken_apart(fragment)
        # It begins before the next word that is not marked yet.
        start = max(left[0][0] - offset, 0)
        assert text[start : start + len(plain)] == plain
        own = [(start + first, start + last) for first, last in inner]
        assert own == left[: len(own)]
        assert tags == [PRE[i % 2] for i in range(len(own))]
        end = start + len(plain)
        assert end == min(max(start + size, own[-1][1]), len(text)) or end == own[-1][1]
        left = left[len(own) :]
        assert not left or left[0][0] > end
    assert len(fragments) == number or not left
