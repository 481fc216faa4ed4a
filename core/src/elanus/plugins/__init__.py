"""Who embeds, who reranks, and who analyzes texts?

Plug-ins register by name through entry points; ``get_embedder`` and ``get_reranker`` find them.
This package imports nothing heavier than NumPy.
"""

from elanus.plugins.adapters import ForeignEmbedder
from elanus.plugins.batching import (
    Progress,
    Role,
    check_vectors,
    embed_texts,
    length_batches,
    normalize_rows,
    token_batches,
)
from elanus.plugins.config import plugin_config
from elanus.plugins.fingerprint import fingerprint, fingerprints_match, require_same_model
from elanus.plugins.precision import (
    as_float16,
    as_int8,
    finished_vectors,
    leading_dimensions,
)
from elanus.plugins.protocols import (
    AnyEmbedder,
    Embedder,
    HybridEmbedder,
    HybridVectors,
    ModelInfo,
    MultiVectorEmbedder,
    Reranker,
    RerankerInfo,
    ScoreKind,
    SparseEmbedder,
    SparseVectors,
    TokenVectors,
    VectorKind,
)
from elanus.plugins.ranking import Ranked, rank
from elanus.plugins.registry import (
    embedder_from_config,
    embedding_from_config,
    get_embedder,
    get_embedding,
    get_multivector_embedder,
    get_reranker,
    get_sparse_embedder,
    installed_analyzers,
    installed_embedders,
    installed_rerankers,
    require_package,
    reranker_from_config,
)
from elanus.plugins.texts import (
    TermExpander,
    TermFilter,
    TextAnalyzer,
    TextToken,
    TextTokenizer,
)

__all__ = [
    # contracts
    "Embedder",
    "SparseEmbedder",
    "MultiVectorEmbedder",
    "HybridEmbedder",
    "AnyEmbedder",
    "Reranker",
    "TextAnalyzer",
    "TextTokenizer",
    "TextToken",
    "TermFilter",
    "TermExpander",
    "ModelInfo",
    "RerankerInfo",
    "SparseVectors",
    "TokenVectors",
    "HybridVectors",
    "VectorKind",
    "ScoreKind",
    # by name
    "get_embedder",
    "get_sparse_embedder",
    "get_multivector_embedder",
    "get_embedding",
    "get_reranker",
    "ForeignEmbedder",
    "installed_analyzers",
    "installed_embedders",
    "installed_rerankers",
    # stored configuration and identity
    "plugin_config",
    "embedder_from_config",
    "embedding_from_config",
    "reranker_from_config",
    "fingerprint",
    "fingerprints_match",
    "require_same_model",
    # calling them
    "Role",
    "Progress",
    "embed_texts",
    "Ranked",
    "rank",
    "length_batches",
    "normalize_rows",
    "finished_vectors",
    "leading_dimensions",
    "as_float16",
    "as_int8",
    # for authors of plug-ins
    "check_vectors",
    "require_package",
    "token_batches",
]
