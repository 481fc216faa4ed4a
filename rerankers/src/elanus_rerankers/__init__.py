"""Rerankers for elanus.

Importing this package is cheap: models and the libraries that run them load when they are first
needed. By name, rerankers come from ``elanus.plugins.get_reranker``.
"""

from elanus_rerankers.catalog import CATALOG, CatalogEntry
from elanus_rerankers.cross_encoder import CrossEncoderReranker
from elanus_rerankers.lexical import LexicalReranker

__all__ = ["CATALOG", "CatalogEntry", "CrossEncoderReranker", "LexicalReranker"]
