"""The native counter against its Python twin, on any text."""

# ruff: noqa: RUF001 - characters that look like others are the subject here

import sys
import unicodedata
import weakref
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elanus.analysis import chains as chains_module
from elanus.analysis import counting
from elanus.analysis.analyzer import Analyzer
from elanus.analysis.counting import NativeCounter, PieceCounter
from elanus.analysis.registry import build_analyzer
from elanus.analysis.token_filters import LowercaseFilter
from elanus.analysis.tokenizers import StandardTokenizer
from elanus.errors import InvalidArgumentError
from elanus.kernels.text import Vocabulary

ANALYZERS = {
    "standard": build_analyzer("standard"),
    "english": build_analyzer("english"),
    "whitespace": build_analyzer({"tokenizer": "whitespace", "filter": []}),
    "plain": build_analyzer({"tokenizer": "standard", "filter": []}),
    "every filter": build_analyzer(
        {
            "tokenizer": "standard",
            "filter": [
                "asciifolding",
                "possessive",
                "lowercase",
                {"type": "stop", "stop_words": ["_english_", "über", "x"]},
                {"type": "length", "min": 2, "max": 6},
            ],
        }
    ),
    "stemmer first": build_analyzer(
        {
            "tokenizer": "whitespace",
            "filter": [{"type": "stemmer", "language": "german"}, "lowercase", "asciifolding"],
        }
    ),
}
# Characters that the rules of word boundaries, normalisation and casing turn on.
SPECIAL = (
    "aZ09_.,;:'\"-@/() \n\t\x00\x1c\x85\xa0\u2019\u2018\uff07·՟״‧﹒ａＡ１½²①ﬁﷺßẞİıσςΣΑ"
    "\u0301\u0308\u0327\u0345\u0483\u093f\u0e31\u200b\u200c\u200d\u00ad\ufeff\u2060\ufe0f\ufe0e"
    "中国か\u3099\u309aがｶﾞサー々〇〻ㄱ한ᄒ\u1161\u11ab𠀀丽שאצ١٢٬हिไทย🇩🇪👍🏽👨👩❤☂⌚✂➀🄀\U000e0062\U000e0100"
)
TEXTS = st.one_of(
    st.text(st.sampled_from(SPECIAL), max_size=30),
    st.text(max_size=20),
    st.text(st.characters(), max_size=20),  # lone surrogates too
    st.text(st.sampled_from("aB's., 1"), max_size=30),
    st.integers(250, 260).map(lambda n: "x" * n + ". Ä" + "ﷺ" * 20),
)


def rows_of(batch, vocabulary):
    """Return the counts of each row by term, and the lengths."""
    rows = []
    for start, stop in zip(batch.offsets, batch.offsets[1:], strict=False):
        ids = batch.term_ids[start:stop].tolist()
        assert ids == sorted(set(ids))
        counts = batch.counts[start:stop].tolist()
        rows.append({vocabulary.term(i): c for i, c in zip(ids, counts, strict=True)})
    return rows, batch.lengths.tolist()


def counted(make, batches):
    vocabulary = Vocabulary()
    counter = make(vocabulary)
    return [rows_of(counter.count(texts), vocabulary) for texts in batches]


def assert_like_the_twin(analyzer, batches):
    native = counted(analyzer.counter, batches)
    assert native == counted(lambda v: PieceCounter(analyzer, v), batches)


@pytest.mark.parametrize("name", ANALYZERS)
@given(batches=st.lists(st.lists(st.one_of(st.none(), TEXTS), max_size=6), max_size=3))
@example(batches=[["___ _—a __'b_ é.é 1.٢ a\u0301.b 1\u0301.2"], ['צה"ל צ"\u0301 a"b']])
@example(batches=[["中\u0301国人 かﾞ ᄒ\u1161\u11ab각\u11a8 한국어 丽丽 中\u200d国"]])
@settings(max_examples=60)
def test_native_counts_are_those_of_the_python_twin(name, batches):
    assert isinstance(ANALYZERS[name].counter(Vocabulary()), NativeCounter)
    assert_like_the_twin(ANALYZERS[name], batches)


@pytest.mark.parametrize("name", ANALYZERS)
@given(texts=st.lists(TEXTS, max_size=6))
def test_native_tokens_of_a_text_are_those_of_the_python_twin(name, texts):
    analyzer = ANALYZERS[name]
    for text in texts:
        assert analyzer.tokens(text) == analyzer.plain_tokens(text)


def test_tokens_that_are_forgotten_are_worked_out_again(monkeypatch):
    monkeypatch.setattr(chains_module, "MAX_KNOWN_TOKENS", 5)
    analyzer = build_analyzer("english")
    for text in [
        "The quick foxes",
        "中国人 jumped über",
        "the",
        "quick DOGS'",
        "foxes " + "y" * 99,
    ]:
        assert analyzer.tokens(text) == analyzer.plain_tokens(text)


def test_an_analyzer_goes_with_its_last_reference():
    analyzer = build_analyzer("english")
    analyzer.tokens("words äöü")
    gone = weakref.ref(analyzer)
    del analyzer
    assert gone() is None


@pytest.mark.parametrize("name", ["plain", "whitespace"])
def test_characters_of_every_category_split_as_in_the_twin(name):
    by_kind = {}
    for code in range(0, sys.maxunicode + 1, 1 if name == "plain" else 7):
        if code > 0x3FFF and code % 61:
            continue
        kind = (unicodedata.category(chr(code)), unicodedata.combining(chr(code)) > 0, code >> 11)
        by_kind.setdefault(kind, []).append(chr(code))
    sample = [char for chars in by_kind.values() for char in chars[:: max(1, len(chars) // 4)]]
    texts = [f"a{c}b {c} 1{c}2 a{c}{c}1 中{c}国{c} א{c}א 👍{c}👍 _{c}" for c in [*sample, *SPECIAL]]
    assert_like_the_twin(ANALYZERS[name], [texts])


@pytest.mark.slow
def test_every_character_splits_as_in_the_twin():
    # Beyond these planes nothing is assigned but tags and selectors.
    for start in (*range(0, 0x20000, 1 << 14), 0xE0000):
        chars = [chr(code) for code in range(start, start + (1 << 14))]
        splits = [f"a{c}b 1{c}2 中{c}国{c}" for c in chars]
        assert_like_the_twin(ANALYZERS["plain"], [splits])


def test_a_tokenizer_that_the_kernel_does_not_know_is_counted_in_python():
    class Other(StandardTokenizer):
        def split(self, text):
            return super().split(text)[:1]

        def pieces(self, text):
            return [text]

    analyzer, vocabulary = Analyzer(Other(), [LowercaseFilter()]), Vocabulary()
    counter = analyzer.counter(vocabulary)
    assert isinstance(counter, PieceCounter)
    assert rows_of(counter.count(["One two", None, "x"]), vocabulary) == (
        [{"one": 1.0}, {}, {"x": 1.0}],
        [1, 0, 1],
    )


@pytest.mark.parametrize("name", ["english", "standard"])
def test_forgetting_and_grouping_change_nothing(name, monkeypatch):
    rng = np.random.default_rng(11)
    words = [f"wörd{i}{tail}" for i in range(30) for tail in ("", "s", ",x", "中国人")]
    words += [w.replace("ö", "o") for w in words] + ["y" * 2000, "ä" * 2000, "Running's"]
    batches = [[" ".join(rng.choice(words, size=15)) for _ in range(40)] for _ in range(5)]
    expected = counted(ANALYZERS[name].counter, batches)
    monkeypatch.setattr(counting, "MAX_KNOWN_PIECES", 40)
    monkeypatch.setattr(counting, "_GROUP_BYTES", 500)
    assert counted(ANALYZERS[name].counter, batches) == expected


def test_a_failing_filter_leaves_no_word_without_its_term():
    class Failing(LowercaseFilter):
        failing = True

        def apply(self, token):
            if self.failing:
                raise RuntimeError("filter")
            return super().apply(token)

    failing, vocabulary = Failing(), Vocabulary()
    counter = Analyzer(StandardTokenizer(), [failing]).counter(vocabulary)
    for text in ("One", "Ä"):
        with pytest.raises(RuntimeError, match="filter"):
            counter.count([text])
    failing.failing = False
    assert rows_of(counter.count(["One Ä", "ä"]), vocabulary) == (
        [{"one": 1.0, "ä": 1.0}, {"ä": 1.0}],
        [2, 1],
    )


def test_utf8_is_read_between_its_offsets():
    data = np.frombuffer(b"xx eins zwei eins drei yy", dtype=np.uint8)
    vocabulary = Vocabulary()
    counter = ANALYZERS["standard"].counter(vocabulary)
    batch = counter.count_utf8(np.array([3, 17, 17, 22], dtype=np.int64), data)
    assert rows_of(batch, vocabulary) == (
        [{"eins": 2.0, "zwei": 1.0}, {}, {"drei": 1.0}],
        [3, 0, 1],
    )


def test_offsets_that_leave_the_text_are_refused():
    counter = ANALYZERS["standard"].counter(Vocabulary())
    data = np.frombuffer(b"abc", dtype=np.uint8)
    with pytest.raises(InvalidArgumentError, match="ascend from 0 to at most 3, got 4"):
        counter.count_utf8(np.array([0, 4], dtype=np.int64), data)
    with pytest.raises(InvalidArgumentError, match="expected a C-contiguous int64 array"):
        counter.count_utf8(np.array([0, 3], dtype=np.int32), data)


def test_bytes_that_are_no_utf8_separate_words():
    vocabulary = Vocabulary()
    data = np.frombuffer(b"ab\xffcd \xc3 ef\xe4\xb8 \xed\xa0\x80 \xf4\x90\x80\x80g", dtype=np.uint8)
    batch = (
        ANALYZERS["standard"]
        .counter(vocabulary)
        .count_utf8(np.array([0, len(data)], dtype=np.int64), data)
    )
    assert rows_of(batch, vocabulary) == ([dict.fromkeys(("ab", "cd", "ef", "g"), 1.0)], [4])


def test_counting_ascii_reads_no_character_database(monkeypatch):
    analyzer = build_analyzer("standard")
    counter = analyzer.counter(Vocabulary())
    from elanus.analysis.characters import char_classes

    before = char_classes.cache_info()
    counter.count(["plain words"])
    assert char_classes.cache_info() == before


@given(
    terms=st.lists(st.text(st.sampled_from("abäß中\x00"), max_size=12), unique=True, max_size=40)
)
def test_terms_sort_by_their_bytes(terms):
    vocabulary = Vocabulary()
    ids = np.array([vocabulary.add(term) for term in terms], dtype=np.uint32)
    order, offsets, data = vocabulary.sorted(ids[::-1].copy())
    encoded = [term.encode() for term in terms[::-1]]
    assert [encoded[i] for i in order.tolist()] == sorted(encoded)
    raw = data.tobytes()
    assert [raw[a:b] for a, b in pairwise(offsets)] == sorted(encoded)


def test_a_vocabulary_finds_terms_of_any_length():
    vocabulary = Vocabulary()
    terms = ["x" * n for n in range(40)] + ["x" * 39 + "y", "\x00", "\x00\x00", "\ud800"]
    assert [vocabulary.add(term) for term in terms] == list(range(len(terms)))
    assert [vocabulary.find(term) for term in terms] == list(range(len(terms)))
    assert list(vocabulary) == terms
    assert vocabulary.find("z") == -1
    with pytest.raises(InvalidArgumentError, match="expected a number below 44, got 44"):
        vocabulary.term(44)
