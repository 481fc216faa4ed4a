"""Rerankers for elanus.

Importing this package is cheap: models and the libraries that run them load when they are first
needed. By name, rerankers come from ``elanus.plugins.get_reranker``.
"""

from elanus_rerankers.catalog import CATALOG, CatalogEntry
from elanus_rerankers.cross_encoder import CrossEncoderReranker
from elanus_rerankers.lexical import LexicalReranker
from elanus_rerankers.llm_listwise import ListwiseLlmReranker
from elanus_rerankers.llm_pointwise import PointwiseLlmReranker
from elanus_rerankers.remote import RemoteReranker

__all__ = [
    "CATALOG",
    "CatalogEntry",
    "CrossEncoderReranker",
    "LexicalReranker",
    "ListwiseLlmReranker",
    "PointwiseLlmReranker",
    "RemoteReranker",
]
