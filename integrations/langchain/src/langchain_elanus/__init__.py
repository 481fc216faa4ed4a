"""elanus for LangChain: vector store, retriever, embeddings, reranker and query translator."""

from elanus import RRF, Weighted
from elanus.documents import BM25, SearchMode
from langchain_elanus.embeddings import ElanusEmbeddings
from langchain_elanus.options import StoreOptions
from langchain_elanus.reranker import ElanusReranker
from langchain_elanus.retriever import ElanusRetriever
from langchain_elanus.sparse import ElanusSparseEmbeddings, SparseEmbeddings, SparseVector
from langchain_elanus.translator import ElanusTranslator
from langchain_elanus.vectorstore import ElanusVectorStore

Elanus = ElanusVectorStore

__all__ = [
    "ElanusVectorStore",
    "Elanus",
    "ElanusRetriever",
    "StoreOptions",
    # what a store is made of
    "ElanusEmbeddings",
    "ElanusSparseEmbeddings",
    "SparseEmbeddings",
    "SparseVector",
    "BM25",
    "SearchMode",
    "RRF",
    "Weighted",
    # around a store
    "ElanusReranker",
    "ElanusTranslator",
]
