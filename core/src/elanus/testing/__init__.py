"""Does a plug-in keep its contract?

Test classes for authors of plug-ins. Derive one in a test module and give it the fixture that its
docstring names; pytest then runs every case of it against your class.
"""

from elanus.testing.analyzer import AnalyzerContract
from elanus.testing.embedder import EmbedderContract
from elanus.testing.other_embedders import (
    HybridEmbedderContract,
    MultiVectorEmbedderContract,
    SparseEmbedderContract,
)
from elanus.testing.reranker import RerankerContract

__all__ = [
    "AnalyzerContract",
    "EmbedderContract",
    "HybridEmbedderContract",
    "MultiVectorEmbedderContract",
    "RerankerContract",
    "SparseEmbedderContract",
]
