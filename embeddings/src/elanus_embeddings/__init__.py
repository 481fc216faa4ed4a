"""Embedders for elanus.

Importing this package is cheap: models and the libraries that run them load when they are first
needed. By name, embedders come from ``elanus.plugins.get_embedder``.
"""

from elanus_embeddings.cache import CachedEmbedder
from elanus_embeddings.catalog import CATALOG, CatalogEntry, find_model
from elanus_embeddings.hashing import HashEmbedder
from elanus_embeddings.minilm import MiniLMEmbedder
from elanus_embeddings.remote import RemoteEmbedder
from elanus_embeddings.sentence_transformers import SentenceTransformerEmbedder

__all__ = [
    "CATALOG",
    "CachedEmbedder",
    "CatalogEntry",
    "HashEmbedder",
    "MiniLMEmbedder",
    "RemoteEmbedder",
    "SentenceTransformerEmbedder",
    "find_model",
]
