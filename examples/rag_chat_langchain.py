"""A chatbot over your documents with LangChain: hybrid retrieval, memory, streaming.

The model is the first that exists of an OpenAI-compatible endpoint (OPENAI_BASE_URL and
OPENAI_MODEL; pip install langchain-openai), Ollama (OLLAMA_MODEL; pip install langchain-ollama),
or an extractive one that needs nothing and answers with sentences of the documents.

Prints:
    Rotate the signing key every ninety days. [security.md]
"""

import os
from typing import Any

from extractive.chat_model import ExtractiveChatModel
from extractive.sentences import write_passages
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, dynamic_prompt
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.memory import InMemorySaver

from langchain_elanus import BM25, ElanusEmbeddings, ElanusVectorStore

DOCUMENTS = [
    ("security.md", "Rotate the signing key every ninety days. Old keys stay valid for one week."),
    ("security.md", "Tokens expire after an hour. A refresh token lives for thirty days."),
    ("backup.md", "Backups run at night. Restore one with the command restore --from DATE."),
    ("billing.md", "Invoices are sent on the first of the month. Refunds take five days."),
]
QUESTIONS = ["How often do I rotate the signing key?", "When are invoices sent?"]
PROMPT = "Answer from these passages only, and name their sources in brackets.\n\n"


def chat_model() -> BaseChatModel:
    model: BaseChatModel = ExtractiveChatModel()
    if url := os.getenv("OPENAI_BASE_URL"):
        from langchain_openai import ChatOpenAI

        key = os.getenv("OPENAI_API_KEY", "none")
        model = ChatOpenAI(base_url=url, api_key=key, model=os.environ["OPENAI_MODEL"])
    elif name := os.getenv("OLLAMA_MODEL"):
        from langchain_ollama import ChatOllama

        model = ChatOllama(model=name)
    return model


def main() -> None:
    documents = [
        Document(id=f"{source}-{i}", page_content=text, metadata={"source": source})
        for i, (source, text) in enumerate(DOCUMENTS)
    ]
    with ElanusVectorStore(
        ElanusEmbeddings(), sparse=BM25("english"), uri="./chat_langchain"
    ) as store:
        store.add_documents(documents)
        retriever = store.as_retriever(search_kwargs={"k": 3})

        @dynamic_prompt
        def with_context(request: ModelRequest) -> str:
            found = retriever.invoke(request.state["messages"][-1].text)
            return PROMPT + write_passages([(d.metadata["source"], d.page_content) for d in found])

        agent: Any = create_agent(
            chat_model(), tools=[], middleware=[with_context], checkpointer=InMemorySaver()
        )
        session = {"configurable": {"thread_id": "1"}}
        for question in QUESTIONS:
            print(f"> {question}")
            asked = {"messages": [("user", question)]}
            for token, _ in agent.stream(asked, session, stream_mode="messages"):
                print(token.text, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
