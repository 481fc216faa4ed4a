"""A chatbot over your documents with LangChain: hybrid retrieval, reranking, memory, streaming.

Passages are put into the prompt, so any chat model will do; `rag_agent_langchain.py` is the variant
for models that call tools. The model is the first that exists of an OpenAI-compatible endpoint
(OPENAI_BASE_URL and OPENAI_MODEL; pip install langchain-openai), Ollama (OLLAMA_MODEL; pip install
langchain-ollama), or an extractive one that needs nothing and answers with sentences of the
documents. Questions may stand on the command line.

Prints:
    Rotate the signing key every ninety days. [security.md]
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from extractive.chat_model import ExtractiveChatModel
from extractive.sentences import write_passages
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, dynamic_prompt
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from langchain_elanus import BM25, ElanusEmbeddings, ElanusReranker, ElanusVectorStore

DOCUMENTS = [
    ("security.md", "Rotate the signing key every ninety days. Old keys stay valid for one week."),
    ("security.md", "Tokens expire after an hour. A refresh token lives for thirty days."),
    ("backup.md", "Backups run at night. Restore one with the command restore --from DATE."),
    ("billing.md", "Invoices are sent on the first of the month. Refunds take five days."),
]
QUESTIONS = [
    "How often do I rotate the signing key?",
    "And how long do the old ones stay valid?",
    "When are invoices sent?",
]
PROMPT = "Answer from these passages only, and name their sources in brackets.\n\n"


def chat_model() -> BaseChatModel:
    model: BaseChatModel = ExtractiveChatModel()
    if url := os.getenv("OPENAI_BASE_URL"):
        from langchain_openai import ChatOpenAI

        key = SecretStr(os.getenv("OPENAI_API_KEY", "none"))
        model = ChatOpenAI(base_url=url, api_key=key, model=os.environ["OPENAI_MODEL"])
    elif name := os.getenv("OLLAMA_MODEL"):
        from langchain_ollama import ChatOllama

        model = ChatOllama(model=name)
    return model


def make_retriever(store: ElanusVectorStore) -> BaseRetriever:
    """Store the documents; return what finds six by vectors and words, and keeps the best three."""
    store.add_documents(
        [
            Document(id=f"{source}-{i}", page_content=text, metadata={"source": source})
            for i, (source, text) in enumerate(DOCUMENTS)
        ]
    )
    return store.as_retriever(search_kwargs={"k": 6}, compressor=ElanusReranker(top_n=3))


def make_agent(retriever: BaseRetriever) -> Any:
    @dynamic_prompt
    def with_context(request: ModelRequest) -> str:
        asked = [m.text for m in request.state["messages"] if m.type == "human"]
        # A follow-up ("And the old ones?") is found only together with the question before it.
        found = retriever.invoke(" ".join(asked[-2:]))
        return PROMPT + write_passages([(d.metadata["source"], d.page_content) for d in found])

    return create_agent(
        chat_model(), tools=[], middleware=[with_context], checkpointer=InMemorySaver()
    )


def answer(agent: Any, question: str, session: str = "1") -> Iterator[str]:
    """Yield an answer piece by piece; the questions of a session know of each other."""
    asked = {"messages": [("user", question)]}
    config = {"configurable": {"thread_id": session}}
    for token, _ in agent.stream(asked, config, stream_mode="messages"):
        # An agent's stream has the answers of its tools as well.
        if isinstance(token, AIMessage) and token.text:
            yield token.text


def main() -> None:
    embeddings, bm25 = ElanusEmbeddings(), BM25("english")
    with ElanusVectorStore(embeddings, sparse=bm25, uri="./chat_langchain") as store:
        agent = make_agent(make_retriever(store))
        for question in sys.argv[1:] or QUESTIONS:
            print(f"> {question}")
            for text in answer(agent, question):
                print(text, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
