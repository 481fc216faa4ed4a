"""What the adapters inherit of their frameworks, and why none of it has to be written again.

A method that a newer framework adds, or one of ours that goes, shows here: whoever sees it decides
whether the inherited one is good enough. Those of LlamaIndex ran on the event loop for years.
"""

import inspect

import pytest
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import DocumentIndex, RecordManager
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from llama_index.core.base.base_retriever import BaseRetriever as NodeRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.storage.kvstore.types import BaseKVStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from pydantic import BaseModel

import langchain_elanus
import llama_index.vector_stores.elanus as llama
from langchain_elanus.extras import ElanusDocumentIndex, ElanusRecordManager, ElanusStoreRecords
from langchain_elanus.retriever import ElanusRetriever
from llama_index.storage.kvstore.elanus import ElanusKVStore

# They call one abstract method with an underscore, which is ours, and trace it.
ASKS_OURS = {"invoke", "ainvoke", "retrieve", "aretrieve", "postprocess_nodes"}
# These hand ids and texts to our from_texts and afrom_texts, and scores to our relevance.
BUILDS_ON_OURS = {
    *("from_documents", "afrom_documents", "similarity_search_with_relevance_scores"),
    "asimilarity_search_with_relevance_scores",
}
# Batches, means and events over our _get_... and _aget_... methods.
BATCHES_OURS = {
    *("get_query_embedding", "get_text_embedding", "get_text_embedding_batch", "acall"),
    *("aget_query_embedding", "aget_text_embedding", "aget_text_embedding_batch", "similarity"),
    *("get_agg_embedding_from_queries", "aget_agg_embedding_from_queries", "to_payload"),
    "check_base_embeddings_class",
}
# Runs our _postprocess_nodes in a thread.
IN_A_THREAD = {"apostprocess_nodes"}
PAIRS = [
    (VectorStore, langchain_elanus.ElanusVectorStore, BUILDS_ON_OURS),
    (BaseRetriever, ElanusRetriever, ASKS_OURS),
    (Embeddings, langchain_elanus.ElanusEmbeddings, set()),
    (BaseDocumentCompressor, langchain_elanus.ElanusReranker, set()),
    (DocumentIndex, ElanusDocumentIndex, ASKS_OURS),
    (RecordManager, ElanusRecordManager, set()),
    (RecordManager, ElanusStoreRecords, set()),
    (BasePydanticVectorStore, llama.ElanusVectorStore, set()),
    (NodeRetriever, llama.ElanusRetriever, ASKS_OURS),
    (BaseEmbedding, llama.ElanusEmbedding, BATCHES_OURS),
    (BaseNodePostprocessor, llama.ElanusReranker, ASKS_OURS | IN_A_THREAD),
    (BaseKVStore, ElanusKVStore, set()),
]
# Of every component and runnable, and nothing of a store: how it is shown, copied and traced.
OF_ANY = ("runnables", "load.serializable", "instrumentation", "prompts.mixin", "schema")


def inherited(base: type, ours: type) -> set[str]:
    """Return the public methods of a base of ours that are those of the framework."""
    found = set()
    for name in dir(base):
        static = inspect.getattr_static(base, name)
        if name.startswith("_") or not (callable(getattr(base, name, None))):
            continue
        owner = next((kind for kind in base.__mro__ if name in kind.__dict__), None)
        if owner is None or owner in BaseModel.__mro__ or isinstance(static, type):
            continue
        module = owner.__module__
        if not module.startswith(("langchain_core", "llama_index.core")):
            continue
        if module.partition(".core.")[2].startswith(OF_ANY) or any(p in module for p in OF_ANY[:2]):
            continue
        mine = next(kind for kind in ours.__mro__ if name in kind.__dict__)
        if "elanus" not in mine.__module__:
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("base", "ours", "allowed"), PAIRS, ids=[f"{p[1].__module__}.{p[1].__name__}" for p in PAIRS]
)
def test_what_is_inherited_is_known(base: type, ours: type, allowed: set[str]) -> None:
    assert inherited(base, ours) <= allowed
