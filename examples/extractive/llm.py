"""The extractive model for LlamaIndex."""

import re
from typing import Any

from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback

from extractive.sentences import best_sentences


class ExtractiveLLM(CustomLLM):
    """Answers the last user message of a chat with sentences of what stands before it."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="extractive", context_window=100_000)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        # A chat arrives as one text: "system: ...", "user: ...", "assistant: ".
        context, _, rest = prompt.rpartition("\nuser: ")
        question = rest.rpartition("\nassistant:")[0] or rest
        return CompletionResponse(text=best_sentences(context, question))

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        answer = self.complete(prompt, formatted, **kwargs).text

        def words() -> CompletionResponseGen:
            said = ""
            for word in re.findall(r"\S+\s*", answer):
                said += word
                yield CompletionResponse(text=said, delta=word)

        return words()
