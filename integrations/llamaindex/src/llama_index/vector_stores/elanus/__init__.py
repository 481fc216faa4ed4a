"""elanus for LlamaIndex: vector store, retriever, embeddings and reranker."""

from elanus import RRF, Weighted
from elanus.documents import BM25, SearchMode
from llama_index.vector_stores.elanus.base import ElanusVectorStore
from llama_index.vector_stores.elanus.embeddings import ElanusEmbedding
from llama_index.vector_stores.elanus.options import StoreOptions
from llama_index.vector_stores.elanus.reranker import ElanusReranker
from llama_index.vector_stores.elanus.retriever import ElanusRetriever
from llama_index.vector_stores.elanus.sparse import ElanusSparseEmbedding

__all__ = [
    "ElanusVectorStore",
    "ElanusRetriever",
    "StoreOptions",
    # what a store is made of
    "ElanusEmbedding",
    "ElanusSparseEmbedding",
    "BM25",
    "SearchMode",
    "RRF",
    "Weighted",
    # around a store
    "ElanusReranker",
]
