"""Messages of conversations: order, sessions, every kind of message, many writers."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory

import elanus
from langchain_elanus.extras import ElanusChatMessageHistory

KINDS: list[BaseMessage] = [
    SystemMessage("be brief"),
    HumanMessage(content=[{"type": "text", "text": "what is this?"}], id="1", name="ann"),
    AIMessage(
        content="",
        tool_calls=[{"name": "find", "args": {"q": "ключ"}, "id": "7", "type": "tool_call"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"logprobs": [-0.25, None]},
    ),
    ToolMessage(content="found", tool_call_id="7", artifact={"ids": ["a"]}, status="error"),
    AIMessageChunk(content="part"),
    ChatMessage(content="aye", role="pirate"),
    RemoveMessage(id="1"),
]


@pytest.fixture
def database() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as opened:
        yield opened


def contents(history: ElanusChatMessageHistory) -> list[Any]:
    return [message.content for message in history.messages]


def test_every_kind_of_message_comes_back_as_it_was(database: elanus.Database) -> None:
    history = ElanusChatMessageHistory("s", database=database)
    assert history.messages == []
    history.add_messages(KINDS)
    assert history.messages == KINDS
    assert [type(m) for m in history.messages] == [type(m) for m in KINDS]


def test_artifacts_of_tools_become_json(database: elanus.Database) -> None:
    history = ElanusChatMessageHistory("s", database=database)
    artifact = [Document(id="a", page_content="text", metadata={"n": 1})]
    history.add_message(ToolMessage(content="c", tool_call_id="1", artifact=artifact))
    (message,) = history.messages
    assert isinstance(message, ToolMessage)
    assert [Document(**stored) for stored in message.artifact] == artifact


def test_message_without_json_form_stores_nothing(database: elanus.Database) -> None:
    history = ElanusChatMessageHistory("s", database=database)
    with pytest.raises(ValueError, match="tool message: it has no JSON form"):
        history.add_messages(
            [AIMessage("a"), ToolMessage(content="", tool_call_id="1", artifact=object())]
        )
    assert history.messages == []


def test_sessions_are_separate(database: elanus.Database) -> None:
    first, second = (ElanusChatMessageHistory(s, database=database) for s in ("a", "b"))
    first.add_user_message("hello")
    second.add_ai_message("hi")
    first.add_ai_message("how are you?")
    assert contents(first) == ["hello", "how are you?"]
    assert contents(second) == ["hi"]
    first.clear()
    assert (contents(first), contents(second)) == ([], ["hi"])
    assert first.session_id == "a"
    with pytest.raises(ValueError, match="session_id: expected a non-empty str, got ''"):
        ElanusChatMessageHistory("", database=database)


def test_order_survives_reopening(tmp_path: Path) -> None:
    for start in (0, 5, 10):
        with ElanusChatMessageHistory("s", uri=tmp_path) as history:
            assert contents(history) == [str(i) for i in range(start)]
            history.add_messages([HumanMessage(str(i)) for i in range(start, start + 5)])


async def test_asynchronous_methods(database: elanus.Database) -> None:
    history = ElanusChatMessageHistory("s", database=database)
    await history.aadd_messages([HumanMessage("a"), AIMessage("b")])
    assert await history.aget_messages() == [HumanMessage("a"), AIMessage("b")]
    assert str(history) == "Human: a\nAI: b"
    await history.aclear()
    assert await history.aget_messages() == []


def test_messages_of_one_call_stay_together(database: elanus.Database) -> None:
    def talk(number: int) -> None:
        history = ElanusChatMessageHistory("s", database=database)
        for turn in range(10):
            history.add_messages([HumanMessage(f"{number}:{turn}"), AIMessage(f"{number}:{turn}")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(talk, range(4)))
    said = contents(ElanusChatMessageHistory("s", database=database))
    assert len(said) == 80
    assert said[::2] == said[1::2]
    for number in range(4):
        turns = [s for s in said[::2] if s.startswith(f"{number}:")]
        assert turns == [f"{number}:{turn}" for turn in range(10)]


def test_another_process_reads_and_may_not_write(tmp_path: Path) -> None:
    history = ElanusChatMessageHistory("s", uri=tmp_path)
    history.add_user_message("first")
    code = f"""
        import sys, elanus
        from elanus.errors import DatabaseLockedError
        from langchain_elanus.extras import ElanusChatMessageHistory
        try:
            ElanusChatMessageHistory("s", uri={str(tmp_path)!r})
        except DatabaseLockedError as error:
            print(error.pid)
        with elanus.connect({str(tmp_path)!r}, read_only=True) as readers:
            history = ElanusChatMessageHistory("s", database=readers)
            print(len(history.messages), flush=True)
            sys.stdin.readline()
            print([m.content for m in history.messages], flush=True)
    """
    reader = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader, history:
        assert reader.stdin is not None
        assert reader.stdout is not None
        pid, before = reader.stdout.readline().strip(), reader.stdout.readline().strip()
        history.add_ai_message("second")
        reader.stdin.write("\n")
        reader.stdin.flush()
        after = reader.stdout.readline().strip()
    assert (pid, before, after) == (str(os.getpid()), "1", "['first', 'second']")


async def test_works_inside_runnable_with_message_history(database: elanus.Database) -> None:
    prompt = ChatPromptTemplate([MessagesPlaceholder("history"), ("human", "{question}")])
    model = RunnableLambda(lambda given: AIMessage(f"{len(given.to_messages())} messages"))
    chain = RunnableWithMessageHistory(
        prompt | model,
        lambda session_id: ElanusChatMessageHistory(session_id, database=database),
        input_messages_key="question",
        history_messages_key="history",
    )

    def config(session: str) -> Any:
        return {"configurable": {"session_id": session}}

    assert chain.invoke({"question": "a"}, config("1")).content == "1 messages"
    assert chain.invoke({"question": "b"}, config("1")).content == "3 messages"
    assert (await chain.ainvoke({"question": "c"}, config("1"))).content == "5 messages"
    assert chain.invoke({"question": "d"}, config("2")).content == "1 messages"
    assert contents(ElanusChatMessageHistory("1", database=database)) == [
        "a",
        "1 messages",
        "b",
        "3 messages",
        "c",
        "5 messages",
    ]
