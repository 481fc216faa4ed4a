"""The extractive model for LangChain."""

import re
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from extractive.sentences import best_sentences


class ExtractiveChatModel(SimpleChatModel):
    """Answers the last user message with sentences of the system message."""

    @property
    def _llm_type(self) -> str:
        return "extractive"

    def _call(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        context = "\n".join(m.text for m in messages if m.type == "system")
        questions = [m.text for m in messages if m.type == "human"]
        return best_sentences(context, questions[-1] if questions else "")

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for word in re.findall(r"\S+\s*", self._call(messages, stop, run_manager)):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
