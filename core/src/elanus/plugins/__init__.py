"""Who embeds and who reranks?

Plug-ins register by name through entry points; ``get_embedder`` and ``get_reranker`` find them.
This package imports nothing heavier than NumPy.
"""

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
from elanus.plugins.protocols import (
    Embedder,
    ModelInfo,
    Reranker,
    RerankerInfo,
    ScoreKind,
    SparseEmbedder,
    SparseVectors,
    VectorKind,
)
from elanus.plugins.registry import (
    embedder_from_config,
    get_embedder,
    get_reranker,
    get_sparse_embedder,
    installed_embedders,
    installed_rerankers,
    require_package,
    reranker_from_config,
)

__all__ = [
    # contracts
    "Embedder",
    "SparseEmbedder",
    "Reranker",
    "ModelInfo",
    "RerankerInfo",
    "SparseVectors",
    "VectorKind",
    "ScoreKind",
    # by name
    "get_embedder",
    "get_sparse_embedder",
    "get_reranker",
    "installed_embedders",
    "installed_rerankers",
    # stored configuration and identity
    "plugin_config",
    "embedder_from_config",
    "reranker_from_config",
    "fingerprint",
    "fingerprints_match",
    "require_same_model",
    # calling them
    "Role",
    "Progress",
    "embed_texts",
    "length_batches",
    "normalize_rows",
    # for authors of plug-ins
    "check_vectors",
    "require_package",
    "token_batches",
]
