"""Tokens worked out by hand from UAX #29 as Lucene's StandardTokenizer applies it."""

# ruff: noqa: RUF001 - characters that look like others are the subject here

import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.analysis.tokenizers import StandardTokenizer, WhitespaceTokenizer

ASCII = "aZ09_.,;:'\"-@/() \n\t"
MIXED = ASCII + "\u2019가中かÄ\u0301\u00ad\u200d👍🏽\ufe0f🇩"
TEXTS = st.one_of(
    st.text(st.sampled_from(ASCII), max_size=40),
    st.text(st.sampled_from(MIXED), max_size=40),
    st.text(max_size=40),
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \t\n.,;!?-- ___ ", [], id="punctuation and underscores alone"),
        pytest.param(
            "The Quick-Brown fox, 'jumped' (twice)!",
            ["The", "Quick", "Brown", "fox", "jumped", "twice"],
            id="english",
        ),
        pytest.param(
            "can't O'Neill's dogs' rock'n'roll", ["can't", "O'Neill's", "dogs", "rock'n'roll"]
        ),
        pytest.param("don’t ‘quoted’", ["don't", "quoted"], id="typographic apostrophes"),
        pytest.param("1.2.3 3,000.50 1,5;2 10. v1.2", ["1.2.3", "3,000.50", "1,5;2", "10", "v1.2"]),
        pytest.param("a.1 1.a x1.5 5x.y", ["a", "1", "1", "a", "x1.5", "5x.y"]),
        pytest.param("e.g. U.S.A. end.Next", ["e.g", "U.S.A", "end.Next"], id="dots in words"),
        pytest.param("1.2.3-rc1 C++ C# .NET", ["1.2.3", "rc1", "C", "C", "NET"]),
        pytest.param("user.name@example.com", ["user.name", "example.com"], id="email"),
        pytest.param(
            "http://www.ex-ample.com:80/a_b/c.html?q=1&x=%20#top",
            ["http", "www.ex", "ample.com", "80", "a_b", "c.html", "q", "1", "x", "20", "top"],
            id="url",
        ),
        pytest.param("192.168.0.1 2024-05-06T07:08", ["192.168.0.1", "2024", "05", "06T07", "08"]),
        pytest.param("__init__ snake_case _x x_", ["__init__", "snake_case", "_x", "x_"]),
        pytest.param("std::vector key:value 10:30", ["std", "vector", "key", "value", "10", "30"]),
        pytest.param("Straße Größe Äpfel über", ["Straße", "Größe", "Äpfel", "über"]),
        pytest.param("nai\u0308ve cafe\u0301", ["naïve", "café"], id="combining marks"),
        pytest.param("e\u0301.a\u0308.b", ["é.ä.b"], id="marks at a joiner"),
        pytest.param("co\u00adop a\u200db \ufeffbom", ["coop", "ab", "bom"], id="invisible"),
        pytest.param("ﬁnal ＡＢＣ１２ ½", ["final", "ABC12", "1⁄2"], id="compatibility forms"),
        pytest.param("ёлка Ελλάδα १२३ हिन्दी", ["ёлка", "Ελλάδα", "१२३", "हिन्दी"]),
        pytest.param('צה"ל עברית', ['צה"ל', "עברית"], id="hebrew double quote"),
        pytest.param("สวัสดีครับ โลก", ["สวัสดีครับ", "โลก"], id="thai stays whole"),
        pytest.param("我是中国人。", ["我是", "是中", "中国", "国人"], id="chinese"),
        pytest.param("猫 x犬y", ["猫", "x", "犬", "y"], id="one ideograph alone"),
        pytest.param("日本語テスト", ["日本", "本語", "語テ", "テス", "スト"], id="japanese"),
        pytest.param("サーバー", ["サー", "ーバ", "バー"], id="long vowel mark"),
        pytest.param("ｶﾞｷ か\u3099く", ["ガキ", "がく"], id="half width and combining voice mark"),
        pytest.param("한국어 안녕", ["한국", "국어", "안녕"], id="korean"),
        pytest.param(unicodedata.normalize("NFD", "한국어"), ["한국", "국어"], id="korean in jamo"),
        pytest.param("中文abc123テ", ["中文", "abc123", "テ"], id="scripts side by side"),
        pytest.param("𠀀𠀁𠀂", ["𠀀𠀁", "𠀁𠀂"], id="supplementary ideographs"),
        pytest.param("good👍day 👍🏽", ["good", "👍", "day", "👍🏽"], id="emoji"),
        pytest.param("👨‍👩‍👧🇩🇪🇫🇷", ["👨‍👩‍👧", "🇩🇪", "🇫🇷"], id="emoji sequences"),
        pytest.param("❤️ ❤", ["❤", "❤"], id="emoji variation selector"),
    ],
)
def test_standard_tokenizer_splits_as_worked_out_by_hand(text, tokens):
    assert StandardTokenizer().split(text) == tokens


def test_ascii_path_agrees_with_unicode_path():
    text = "__a b_c d.e f'g 1.2 3,4 5;6 x.1 1.x y,z ___ _. a._b a_.b 1_.2 2._2 can't. q''r 9..9"
    tokenizer = StandardTokenizer()
    # A character that is in no token forces the path for any Unicode text.
    assert tokenizer.split(text + " \u2014") == tokenizer.split(text)


@given(st.text(st.sampled_from("aZ09_.,;:'\"- \n/@"), max_size=40))
def test_ascii_path_agrees_with_unicode_path_on_any_text(text):
    tokenizer = StandardTokenizer()
    assert tokenizer.split(text + " \u2014") == tokenizer.split(text)


# No apostrophes and no combining marks: there the peer departs from the annex.
@given(st.text(st.sampled_from('abAZ09_.,;"- \n/@éßжѣ'), max_size=40))
def test_words_end_where_an_independent_uax29_implementation_ends_them(text):
    regex = pytest.importorskip("regex")
    parts = regex.split(r"(?wV1)\b", text)
    words = [unicodedata.normalize("NFKC", p) for p in parts if any(c.isalnum() for c in p)]
    assert StandardTokenizer().split(text) == words


@pytest.mark.parametrize("tokenizer", [StandardTokenizer(), WhitespaceTokenizer()])
@given(text=TEXTS)
def test_tokens_of_the_pieces_are_the_tokens_of_the_text(tokenizer, text):
    pieces = tokenizer.pieces(text)
    assert [t for piece in pieces for t in tokenizer.split(piece)] == tokenizer.split(text)


@given(text=TEXTS)
def test_standard_tokens_hold_no_white_space_at_their_ends_and_are_never_empty(text):
    assert all(token and token == token.strip() for token in StandardTokenizer().split(text))


def test_whitespace_tokenizer_keeps_what_stands_between_white_space():
    text = " a-b\tc.\n d\u3000e "
    assert WhitespaceTokenizer().split(text) == ["a-b", "c.", "d", "e"]


@pytest.mark.parametrize("tokenizer", [StandardTokenizer(), WhitespaceTokenizer()])
def test_long_words_are_cut_to_255_characters(tokenizer):
    assert tokenizer.split("x" * 1000 + " " + "y" * 255) == ["x" * 255, "y" * 255]
    assert tokenizer.split("ä" * 1000) == ["ä" * 255]


@pytest.mark.parametrize(
    "text", ["_" * 200_000, "_" * 200_000 + "ä", "'." * 100_000, "a." * 100_000]
)
def test_hostile_text_is_split_in_linear_time(text):
    started = time.process_time()
    StandardTokenizer().split(text)
    # A quadratic scan of 200,000 characters takes minutes.
    assert time.process_time() - started < 5


def test_importing_the_module_reads_no_character_database(tmp_path):
    code = (
        "import elanus.analysis.tokenizers as t; t.StandardTokenizer().split('plain words');"
        "assert t._unicode_patterns.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
