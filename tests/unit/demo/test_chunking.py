"""Passages: nothing lost, nothing cut inside a word, bounded, overlapping, the same each time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus_demo.chunking import ChunkSize, chunk_document, section_spans
from elanus_demo.passages import Document, Passage, Section
from elanus_demo.sentences import word_spans

TEXTS = st.lists(
    st.sampled_from(["a", "to", "word", "Stop.", "End!", "\n\n", "\n- ", "x" * 30, "漢字。", "é"]),
    max_size=120,
).map(" ".join)
SIZES = st.tuples(st.integers(1, 12), st.integers(0, 11)).map(
    lambda pair: ChunkSize(pair[0], min(pair[1], pair[0] - 1))
)


def whole(text: str, heading: tuple[str, ...] = ("H",)) -> Document:
    return Document(text, (Section(heading, 0, len(text)),))


def cost(text: str) -> int:
    """Words of 12 characters, counted as the size of a passage counts them."""
    return sum(-(-(end - start) // 12) for start, end in word_spans(text))


@given(TEXTS, SIZES)
def test_every_word_is_whole_in_some_passage_and_offsets_slice_back(
    text: str, size: ChunkSize
) -> None:
    passages = chunk_document("f", whole(text), size)
    for passage in passages:
        assert text[passage.start : passage.end] == passage.text
    for start, end in word_spans(text):
        assert any(p.start <= start and end <= p.end for p in passages)


@given(TEXTS, SIZES)
def test_passages_are_bounded_and_begin_and_end_at_words(text: str, size: ChunkSize) -> None:
    starts = {start for start, _ in word_spans(text)}
    ends = {end for _, end in word_spans(text)}
    for passage in chunk_document("f", whole(text), size):
        assert passage.start in starts
        assert passage.end in ends
        single_word = len(word_spans(passage.text)) == 1
        assert cost(passage.text) <= size.max_words or single_word


@given(TEXTS, SIZES)
def test_passages_go_forward_and_overlap_at_most_as_asked(text: str, size: ChunkSize) -> None:
    spans = section_spans(text, Section((), 0, len(text)), size)
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start < next_start
        assert end < next_end
        if next_start < end:
            assert cost(text[next_start:end]) <= size.overlap_words


@given(TEXTS)
def test_ids_are_distinct_and_the_same_each_time(text: str) -> None:
    size = ChunkSize(4, 1)
    first = [p.id for p in chunk_document("f", whole(text), size)]
    assert len(set(first)) == len(first)
    assert [p.id for p in chunk_document("f", whole(text), size)] == first
    assert not set(first) & {p.id for p in chunk_document("g", whole(text), size)}


def test_sentences_are_packed_and_the_last_one_repeated() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten."
    assert [p.text for p in chunk_document("f", whole(text), ChunkSize(7, 3))] == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine. Ten.",
    ]


def test_long_sentence_is_cut_between_words_with_overlap() -> None:
    text = " ".join(f"w{number}" for number in range(10))
    assert [p.text for p in chunk_document("f", whole(text), ChunkSize(6, 2))] == [
        "w0 w1 w2 w3 w4 w5",
        "w4 w5 w6 w7 w8 w9",
    ]


def test_sections_are_not_joined_and_carry_their_context() -> None:
    text = "First part.Second part."
    document = Document(
        text,
        (
            Section(("A", "B"), 0, 11, page=3),
            Section(("C",), 11, 23, context="module m"),
        ),
    )
    passages = chunk_document("f", document)
    assert passages == [
        Passage(passages[0].id, "f", ("A", "B"), 0, 11, 3, "A > B", "First part."),
        Passage(passages[1].id, "f", ("C",), 11, 23, None, "module m", "Second part."),
    ]
    assert [p.indexed_text for p in passages] == ["A > B\nFirst part.", "module m\nSecond part."]


def test_unchanged_passage_keeps_its_id_when_text_before_it_grows() -> None:
    def document(first: str) -> Document:
        return Document(
            first + "Stays.",
            (Section(("A",), 0, len(first)), Section(("B",), len(first), len(first) + 6)),
        )

    before = chunk_document("f", document("Short. "))
    after = chunk_document("f", document("Much longer than before. "))
    assert before[0].id != after[0].id
    assert before[1].id == after[1].id
    assert before[1].start != after[1].start


def test_equal_passages_of_one_file_have_different_ids() -> None:
    document = Document("Same.Same.", (Section((), 0, 5), Section((), 5, 10)))
    first, second = chunk_document("f", document)
    assert first.text == second.text
    assert first.id != second.id


@pytest.mark.parametrize(("max_words", "overlap"), [(5, 5), (5, -1), (0, 0)])
def test_impossible_sizes_are_refused(max_words: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="0 <= overlap_words < max_words"):
        ChunkSize(max_words, overlap)
