"""Filters that keep, expand or rewrite tokens; expected terms are those of Milvus' documentation or
worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.analysis.filter_registry import FILTERS, build_filter
from elanus.analysis.registry import build_analyzer
from elanus.analysis.stop_lists import STOP_WORD_LISTS, stop_words
from elanus.errors import SchemaError
from elanus.kernels.text import Vocabulary


def terms(tokens, *filters):
    """Return what a chain makes of tokens that white space separates."""
    return build_analyzer({"tokenizer": "whitespace", "filter": list(filters)}).tokens(tokens)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("alphanumonly", "abc X9"),
        ("cncharonly", "中文"),
        ("cnalphanumonly", "abc X9 中文 中a1"),
        ("removepunct", "abc X9 中文 中a1 né a-b カナ"),
    ],
)
def test_filters_that_select(name, kept):
    assert terms("abc X9 中文 中a1 né a-b カナ , 。 $% «», !?", name) == kept.split()


def test_regex_keeps_what_it_matches_anywhere():
    # The expression of Milvus' documentation: no words with test at their beginning.
    assert terms("test milvus testing latest", {"type": "regex", "expr": "^(?!test)"}) == [
        "milvus",
        "latest",
    ]


def test_decimal_digits_of_all_scripts():
    text = "Arabic ١٢٣ Thai ๑๒๓ Devanagari १२३ Fullwidth １２３ x²"  # noqa: RUF001
    found = terms(text, "decimaldigit")
    assert found == ["Arabic", "123", "Thai", "123", "Devanagari", "123", "Fullwidth", "123", "x²"]


@pytest.mark.parametrize(
    ("word", "normal"),
    [("أحمد", "احمد"), ("آمن", "امن"), ("مدرسة", "مدرسه"), ("كِتَابٌ", "كتاب"), ("عـــربي", "عربي")],
)
def test_arabic_normalization(word, normal):
    assert terms(word, "arabic_normalization") == [normal]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("dampfschifffahrt", ["dampf", "schiff", "fahrt"]),
        ("brotbackautomat", ["brotbackautomat"]),
        ("schiff", ["schiff"]),
        ("xdampf", ["xdampf"]),
        ("dampfx", ["dampfx"]),
        ("schiffahrt", ["schiffahrt"]),
        # The longest word counts.
        ("fahrtwind", ["fahrtwind"]),
        ("fahrtdampf", ["fahrt", "dampf"]),
    ],
)
def test_decompounder(word, parts):
    words = ["dampf", "schiff", "fahr", "fahrt", "brot", "backen", "automat"]
    assert terms(word, {"type": "decompounder", "word_list": words}) == parts


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"synonyms": ["a, b, c"]}, "a b c b a c x"),
        ({"synonyms": ["a, b, c"], "expand": False}, "a a x"),
        ({"synonyms": ["b, a => x y"], "expand": False}, None),
        ({"synonyms": ["a => q, r"], "expand": False}, "q r b x"),
        ({"synonyms": ["a => q, r"]}, "a q r b x"),
        ({"synonyms": ["a, b", "b, c"]}, "a b b a c x"),
        ({"synonyms": [r"a => \=>, \,, \\, u\ v"], "expand": False}, r"=> , \ u*v b x"),
    ],
)
def test_synonyms(settings, found):
    spec = {"type": "synonym", **settings}
    if found is None:
        with pytest.raises(SchemaError, match="a space stands inside of a word"):
            build_filter(spec)
    else:
        assert terms("a b x", spec) == [term.replace("*", " ") for term in found.split()]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, "中文 zhong wen abc"),
        ({"keep_original": False}, "zhong wen abc"),
        ({"keep_full_pinyin": False, "keep_joined_full_pinyin": True}, "中文 zhongwen abc"),
        ({"keep_full_pinyin": False, "keep_separate_first_letter": True}, "中文 zw abc"),
    ],
)
def test_pinyin(settings, found):
    found = found.replace(" abc", "") if settings.get("keep_original") is False else found
    assert terms("中文 abc", {"type": "pinyin", **settings}) == found.split()


def test_terms_of_one_token_stand_at_its_place():
    chain = ["lowercase", {"type": "synonym", "synonyms": ["tv, television"]}, "removepunct"]
    analyzer = build_analyzer({"tokenizer": "whitespace", "filter": chain})
    assert [token[:5] for token in analyzer.details("My TV - on")] == [
        ("my", 0, 2, 0, 1),
        ("tv", 3, 5, 1, 1),
        ("television", 3, 5, 1, 1),
        ("on", 8, 10, 3, 1),
    ]


@given(text=st.text(st.sampled_from("ab ,é中文\n"), max_size=30))
def test_expanding_chains_count_their_terms(text):
    chain = ["lowercase", {"type": "synonym", "synonyms": ["a, ab", "b => c, c"]}, "pinyin"]
    analyzer, vocabulary = build_analyzer({"tokenizer": "standard", "filter": chain}), Vocabulary()
    expected = analyzer.plain_tokens(text)
    assert analyzer.tokens(text) == expected
    batch = analyzer.analyze_batch([text, None], vocabulary)
    assert batch.lengths.tolist() == [len(expected), 0]
    assert sum(batch.counts.tolist()) == len(expected)
    assert {vocabulary.term(i) for i in batch.term_ids.tolist()} == set(expected)


@pytest.mark.parametrize("name", STOP_WORD_LISTS)
def test_lists_of_stop_words_are_words_in_the_form_of_terms(name):
    words = stop_words(name)
    assert len(words) >= 33
    assert all(word and word == word.lower() and word.split() == [word] for word in words)
    dropped = terms(" ".join(sorted(words)), {"type": "stop", "stop_words": name})
    assert dropped == []


def test_stop_words_of_several_lists():
    spec = {"type": "stop", "stop_words": ["_german_", "_french_", "extra"]}
    assert terms("der hund et le chat extra", spec) == ["hund", "chat"]


SNOWBALL = [
    "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian",
    "italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil",
    "turkish",
]  # fmt: skip


@pytest.mark.parametrize("language", SNOWBALL)
def test_all_stemmers_of_milvus_are_there(language):
    spec = {"type": "stemmer", "language": language}
    assert build_filter(spec).to_params() == spec


def test_stemmers_cut_words():
    examples = {
        "german": "häuser", "french": "continuellement", "russian": "книгами", "finnish": "taloissa"
    }  # fmt: skip
    stems = {k: terms(w, {"type": "stemmer", "language": k})[0] for k, w in examples.items()}
    assert stems == {"german": "haus", "french": "continuel", "russian": "книг", "finnish": "talo"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("regex", "regex: expected an expr"),
        ({"type": "regex", "expr": "("}, "regex: expr: '(' is no regular expression"),
        ({"type": "regex", "expr": 3}, "regex: expr: expected a string, got 3"),
        ("decompounder", "decompounder: word_list: expected at least one word"),
        ({"type": "decompounder", "word_list": "ab"}, "decompounder: word_list: expected a list"),
        ("synonym", "synonym: expected synonyms"),
        ({"type": "synonym", "synonyms": ["a"], "expand": 1}, "synonym: expand: expected True or"),
        ({"type": "synonym", "synonyms": ["a => b => c"]}, "it has more than one '=>'"),
        ({"type": "synonym", "synonyms": ["=> b"]}, "it has no word"),
        ({"type": "synonym", "synonyms": ["a\\b"]}, r"nothing is escaped by '\\b'"),
        ({"type": "pinyin", "keep": True}, "pinyin: unknown parameter 'keep'; expected ["),
        ({"type": "stop", "stop_words": "the"}, "stop: stop_words: expected a list, got 'the'"),
        ({"type": "removepunct", "x": 1}, "removepunct: unknown parameter 'x'"),
    ],
)
def test_errors_name_filter_and_parameter(spec, message):
    with pytest.raises(SchemaError) as caught:
        build_filter(spec)
    assert message in str(caught.value)


EXAMPLES = {
    "stemmer": {"type": "stemmer", "language": "dutch"},
    "length": {"type": "length", "max": 9},
    "stop": {"type": "stop", "stop_words": ["_dutch_"]},
    "regex": {"type": "regex", "expr": "a"},
    "decompounder": {"type": "decompounder", "word_list": ["a"]},
    "synonym": {"type": "synonym", "synonyms": ["a, b"], "expand": False},
    "pinyin": {"type": "pinyin", "keep_original": False},
}


@pytest.mark.parametrize("name", FILTERS)
def test_parameters_of_every_filter_come_back(name):
    spec = EXAMPLES.get(name, name)
    analyzer = build_analyzer({"tokenizer": "standard", "filter": [spec]})
    assert analyzer.to_params() == {"tokenizer": "standard", "filter": [spec]}
