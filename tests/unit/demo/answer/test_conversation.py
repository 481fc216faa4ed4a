"""Which questions need the one before them, and what is searched for then."""

import pytest

from elanus_demo.answer.conversation import Conversation, Turn, points_back


@pytest.mark.parametrize(
    "question",
    [
        "And with a timeout?",
        "How does it work?",
        "what about Windows?",
        "Why?",
        "Can you explain that with an example of that",
        "Are these thread-safe?",
        "more examples please",
    ],
)
def test_question_that_points_back(question: str) -> None:
    assert points_back(question)


@pytest.mark.parametrize(
    "question",
    [
        "How do I parse an ISO 8601 date string?",
        "Which function returns all values that match?",
        "Is there a priority queue?",
        "How can I order items by name?",
    ],
)
def test_question_that_stands_alone(question: str) -> None:
    assert not points_back(question)


def test_follow_up_is_searched_with_the_question_before() -> None:
    conversation = Conversation()
    assert conversation.search_text("And it?") == "And it?"
    conversation.add("How do I run a program?", "So.")
    assert (
        conversation.search_text("And with a timeout?")
        == "How do I run a program? And with a timeout?"
    )
    assert conversation.search_text("Which class counts things?") == "Which class counts things?"


def test_recent_turns_are_the_last_four() -> None:
    conversation = Conversation()
    for number in range(6):
        conversation.add(f"q{number}", f"a{number}")
    assert conversation.recent() == tuple(Turn(f"q{n}", f"a{n}") for n in (2, 3, 4, 5))
