"""Embedders for elanus.

Importing this package is cheap: models and the libraries that run them load when they are first
needed. By name, embedders come from ``elanus.plugins.get_embedder``.
"""

from elanus_embeddings.bge_m3 import BgeM3Embedder
from elanus_embeddings.cache import CachedEmbedder
from elanus_embeddings.catalog import CATALOG, CatalogEntry, find_model
from elanus_embeddings.fastembed import FastEmbedEmbedder
from elanus_embeddings.hashing import HashEmbedder
from elanus_embeddings.late_interaction import LateInteractionEmbedder
from elanus_embeddings.lsa import LsaEmbedder
from elanus_embeddings.minilm import MiniLMEmbedder
from elanus_embeddings.model2vec import Model2VecEmbedder
from elanus_embeddings.onnx import OnnxEmbedder
from elanus_embeddings.onnx_export import export_onnx
from elanus_embeddings.remote import RemoteEmbedder
from elanus_embeddings.sentence_transformers import SentenceTransformerEmbedder
from elanus_embeddings.splade import SpladeEmbedder
from elanus_embeddings.transformers import TransformersEmbedder
from elanus_embeddings.truncated import TruncatedEmbedder

__all__ = [
    "CATALOG",
    "BgeM3Embedder",
    "CachedEmbedder",
    "CatalogEntry",
    "FastEmbedEmbedder",
    "HashEmbedder",
    "LateInteractionEmbedder",
    "LsaEmbedder",
    "MiniLMEmbedder",
    "Model2VecEmbedder",
    "OnnxEmbedder",
    "RemoteEmbedder",
    "SentenceTransformerEmbedder",
    "SpladeEmbedder",
    "TransformersEmbedder",
    "TruncatedEmbedder",
    "export_onnx",
    "find_model",
]
