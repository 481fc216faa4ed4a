"""How do texts with metadata live in a collection?

``Documents`` is for people: texts in, texts out. ``DocumentStore`` is what it shares with the
framework adapters: one storage layout, one way to write, select, search, fuse and score, so that
what one of them writes every other one reads.
"""

from elanus.documents.closing import Closing
from elanus.documents.documents import Documents, DocumentsOptions
from elanus.documents.layout import Layout, model_record
from elanus.documents.metadata import metadata_to_json
from elanus.documents.migration import NextModel
from elanus.documents.options import (
    BM25,
    FieldNames,
    SearchMode,
    StoreOptions,
    check_options,
    parse_enum,
)
from elanus.documents.protocols import DocumentCollection, DocumentDatabase
from elanus.documents.records import SourceRecords
from elanus.documents.requests import DocumentSearch, Selection
from elanus.documents.reranking import (
    rerank_hits,
    rerank_window,
    reranker_relevance,
)
from elanus.documents.rows import DocumentBatch, DocumentHit, StoredDocument
from elanus.documents.store import DocumentStore
from elanus.documents.syncing import NODE_KEY
from elanus.documents.tables import Place, PlaceOptions, Table
from elanus.query.diversity import select_diverse

__all__ = [
    "Documents",
    "DocumentsOptions",
    "DocumentHit",
    "StoredDocument",
    # for adapters
    "Closing",
    "DocumentStore",
    "DocumentBatch",
    "DocumentSearch",
    "Selection",
    "SearchMode",
    "StoreOptions",
    "FieldNames",
    "BM25",
    "Layout",
    "check_options",
    "parse_enum",
    "metadata_to_json",
    "rerank_hits",
    "rerank_window",
    "reranker_relevance",
    "select_diverse",
    "NODE_KEY",
    "NextModel",
    "SourceRecords",
    "model_record",
    # rows without vectors
    "Place",
    "PlaceOptions",
    "Table",
    # what they need from a database
    "DocumentCollection",
    "DocumentDatabase",
]
