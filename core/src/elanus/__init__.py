"""elanus: a vector database for retrieval-augmented generation, in your process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elanus.api.backup import BackupResult, RestoreResult, restore
    from elanus.api.collection import Collection, CollectionDescription
    from elanus.api.database import Database, connect
    from elanus.api.options import Cancellation, Leg
    from elanus.api.repair import repair
    from elanus.api.text import Token, phrase_slop, run_analyzer
    from elanus.api.transfer import ExportResult, ImportResult
    from elanus.errors import ElanusError
    from elanus.query.highlighter import Highlighter
    from elanus.query.rankers import MMR, Boost, Decay, FunctionScore, RandomScore, Rerank
    from elanus.query.requests import DBSF, RRF, ByScore, Weighted
    from elanus.query.results import Hit, SearchResult
    from elanus.query.verdicts import WhyNot
    from elanus.schema.collection import Schema
    from elanus.schema.fields import Field
    from elanus.schema.functions import BM25, Embedding, MinHash
    from elanus.types import DataType, MetricType

    BOOL = DataType.BOOL
    INT8 = DataType.INT8
    INT16 = DataType.INT16
    INT32 = DataType.INT32
    INT64 = DataType.INT64
    FLOAT = DataType.FLOAT
    DOUBLE = DataType.DOUBLE
    VARCHAR = DataType.VARCHAR
    ARRAY = DataType.ARRAY
    JSON = DataType.JSON
    GEOMETRY = DataType.GEOMETRY
    TIMESTAMPTZ = DataType.TIMESTAMPTZ
    FLOAT_VECTOR = DataType.FLOAT_VECTOR
    FLOAT16_VECTOR = DataType.FLOAT16_VECTOR
    BFLOAT16_VECTOR = DataType.BFLOAT16_VECTOR
    INT8_VECTOR = DataType.INT8_VECTOR
    BINARY_VECTOR = DataType.BINARY_VECTOR
    SPARSE_FLOAT_VECTOR = DataType.SPARSE_FLOAT_VECTOR
    STRUCT = DataType.STRUCT

__version__ = "0.1.0.dev0"

__all__ = [
    "connect",
    "restore",
    "repair",
    "BackupResult",
    "RestoreResult",
    "Database",
    "Collection",
    "CollectionDescription",
    "Schema",
    "Field",
    "BM25",
    "Embedding",
    "Leg",
    "RRF",
    "Weighted",
    "DBSF",
    "ByScore",
    "Decay",
    "Boost",
    "RandomScore",
    "FunctionScore",
    "Rerank",
    "MMR",
    "MinHash",
    "Highlighter",
    "phrase_slop",
    "run_analyzer",
    "Token",
    "Hit",
    "SearchResult",
    "WhyNot",
    "Cancellation",
    "ImportResult",
    "ExportResult",
    "DataType",
    "MetricType",
    "BOOL",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FLOAT",
    "DOUBLE",
    "VARCHAR",
    "ARRAY",
    "JSON",
    "GEOMETRY",
    "TIMESTAMPTZ",
    "FLOAT_VECTOR",
    "FLOAT16_VECTOR",
    "BFLOAT16_VECTOR",
    "INT8_VECTOR",
    "BINARY_VECTOR",
    "SPARSE_FLOAT_VECTOR",
    "STRUCT",
    "ElanusError",
    "__version__",
]

_MODULES = {
    "elanus.api.backup": ("BackupResult", "RestoreResult", "restore"),
    "elanus.api.collection": ("Collection", "CollectionDescription"),
    "elanus.api.database": ("Database", "connect"),
    "elanus.api.options": ("Cancellation", "Leg"),
    "elanus.api.repair": ("repair",),
    "elanus.api.text": ("Token", "phrase_slop", "run_analyzer"),
    "elanus.api.transfer": ("ExportResult", "ImportResult"),
    "elanus.errors": ("ElanusError",),
    "elanus.query.highlighter": ("Highlighter",),
    "elanus.query.rankers": ("MMR", "Boost", "Decay", "FunctionScore", "RandomScore", "Rerank"),
    "elanus.query.requests": ("DBSF", "RRF", "ByScore", "Weighted"),
    "elanus.query.results": ("Hit", "SearchResult"),
    "elanus.query.verdicts": ("WhyNot",),
    "elanus.schema.collection": ("Schema",),
    "elanus.schema.fields": ("Field",),
    "elanus.schema.functions": ("BM25", "Embedding", "MinHash"),
    "elanus.types": ("DataType", "MetricType"),
}
_SUBMODULES = ("documents", "errors", "filter", "plugins", "remote", "sync", "testing", "types")
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: programs use few, and all take a while."""
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        found = getattr(import_module("elanus.types").DataType, name)
    elif name in _SUBMODULES:
        return import_module(f"elanus.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
