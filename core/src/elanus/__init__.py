"""elanus: a vector database for retrieval-augmented generation, in your process."""

from elanus.api.backup import BackupResult, RestoreResult, restore
from elanus.api.collection import Collection, CollectionDescription
from elanus.api.database import Database, connect
from elanus.api.options import Leg
from elanus.api.repair import repair
from elanus.api.text import Token, run_analyzer
from elanus.api.transfer import ExportResult, ImportResult
from elanus.errors import ElanusError
from elanus.query.highlighter import Highlighter
from elanus.query.rankers import MMR, Boost, Decay, FunctionScore, RandomScore, Rerank
from elanus.query.requests import DBSF, RRF, ByScore, Weighted
from elanus.query.results import Hit, SearchResult
from elanus.query.verdicts import WhyNot
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.functions import BM25, Embedding
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
    "Highlighter",
    "run_analyzer",
    "Token",
    "Hit",
    "SearchResult",
    "WhyNot",
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
