"""Rerankers for elanus.

Importing this package is cheap: models and the libraries that run them load when they are first
needed. By name, rerankers come from ``elanus.plugins.get_reranker``.
"""

from elanus_rerankers.catalog import CATALOG, CatalogEntry
from elanus_rerankers.cross_encoder import CrossEncoderReranker
from elanus_rerankers.flashrank import FlashRankReranker
from elanus_rerankers.lexical import LexicalReranker
from elanus_rerankers.llm_listwise import ListwiseLlmReranker
from elanus_rerankers.llm_pointwise import PointwiseLlmReranker
from elanus_rerankers.maxsim import MaxSimReranker
from elanus_rerankers.onnx_cross_encoder import OnnxCrossEncoderReranker, export_cross_encoder
from elanus_rerankers.remote import RemoteReranker
from elanus_rerankers.yes_no import YesNoReranker

__all__ = [
    "CATALOG",
    "CatalogEntry",
    "CrossEncoderReranker",
    "FlashRankReranker",
    "LexicalReranker",
    "ListwiseLlmReranker",
    "MaxSimReranker",
    "OnnxCrossEncoderReranker",
    "PointwiseLlmReranker",
    "RemoteReranker",
    "YesNoReranker",
    "export_cross_encoder",
]
