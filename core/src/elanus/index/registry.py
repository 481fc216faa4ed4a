"""Which class stands behind the name of an index type?"""

from __future__ import annotations

from collections.abc import Callable

from elanus.errors import InvalidArgumentError
from elanus.index.base import VectorIndexType
from elanus.index.dense.faiss_index import FaissType, load_faiss
from elanus.index.dense.flat import FlatType
from elanus.index.dense.flat_sq8 import FlatSQ8Type
from elanus.index.dense.graph_type import GraphType
from elanus.index.dense.hnsw import HnswType, load_hnswlib
from elanus.index.dense.ivf import ivf_types
from elanus.index.dense.minhash_lsh import MinHashLshType

AUTO = "AUTO"
"""The engine chooses: a graph for large segments, a scan for small ones."""
_ALL: tuple[VectorIndexType, ...] = (
    FlatType(),
    FlatSQ8Type(),
    GraphType(),
    HnswType(),
    *ivf_types(),
    MinHashLshType(),
    FaissType(),
)
_TYPES: dict[str, VectorIndexType] = {t.name: t for t in _ALL}
_PACKAGES: dict[str, Callable[[], object]] = {
    HnswType.name: load_hnswlib,
    FaissType.name: load_faiss,
}
"""What loads the package that a type is built with."""
_ALIASES = {"AUTOINDEX": AUTO}


def index_type(name: str) -> VectorIndexType:
    """Return the index type with this name (case does not matter); AUTO is resolved.

    Raises:
        InvalidArgumentError: No such index type.
    """
    wanted = canonical_name(name)
    if wanted == AUTO:
        wanted = GraphType.name
    return _TYPES[wanted]


def canonical_name(name: str) -> str:
    """Return the name as it is stored in a collection.

    Raises:
        InvalidArgumentError: No such index type.
    """
    wanted = _ALIASES.get(name.upper(), name.upper())
    if wanted != AUTO and wanted not in _TYPES:
        names = ", ".join([AUTO, *_TYPES])
        raise InvalidArgumentError(f"no index type {name!r}; expected one of {names}")
    return wanted


def check_installed(name: str) -> None:
    """Refuse an index type whose package is missing: it is built later, in the background.

    Raises:
        PluginNotInstalledError: It cannot be built here.
    """
    load = _PACKAGES.get(name)
    if load is not None:
        load()
