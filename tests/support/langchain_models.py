"""Small LangChain models whose vectors a test can work out by hand."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_elanus import SparseEmbeddings, SparseVector


class TableEmbeddings(Embeddings):
    """Vectors from a table; counts the texts it was asked for."""

    def __init__(self, table: dict[str, list[float]]) -> None:
        self.table = table
        self.embedded: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += texts
        return [self.table[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.embedded.append(text)
        return self.table[text]


class WordSparse(SparseEmbeddings):
    """One dimension for each distinct word seen; the value is the word's count."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.batches: list[int] = []
        self._lock = threading.Lock()

    def _vector(self, text: str) -> SparseVector:
        counts: dict[int, float] = {}
        with self._lock:
            for word in text.lower().split():
                place = self.words.setdefault(word, len(self.words))
                counts[place] = counts.get(place, 0.0) + 1.0
        return SparseVector(indices=list(counts), values=list(counts.values()))

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        self.batches.append(len(texts))
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        return self._vector(text)


class AsyncOnlyEmbeddings(Embeddings):
    """Refuses synchronous calls, and waits on the event loop as a remote model does."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        self.running = 0
        self.most_running = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise AssertionError("the synchronous method was called")

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("the synchronous method was called")

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [await self.aembed_query(text) for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self.wait_s)
        self.running -= 1
        return [float(len(text)), 1.0]


class SlowEmbeddings(Embeddings):
    """A model that blocks its thread, as a local one does."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        time.sleep(self.wait_s)
        return [float(len(text)), 1.0]


class ToolCallingModel(BaseChatModel):
    """Asks its only tool what the user asked, then answers with what the tool found.

    The answer begins with the number of questions so far: what it remembers of a conversation.
    """

    tools: tuple[str, ...] = ()

    @property
    def _llm_type(self) -> str:
        return "tool-calling"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.model_copy(update={"tools": tuple(tool.name for tool in tools)})

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        questions = [message for message in messages if isinstance(message, HumanMessage)]
        last = messages[-1]
        if isinstance(last, ToolMessage):
            answer = AIMessage(f"{len(questions)}: {last.text}")
        else:
            call = {"name": self.tools[0], "args": {"query": last.text}, "id": f"{len(messages)}"}
            answer = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=answer)])
