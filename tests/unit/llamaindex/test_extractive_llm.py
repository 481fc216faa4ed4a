"""The language model of the example answers with sentences of its context and streams them."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CONTEXT = """Context:
[security.md] Rotate the signing key every ninety days. Old keys stay valid for a week.
[billing.md] Invoices are sent on the first of the month. Refunds take five days."""


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("extractive.llm").ExtractiveLLM()


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (
            "How often are signing keys rotated?",
            "Rotate the signing key every ninety days. [security.md]",
        ),
        ("How long does a refund take?", "Refunds take five days. [billing.md]"),
        ("Who won the match?", "The documents do not say."),
    ],
)
async def test_answers_name_the_right_source(llm: Any, question: str, answer: str) -> None:
    messages = [
        ChatMessage(role="system", content=CONTEXT),
        ChatMessage(role="user", content="earlier"),
        ChatMessage(role="assistant", content="so it was"),
        ChatMessage(role="user", content=question),
    ]
    whole = str(llm.chat(messages).message.content)
    assert whole.startswith(answer)
    pieces = [chunk.delta for chunk in llm.stream_chat(messages)]
    assert len(pieces) >= 4
    assert "".join(pieces) == whole
    assert str((await llm.achat(messages)).message.content) == whole
