"""A text is looked up in one call of the kernel: as its terms are."""

import threading

import numpy as np
import pytest

from elanus.analysis.registry import build_analyzer
from elanus.index.sparse.bm25_weights import QueryTerms
from elanus.index.sparse.growing_bm25 import GrowingBM25
from elanus.index.sparse.sealed_bm25 import MAX_ANALYZERS
from elanus.schema.batches import strings_to_column

ANALYZER = build_analyzer("standard")


def sealed(texts):
    index = GrowingBM25(ANALYZER)
    index.append(strings_to_column(texts))
    return index.seal(len(texts))


def assert_same(found, expected):
    assert found.row_ids.tolist() == expected.row_ids.tolist()
    assert found.distances.tolist() == expected.distances.tolist()


@pytest.mark.parametrize("num_words", [3, 32, 33, 400])
def test_a_text_is_looked_up_as_its_terms_are(num_words):
    words = [f"w{i}" for i in range(500)]
    rng = np.random.default_rng(num_words)
    view = sealed([" ".join(rng.choice(words, 30)) + " Straße 中国" for _ in range(300)])
    asked = [*rng.choice(words, num_words), "nobody", "STRASSE", "w7", "中国人", "w7"]
    text = " ".join(asked)
    # Each analyzer has numbers of its own; the last one is not native.
    for params in ("standard", {"tokenizer": "whitespace"}, "standard", {"tokenizer": "icu"}):
        analyzer = build_analyzer(params)
        terms = QueryTerms.from_text(text, analyzer)
        expected = view.search_alone(terms, 20, k1=1.2, b=0.75)
        assert len(expected) == 20
        assert_same(view.search_text(text, analyzer, 20, k1=1.2, b=0.75), expected)
    nothing = view.search_text("nobody", ANALYZER, 20, k1=1.2, b=0.75)
    assert (nothing.row_ids.tolist(), nothing.distances.tolist()) == ([], [])


def test_analyzers_of_queries_are_forgotten_when_there_are_many():
    view = sealed(["ant bee", "bee", "cat"])
    for _ in range(2 * MAX_ANALYZERS + 1):
        found = view.search_text("bee", build_analyzer("standard"), 5, k1=1.2, b=0.75)
        assert found.row_ids.tolist() == [1, 0]


def test_many_threads_look_up_texts_while_pieces_are_new():
    words = [f"w{i}" for i in range(2000)]
    view = sealed([" ".join(words[i : i + 20]) for i in range(0, 2000, 5)])
    expected = {}
    for i in range(0, 1990, 7):
        terms = QueryTerms.from_text(" ".join(words[i : i + 9]), ANALYZER)
        expected[i] = view.search_alone(terms, 5, k1=1.2, b=0.75).row_ids.tolist()
    found = [{} for _ in range(4)]

    def ask(answers):
        for i in expected:
            text = " ".join(words[i : i + 9])
            answers[i] = view.search_text(text, ANALYZER, 5, k1=1.2, b=0.75).row_ids.tolist()

    threads = [threading.Thread(target=ask, args=(answers,)) for answers in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
