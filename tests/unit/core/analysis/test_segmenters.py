"""Tokens of writings without spaces."""

import builtins

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.analysis import segmenters
from elanus.analysis.registry import build_analyzer, build_tokenizer
from elanus.errors import PluginNotInstalledError, SchemaError

SCRIPTS = "aZ9 ._-'é中国ｶﾞ가각しน้ำทำเกมๆມະລາວខ្មែរမြန်မာ😀👍🏽\u200d\ufe0f\u0301\n"
TEXTS = st.one_of(st.text(st.sampled_from(SCRIPTS), max_size=30), st.text(max_size=20))
SPECS = [
    "standard",
    "whitespace",
    "thai",
    "icu",
    "jieba",
    {"type": "jieba", "mode": "exact", "hmm": False},
    {"type": "language_identifier", "analyzers": {"default": "standard", "thai": "thai"}},
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@given(text=TEXTS)
def test_spans_are_the_tokens_and_lie_in_the_text(spec, text):
    tokenizer = build_tokenizer(spec)
    spans = tokenizer.spans(text)
    assert [span.token for span in spans] == tokenizer.split(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    pieces = tokenizer.pieces(text)
    assert [t for piece in pieces for t in tokenizer.split(piece)] == tokenizer.split(text)


@pytest.mark.parametrize("spec", SPECS[:5], ids=str)
@given(text=st.text(st.sampled_from("aZ9 ._中国しนเกม😀\n"), max_size=30))
def test_text_in_normal_form_stands_where_the_spans_say(spec, text):
    for span in build_tokenizer(spec).spans(text):
        assert text[span.start : span.end] == span.token


@pytest.mark.parametrize(
    ("text", "places"),
    [
        # NFKC makes one character of the half-width katakana and its voice mark.
        ("xｶﾞｷｸ", [("x", 0, 1), ("ガキ", 1, 4), ("キク", 3, 5)]),
        # Two syllables of Hangul that become one: both stand in the place of the run.
        ("x\ud264\u3133", [("x", 0, 1), ("\ud267", 1, 3)]),
        ("㍿ 株", [("株", 2, 3)]),
        ("naïve nai\u0308ve", [("naïve", 0, 5), ("naïve", 6, 12)]),
        ("co\u00adop", [("coop", 0, 5)]),
    ],
)
def test_places_of_characters_that_change_when_normalised(text, places):
    spans = build_tokenizer("standard").spans(text)
    assert [(span.token, span.start, span.end) for span in spans] == places


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("สวัสดี Milvus", ["สวั", "วัส", "สดี", "Milvus"]),
        ("เกม", ["เกม"]),
        ("ไทยabc ๑๒๓", ["ไทย", "abc", "๑๒๓"]),
        ("ນ ລາວ", ["ນ", "ລາວ"]),
        ("plain words", ["plain", "words"]),
    ],
)
def test_thai_runs_become_pairs_of_clusters(text, tokens):
    assert build_tokenizer("thai").split(text) == tokens


def test_a_paragraph_of_thai_is_not_cut():
    tokens = build_tokenizer("thai").split("กขค" * 500)
    assert len(tokens) == 1499


def test_a_thai_word_is_found_inside_of_a_sentence():
    analyzer = build_analyzer("thai")
    sentence = set(analyzer.tokens("ฉันเล่นเกมคอมพิวเตอร์ทุกวัน"))
    assert set(analyzer.tokens("คอมพิวเตอร์")) <= sentence


def test_icu_looks_words_up():
    tokens = build_tokenizer("icu").split("Hello, สวัสดีทดสอบระบบ 北京大学的学生 😀 ok")
    assert tokens == [
        "Hello", ",", "สวัสดี", "ทดสอบ", "ระบบ", "北京", "大学", "的", "学生", "😀", "ok"
    ]  # fmt: skip


def test_jieba_looks_words_up_and_keeps_the_parts_of_long_ones():
    spans = build_tokenizer("jieba").spans("清华大学, ok")
    assert [(s.token, s.start, s.end, s.place, s.width) for s in spans] == [
        ("清华", 0, 2, 0, 2),
        ("华大", 1, 3, 1, 2),
        ("大学", 2, 4, 2, 2),
        ("清华大学", 0, 4, 0, 4),
        (",", 4, 5, 4, 1),
        ("ok", 6, 8, 6, 2),
    ]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        # The words of Milvus' documentation.
        (
            {"dict": ["结巴分词器"], "mode": "exact", "hmm": False},
            ["milvus", "结巴分词器", "中", "文", "测", "试"],
        ),
        (
            {"dict": ["结巴分词器", "_default_"], "mode": "exact"},
            ["milvus", "结巴分词器", "中文", "测试"],
        ),
    ],
)
def test_jieba_takes_words_of_its_own(settings, tokens):
    spec = {"type": "jieba", **settings}
    tokenizer = build_tokenizer(spec)
    assert tokenizer.split("milvus结巴分词器中文测试") == tokens
    assert tokenizer.to_params() == spec


@pytest.mark.parametrize(
    ("spec", "package", "extra"),
    [
        ({"tokenizer": "jieba"}, "rjieba", "elanus[jieba]"),
        ({"tokenizer": "icu"}, "icu4py", "elanus[icu]"),
        (
            {"tokenizer": {"type": "lindera", "dict_kind": "ko-dic"}},
            "lindera",
            "elanus[lindera]",
        ),
        ({"tokenizer": "standard", "filter": ["pinyin"]}, "pypinyin", "elanus[pinyin]"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, spec, package, extra):
    segmenters._jieba.cache_clear()
    segmenters._lindera.cache_clear()
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PluginNotInstalledError) as caught:
        build_analyzer(spec)
    assert package in str(caught.value)
    assert extra in str(caught.value)
    assert caught.value.extra == extra


@pytest.mark.parametrize(
    ("dict_kind", "text", "found"),
    [
        # Places are in characters, across an emoji of four bytes and white space that is no token.
        (
            "ipadic",
            "a 😀東京都に\n行く。",
            [
                ("a", 0, 1, 0, 1),
                ("😀", 2, 3, 1, 1),
                ("東京", 3, 5, 2, 1),
                ("都", 5, 6, 3, 1),
                ("に", 6, 7, 4, 1),
                ("行く", 8, 10, 5, 1),
                ("。", 10, 11, 6, 1),
            ],
        ),
        (
            "ko-dic",
            "한국어를 공부합니다",
            [
                ("한국어", 0, 3, 0, 1),
                ("를", 3, 4, 1, 1),
                ("공부", 5, 7, 2, 1),
                ("합니다", 7, 10, 3, 1),
            ],
        ),
        (
            "cc-cedict",
            "我来到北京清华大学",
            [
                ("我", 0, 1, 0, 1),
                ("来到", 1, 3, 1, 1),
                ("北京", 3, 5, 2, 1),
                ("清华大学", 5, 9, 3, 1),
            ],
        ),
        ("ipadic", "", []),
        ("ipadic", "two words", [("two", 0, 3, 0, 1), ("words", 4, 9, 1, 1)]),
    ],
)
def test_lindera(dict_kind, text, found):
    pytest.importorskip("lindera")
    spec = {"type": "lindera", "dict_kind": dict_kind}
    tokenizer = build_tokenizer(spec)
    assert [tuple(span) for span in tokenizer.spans(text)] == found
    assert tokenizer.split(text) == [token for token, *_ in found]
    assert tokenizer.to_params() == spec
    analyzer = build_analyzer({"tokenizer": spec, "filter": ["removepunct"]})
    assert analyzer.tokens(text) == [t for t, *_ in found if t != "。"]


def test_lindera_names_what_it_takes():
    with pytest.raises(SchemaError, match="unknown name 'ipa'; did you mean 'ipadic'"):
        build_tokenizer({"type": "lindera", "dict_kind": "ipa"})
    with pytest.raises(SchemaError, match="dict_kind: expected a name, got None"):
        build_tokenizer({"type": "lindera"})
    with pytest.raises(SchemaError, match="unknown parameter 'filter'"):
        build_tokenizer({"type": "lindera", "dict_kind": "ipadic", "filter": []})


def test_a_dictionary_that_is_not_installed_is_said():
    pytest.importorskip("lindera")
    with pytest.raises(SchemaError, match="does not have 'unidic'"):
        build_tokenizer({"type": "lindera", "dict_kind": "unidic"})
