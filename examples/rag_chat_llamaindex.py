"""A chatbot over your documents with LlamaIndex: hybrid retrieval, reranking, memory, streaming.

The model is the first that exists of an OpenAI-compatible endpoint (OPENAI_BASE_URL and
OPENAI_MODEL; pip install llama-index-llms-openai-like), Ollama (OLLAMA_MODEL; pip install
llama-index-llms-ollama), or an extractive one that needs nothing and answers with sentences of
the documents. Questions may stand on the command line.

Prints:
    Rotate the signing key every ninety days. [security.md]
"""

import os
import sys
from collections.abc import Iterator

from extractive.llm import ExtractiveLLM
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.llms import LLM
from llama_index.core.memory import Memory
from llama_index.core.schema import TextNode

from llama_index.vector_stores.elanus import (
    BM25,
    ElanusEmbedding,
    ElanusReranker,
    ElanusVectorStore,
)

PASSAGES = [
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


def local_llm() -> LLM:
    llm: LLM = ExtractiveLLM()
    if url := os.getenv("OPENAI_BASE_URL"):
        from llama_index.llms.openai_like import OpenAILike

        key, model = os.getenv("OPENAI_API_KEY", "none"), os.environ["OPENAI_MODEL"]
        llm = OpenAILike(api_base=url, api_key=key, model=model, is_chat_model=True)
    elif name := os.getenv("OLLAMA_MODEL"):
        from llama_index.llms.ollama import Ollama

        llm = Ollama(model=name, base_url=os.getenv("OLLAMA_HOST", "http://localhost:11434"))
    return llm


def make_index(store: ElanusVectorStore) -> VectorStoreIndex:
    """Store the passages; a later run may take what is stored by from_vector_store alone."""
    nodes = [
        TextNode(
            id_=f"{source}-{i}",
            text=text,
            metadata={"source": source},
            # How the model is shown a passage: its source in brackets, for the model to name it.
            text_template="[{metadata_str}] {content}",
            metadata_template="{value}",
        )
        for i, (source, text) in enumerate(PASSAGES)
    ]
    index = VectorStoreIndex.from_vector_store(store)
    index.insert_nodes(nodes)
    return index


def make_engine(index: VectorStoreIndex) -> BaseChatEngine:
    # Rewriting a follow-up question takes a model that can write.
    can_write = not isinstance(Settings.llm, ExtractiveLLM)
    return (CondensePlusContextChatEngine if can_write else ContextChatEngine).from_defaults(
        retriever=index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=6),
        memory=Memory.from_defaults(session_id="1", token_limit=8000),
        llm=Settings.llm,
        system_prompt="Answer from the passages only, and name their sources in brackets.",
        node_postprocessors=[ElanusReranker(top_n=3)],
    )


def answer(engine: BaseChatEngine, question: str) -> Iterator[str]:
    """Yield an answer piece by piece; the engine's memory holds the ones before it."""
    yield from engine.stream_chat(question).response_gen


def main() -> None:
    Settings.llm, Settings.embed_model = local_llm(), ElanusEmbedding("minilm")
    with ElanusVectorStore("./chat_llamaindex", sparse=BM25("english")) as store:
        engine = make_engine(make_index(store))
        for question in sys.argv[1:] or QUESTIONS:
            print(f"> {question}")
            for text in answer(engine, question):
                print(text, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
