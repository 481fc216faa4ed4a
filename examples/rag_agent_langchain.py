"""A chatbot with LangChain whose model searches by itself: retrieval is a tool that it calls.

For models that call tools; documents, models and options are those of `rag_chat_langchain.py`.

Prints:
    Old keys stay valid for one week. [security.md]
"""

import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import create_retriever_tool
from langgraph.checkpoint.memory import InMemorySaver
from rag_chat_langchain import QUESTIONS, answer, chat_model, make_retriever

from langchain_elanus import BM25, ElanusEmbeddings, ElanusVectorStore

PROMPT = (
    "Search the documents before you answer. Answer from what you find only, and name the sources "
    "in brackets."
)


def make_agent(retriever: BaseRetriever) -> Any:
    search = create_retriever_tool(
        retriever,
        "search_docs",
        "Find passages of the handbook that answer a question.",
        document_prompt=PromptTemplate.from_template("[{source}] {page_content}"),
        # What was found is kept beside the text, for a program that shows it.
        response_format="content_and_artifact",
    )
    return create_agent(
        chat_model(), tools=[search], system_prompt=PROMPT, checkpointer=InMemorySaver()
    )


def main() -> None:
    embeddings, bm25 = ElanusEmbeddings(), BM25("english")
    with ElanusVectorStore(embeddings, sparse=bm25, uri="./agent_langchain") as store:
        agent = make_agent(make_retriever(store))
        for question in sys.argv[1:] or QUESTIONS:
            print(f"> {question}")
            for text in answer(agent, question):
                print(text, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
