"""A chatbot over your documents with LlamaIndex: hybrid retrieval, reranking, memory, streaming.

The model is the first that exists of an OpenAI-compatible endpoint (OPENAI_BASE_URL and
OPENAI_MODEL; pip install llama-index-llms-openai-like), Ollama (OLLAMA_MODEL; pip install
llama-index-llms-ollama), or an extractive one that needs nothing and answers with sentences of
the documents.

Prints:
    Rotate the signing key every ninety days. [security.md]
"""

import os

from extractive.llm import ExtractiveLLM
from extractive.sentences import write_passages
from llama_index.core import Settings, StorageContext, VectorStoreIndex
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine
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
QUESTIONS = ["How often do I rotate the signing key?", "When are invoices sent?"]


def local_llm() -> LLM:
    llm: LLM = ExtractiveLLM()
    if url := os.getenv("OPENAI_BASE_URL"):
        from llama_index.llms.openai_like import OpenAILike

        key, model = os.getenv("OPENAI_API_KEY", "none"), os.environ["OPENAI_MODEL"]
        llm = OpenAILike(api_base=url, api_key=key, model=model, is_chat_model=True)
    elif name := os.getenv("OLLAMA_MODEL"):
        from llama_index.llms.ollama import Ollama

        llm = Ollama(model=name)
    return llm


def main() -> None:
    Settings.llm, Settings.embed_model = local_llm(), ElanusEmbedding("minilm")
    nodes = [
        # The source stands in the text as well, for the model to name it.
        TextNode(id_=f"{source}-{i}", text=write_passages([(source, text)]))
        for i, (source, text) in enumerate(PASSAGES)
    ]
    with ElanusVectorStore("./chat_llamaindex", sparse=BM25("english")) as store:
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(nodes, storage_context=context)
        # Rewriting a follow-up question takes a model that can write.
        can_write = not isinstance(Settings.llm, ExtractiveLLM)
        engine = (CondensePlusContextChatEngine if can_write else ContextChatEngine).from_defaults(
            retriever=index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=4),
            memory=Memory.from_defaults(session_id="1", token_limit=8000),
            llm=Settings.llm,
            node_postprocessors=[ElanusReranker(top_n=3)],
        )
        for question in QUESTIONS:
            print(f"> {question}")
            for token in engine.stream_chat(question).response_gen:
                print(token, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
