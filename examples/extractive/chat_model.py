"""The extractive model for LangChain."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, SimpleChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from extractive.sentences import best_sentences


class ExtractiveChatModel(SimpleChatModel):
    """Answers the last user message with sentences of the system message or of a tool.

    With tools it calls the first one with the question before it answers.
    """

    @property
    def _llm_type(self) -> str:
        return "extractive"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        function = convert_to_openai_tool(tools[0])["function"]
        [argument] = function["parameters"]["required"]
        return self.bind(tool=(function["name"], argument))

    def _call(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        questions = [m.text for m in messages if m.type == "human"]
        tools = [m.text for m in messages if m.type == "tool"]
        context = tools[-1:] or [m.text for m in messages if m.type == "system"]
        return best_sentences("\n".join(context), questions[-1] if questions else "")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if not (call := _wanted_call(messages, kwargs.get("tool"))):
            return super()._generate(messages, stop, run_manager, **kwargs)
        name, arguments, id_ = call
        message = AIMessage("", tool_calls=[tool_call(name=name, args=arguments, id=id_)])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if call := _wanted_call(messages, kwargs.get("tool")):
            name, arguments, id_ = call
            chunks = [tool_call_chunk(name=name, args=json.dumps(arguments), id=id_, index=0)]
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=chunks))
            return
        for word in re.findall(r"\S+\s*", self._call(messages, stop, run_manager)):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk


def _wanted_call(
    messages: list[BaseMessage], tool: tuple[str, str] | None
) -> tuple[str, dict[str, str], str] | None:
    """Return name, arguments and id of the call to make, or None when it is time to answer."""
    if tool is None or messages[-1].type != "human":
        return None
    name, argument = tool
    asked = [m.text for m in messages if m.type == "human"]
    # A follow-up is found only together with the question before it.
    return name, {argument: " ".join(asked[-2:])}, f"call_{len(messages)}"
