"""What a request may ask, and what it comes to."""

import json

import pytest

from elanus_demo.answer import Turn
from elanus_demo.web.asking import LONGEST_QUESTION, Ask, BadRequestError
from elanus_demo.web.payload import passage_payload, text_pieces
from support.passages import found

FILES = {"a.md", "guide/keys.md", "guide/more/tokens.md", "guide.md"}


def parsed(**asked: object) -> Ask:
    return Ask.parse(json.dumps(asked).encode(), FILES)


def test_question_history_and_scope() -> None:
    asked = parsed(
        question="  Why?\n",
        history=[{"question": "How?", "answer": "So [1].", "more": 1}],
        scope=["a.md", "guide/", "guide/keys.md"],
    )
    assert asked.text == "Why?"
    assert asked.conversation.turns == [Turn("How?", "So [1].")]
    assert asked.files == ("a.md", "guide/keys.md", "guide/more/tokens.md")


def test_nothing_but_a_question_searches_everything() -> None:
    asked = parsed(question="Why?")
    assert (asked.conversation.turns, asked.files) == ([], None)


def test_only_the_last_turns_of_a_long_history_are_kept() -> None:
    history = [{"question": str(i), "answer": "a"} for i in range(60)]
    turns = parsed(question="Why?", history=history).conversation.turns
    assert [turns[0].question, turns[-1].question, len(turns)] == ["10", "59", 50]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "expected a JSON object, got list"),
        (b"{}", "question: expected text"),
        (b'{"question": " \\n "}', "question: expected text"),
        (b'{"question": 1}', "question: expected text"),
        (b'{"question": "\\ud83d"}', "question: expected text"),
        (json.dumps({"question": "a" * (LONGEST_QUESTION + 1)}).encode(), "at most 4,000"),
        (b'{"question": "a", "history": "b"}', "history: expected a list, got str"),
        (b'{"question": "a", "history": ["b"]}', "history: expected objects"),
        (b'{"question": "a", "history": [{"question": "b"}]}', "history: expected objects"),
        (
            b'{"question": "a", "history": [{"question": "b", "answer": "\\udc00"}]}',
            "history: expected objects",
        ),
        (b'{"question": "a", "scope": ["guide"]}', "no file or folder 'guide'"),
        (b'{"question": "a", "scope": ["b/"]}', "no file or folder 'b/'"),
        (b'{"question": "a", "scope": [1]}', "no file or folder 1"),
    ],
)
def test_what_has_no_meaning_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        Ask.parse(body, FILES)


def test_marks_cut_the_text_and_lose_nothing() -> None:
    passage = found(1, "Keys and more keys")
    assert text_pieces(passage) == [("Keys and more keys", False)]
    marked = passage.__class__(
        **{name: getattr(passage, name) for name in passage.__slots__}
        | {"marks": ((0, 4), (14, 18))}
    )
    assert text_pieces(marked) == [("Keys", True), (" and more ", False), ("keys", True)]


def test_heading_that_repeats_the_file_is_left_out() -> None:
    assert passage_payload(found(1, "text", "json", ("json", "JSONDecoder")))["heading"] == [
        "JSONDecoder"
    ]
