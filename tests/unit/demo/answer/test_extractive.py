"""Quoted answers, worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from elanus_demo.answer import Question
from elanus_demo.answer.extractive import (
    NOTHING_FOUND,
    ExtractiveAnswerer,
    lexical_scores,
    terms,
)
from elanus_embeddings.hashing import HashEmbedder
from support.passages import found


class Table:
    """Embeds by looking texts up, so that every similarity in a test is a chosen number."""

    def __init__(self, vectors: dict[str, tuple[float, ...]]) -> None:
        self._vectors = vectors

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._vectors[text] for text in texts], dtype=np.float32)

    embed_queries = embed_documents


def answer(question: str, texts: list[str], vectors: dict[str, tuple[float, ...]]) -> str:
    passages = tuple(found(number, text) for number, text in enumerate(texts, start=1))
    return "".join(ExtractiveAnswerer(Table(vectors)).stream(Question(question, passages)))


def test_terms_are_content_words_by_stem() -> None:
    assert terms("How do I parse dates, parsing the DATE_STRINGS?") == {"date", "pars", "string"}


def test_lexical_score_is_the_share_of_the_questions_weight() -> None:
    # "key" is in 2 of 3 sentences, "rotate" in 1, "moon" in none and counts like one of 3.
    key, rare = math.log(1 + 3 / 2), math.log(1 + 3)
    whole = key + 2 * rare
    scores = lexical_scores("rotate key moon", ["Rotate the key.", "A key.", "Nothing."])
    assert scores.tolist() == pytest.approx([(key + rare) / whole, key / whole, 0.0])


def test_no_content_word_in_the_question_scores_zero() -> None:
    assert lexical_scores("how is it", ["It is."]).tolist() == [0.0]


def test_best_sentences_are_quoted_in_reading_order_with_citations() -> None:
    # lexical (weight 0.4): "rotate" df 2, "key" df 1 of 4: 0.44, 0, 1, 0.
    # semantic (0.4): 0.9, 0.0, 0.8, 0.1; rank (0.2): 1, 1, 0.5, 0.5.
    # sums: 0.74, 0.20, 0.82, 0.14; floor 0.6 * 0.82 = 0.49.
    vectors = {
        "rotate key": (1.0, 0.0, 0.0),
        "Rotate it monthly.": (0.9, math.sqrt(1 - 0.81), 0.0),
        "Trees are green.": (0.0, 1.0, 0.0),
        "Rotate a key by hand.": (0.8, 0.0, 0.6),
        "Birds sing.": (0.1, 0.0, math.sqrt(1 - 0.01)),
    }
    texts = ["Rotate it monthly. Trees are green.", "Rotate a key by hand. Birds sing."]
    assert answer("rotate key", texts, vectors) == (
        "Rotate it monthly. [1]\n\nRotate a key by hand. [2]"
    )


def test_sentence_of_the_same_words_is_quoted_once() -> None:
    vectors = {
        "rotate key": (1.0, 0.0),
        "Rotate the key.": (1.0, 0.0),
        "Rotate  the key!": (1.0, 0.0),
        "Rotate the key!": (1.0, 0.0),
    }
    assert answer("rotate key", ["Rotate the key.", "Rotate  the key!"], vectors) == (
        "Rotate the key. [1]"
    )


def test_gap_between_quoted_sentences_is_marked() -> None:
    vectors = {
        "rotate key": (1.0, 0.0, 0.0),
        "Rotate a key.": (0.8, 0.6, 0.0),
        "Trees are green.": (0.0, 0.0, 1.0),
        "Rotate each key twice.": (0.8, -0.6, 0.0),
    }
    text = "Rotate a key. Trees are green. Rotate each key twice."
    assert answer("rotate key", [text], vectors) == ("Rotate a key. ... Rotate each key twice. [1]")


def test_quote_names_its_heading_unless_it_does_so_itself() -> None:
    # lexical 0 and 1, semantic 0.9 and 0.8, rank 1 and 0.5: 0.56 and 0.82, floor 0.49.
    vectors = {
        "bell": (1.0, 0.0),
        "Ring it.": (0.9, math.sqrt(1 - 0.81)),
        "tool.ring(bell): Ring twice.": (0.8, -0.6),
    }
    passages = (
        found(1, "Ring it.", "a.md", ("Guide", "Night")),
        found(2, "tool.ring(bell)\n\nRing twice.", "tool", ("tool.ring",)),
    )
    pieces = ExtractiveAnswerer(Table(vectors)).stream(Question("bell", passages))
    assert "".join(pieces) == "Night: Ring it. [1]\n\ntool.ring(bell): Ring twice. [2]"


def test_list_marker_is_not_quoted() -> None:
    vectors = {"rotate key": (1.0, 0.0), "- Rotate a key.": (0.9, math.sqrt(1 - 0.81))}
    assert answer("rotate key", ["- Rotate a key."], vectors) == "Rotate a key. [1]"


def test_unrelated_passages_give_no_answer() -> None:
    vectors = {"rotate key": (1.0, 0.0), "Trees are green.": (0.0, 1.0)}
    assert answer("rotate key", ["Trees are green."], vectors) == NOTHING_FOUND
    assert answer("rotate key", [], vectors) == NOTHING_FOUND


def test_real_embedder_finds_the_sentence_that_answers() -> None:
    passages = (
        found(1, "The store is a folder. Copy the folder to move the store."),
        found(2, "Rotate the signing key every month with the command rotate-key."),
    )
    pieces = ExtractiveAnswerer(HashEmbedder()).stream(
        Question("How do I rotate the signing key?", passages)
    )
    assert "".join(pieces) == (
        "Rotate the signing key every month with the command rotate-key. [2]"
    )
