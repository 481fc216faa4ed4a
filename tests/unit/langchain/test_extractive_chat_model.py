"""The chat model of the example answers with sentences of its context and streams them."""

import importlib
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CONTEXT = """Answer from these passages only.

[security.md] Rotate the signing key every ninety days. Old keys stay valid for a week.
[billing.md] Invoices are sent on the first of the month. Refunds take five days."""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("extractive.chat_model").ExtractiveChatModel()


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
async def test_answers_name_the_right_source(model: Any, question: str, answer: str) -> None:
    messages = [SystemMessage(CONTEXT), HumanMessage("earlier"), HumanMessage(question)]
    whole = model.invoke(messages).text
    assert whole.startswith(answer)
    pieces = [chunk.text for chunk in model.stream(messages)]
    assert len(pieces) >= 4
    assert "".join(pieces) == whole
    assert (await model.ainvoke(messages)).text == whole
