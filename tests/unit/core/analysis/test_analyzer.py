import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.analysis import chains as chains_module
from elanus.analysis import counting as counting_module
from elanus.analysis.registry import build_analyzer
from elanus.kernels.text import Vocabulary

TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text(st.sampled_from("abc 12.,'s-/_\n"), max_size=30),
        st.text(st.sampled_from("abc BÄ12.,'s-/_中国 \n"), max_size=30),
        st.text(max_size=20),
    ),
    max_size=8,
)


def counts_by_term(batch, vocabulary):
    """Return one dict of counts per row, the slow and obvious way."""
    rows = []
    for start, stop in zip(batch.offsets, batch.offsets[1:], strict=False):
        ids = batch.term_ids[start:stop]
        assert ids.tolist() == sorted(set(ids.tolist()))
        counts = batch.counts[start:stop].tolist()
        rows.append({vocabulary.term(i): c for i, c in zip(ids.tolist(), counts, strict=True)})
    return rows


def test_batch_counts_worked_out_by_hand():
    vocabulary = Vocabulary()
    texts = ["the cat and the CAT", None, "", "dog/cat dog's"]
    batch = build_analyzer("english").analyze_batch(texts, vocabulary)
    assert list(vocabulary) == ["cat", "dog"]
    assert batch.offsets.tolist() == [0, 1, 1, 1, 3]
    assert batch.term_ids.tolist() == [0, 0, 1]
    assert batch.counts.tolist() == [2.0, 1.0, 2.0]
    assert batch.lengths.tolist() == [2, 0, 0, 3]
    dtypes = [a.dtype for a in (batch.offsets, batch.term_ids, batch.counts, batch.lengths)]
    assert dtypes == [np.int64, np.uint32, np.float32, np.uint32]


def test_empty_batch():
    batch = build_analyzer("standard").analyze_batch([], Vocabulary())
    assert batch.offsets.tolist() == [0]
    assert len(batch.term_ids) == len(batch.counts) == len(batch.lengths) == 0


@pytest.mark.parametrize("spec", ["standard", "english", {"tokenizer": "whitespace"}])
@given(batches=st.lists(TEXTS, max_size=3))
def test_batches_count_the_tokens_of_each_text(spec, batches):
    analyzer, vocabulary = build_analyzer(spec), Vocabulary()
    counter = analyzer.counter(vocabulary)
    for texts in batches:
        batch = counter.count(texts)
        expected = [analyzer.tokens(text or "") for text in texts]
        assert counts_by_term(batch, vocabulary) == [dict(Counter(t)) for t in expected]
        assert batch.lengths.tolist() == [len(t) for t in expected]


def test_forgetting_and_grouping_change_nothing(monkeypatch):
    rng = np.random.default_rng(7)
    words = [f"w{i}{tail}" for i in range(60) for tail in ("", ",", ",x", ",y.z,3")]
    texts = [" ".join(rng.choice(words, size=20)) for _ in range(200)]
    plain, vocabulary = build_analyzer("english"), Vocabulary()
    expected = counts_by_term(plain.analyze_batch(texts, vocabulary), vocabulary)

    monkeypatch.setattr(chains_module, "MAX_KNOWN_TOKENS", 8)
    monkeypatch.setattr(counting_module, "MAX_KNOWN_PIECES", 50)
    monkeypatch.setattr(counting_module, "_GROUP_CHARACTERS", 300)
    monkeypatch.setattr(counting_module, "_GROUP_BYTES", 300)
    small, other = build_analyzer("english"), Vocabulary()
    assert counts_by_term(small.analyze_batch(texts, other), other) == expected
    assert list(other) == list(vocabulary)


def test_one_analyzer_serves_many_threads():
    analyzer = build_analyzer("english")
    texts = [f"running dogs number{i} happily jumped over {i} generalizations" for i in range(300)]
    expected = [build_analyzer("english").tokens(text) for text in texts]
    results, barrier = {}, threading.Barrier(6)

    def work(number):
        barrier.wait()
        results[number] = [analyzer.tokens(text) for text in texts]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[i] for i in range(6)] == [expected] * 6


def test_vocabulary_numbers_terms_in_order_of_appearance():
    vocabulary = Vocabulary()
    assert [vocabulary.add(t) for t in ("b", "a", "b", "c")] == [0, 1, 0, 2]
    assert list(vocabulary) == ["b", "a", "c"]
    assert [vocabulary.id_of(t) for t in ("a", "z")] == [1, None]
    assert vocabulary.term(2) == "c"
    assert len(vocabulary) == 3


@pytest.mark.parametrize("text", ["", "The quick fox", "of the", "Ein Text, ganz ohne.", "日本 go"])
@pytest.mark.parametrize("name", ["standard", "english"])
def test_places_are_those_of_the_words(name: str, text: str) -> None:
    analyzer = build_analyzer(name)
    words = build_analyzer({"tokenizer": "standard"}).tokens(text)
    places = analyzer.places(text)
    assert [term for _, term in places] == analyzer.tokens(text)
    assert [analyzer.tokens(words[place]) for place, _ in places] == [[term] for _, term in places]
    assert sorted({place for place, _ in places}) == [place for place, _ in places]
