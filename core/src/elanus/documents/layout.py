"""Which fields does a collection of documents have, and may this store open it?

One layout for every reader: what one framework adapter writes, the other, ``Documents`` and plain
collection calls read. The collection's properties record the layout, so that opening it with other
settings is an error that names both values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from elanus.documents.options import BM25, FieldNames, SearchMode, StoreOptions
from elanus.documents.protocols import DocumentCollection
from elanus.errors import FormatVersionError, ModelMismatchError, SchemaError
from elanus.plugins import Embedder, fingerprint, plugin_config, require_same_model
from elanus.schema import functions
from elanus.schema.collection import Schema
from elanus.schema.fields import AnalyzerSpec, Field
from elanus.types import DataType, MetricType

LAYOUT_VERSION = 1
PROPERTY = "documents"
"""Key in the collection's properties under which the layout is recorded."""
NEXT = "next"
"""Key in that record under which the model of a migration is told to other processes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an existing collection of documents offers.

    Attributes:
        names: Names of its fields.
        metric: Metric of the dense field; COSINE when there is none.
        dim: Dimensions of the dense field, or None when there is none.
        bm25: The collection has full-text search.
        sparse: The collection has learned sparse vectors.
        extras: Whether the fields ``ref_doc_id`` and ``node`` exist.
        partition_key: Field that separates tenants, or None.
        answers: Dense field that answers searches: that of ``names``, or its successor.
        successor: Dense field of another model, which is to answer or does; None without one.
    """

    names: FieldNames
    metric: MetricType
    dim: int | None
    bm25: bool
    sparse: bool
    extras: bool
    partition_key: str | None
    answers: str = ""
    successor: str | None = None

    @property
    def legs(self) -> tuple[SearchMode, ...]:
        """Modes that read one field, in the order in which hybrid search fuses them."""
        has = {
            SearchMode.DENSE: self.dim is not None,
            SearchMode.SPARSE: self.sparse,
            SearchMode.BM25: self.bm25,
        }
        return tuple(mode for mode, present in has.items() if present)

    def field_of(self, mode: SearchMode) -> str:
        """Return the vector field that a leg of a search reads."""
        fields = {
            SearchMode.DENSE: self.names.dense,
            SearchMode.SPARSE: self.names.sparse,
            SearchMode.BM25: self.names.bm25,
        }
        return fields[mode]


def build_schema(options: StoreOptions, dim: int | None) -> Schema:
    """Return the schema of a new collection.

    Args:
        options: What it must offer.
        dim: Dimensions of its dense vectors; None leaves the dense field out.

    Raises:
        SchemaError: The partition key is not usable as a field name, or nothing is searchable.
    """
    names, bm25 = options.fields, options.bm25
    fields = [
        Field(names.id, DataType.VARCHAR, primary=True),
        Field(names.text, DataType.VARCHAR, analyzer=bm25.analyzer_spec if bm25 else None),
        Field(names.metadata, DataType.JSON),
        Field(names.ref_doc_id, DataType.VARCHAR, nullable=True),
        Field(names.node, DataType.JSON, nullable=True),
    ]
    if options.partition_key is not None:
        fields.append(Field(options.partition_key, DataType.VARCHAR))
    if dim is not None:
        metric = options.metric or MetricType.COSINE
        fields.append(Field(names.dense, DataType.FLOAT_VECTOR, dim=dim, metric=metric))
    if options.sparse:
        fields.append(Field(names.sparse, DataType.SPARSE_FLOAT_VECTOR))
    if bm25 is not None:
        source = functions.BM25(names.text, k1=bm25.k1, b=bm25.b)
        fields.append(Field(names.bm25, DataType.SPARSE_FLOAT_VECTOR, source=source))
    return Schema(fields)


def build_properties(options: StoreOptions, dim: int | None) -> dict[str, Any]:
    """Return the properties of a new collection: layout, metric, dim and models."""
    record: dict[str, Any] = {
        "layout": LAYOUT_VERSION,
        "metric": str(options.metric or MetricType.COSINE) if dim is not None else None,
        "dim": dim,
        "partition_key": options.partition_key,
        **model_record(options.embedder if dim is not None else None, options.model),
    }
    if options.sparse_embedder is not None and options.sparse:
        record["sparse_fingerprint"] = fingerprint(options.sparse_embedder)
    return {PROPERTY: record}


def model_record(embedder: Embedder | None, name: str = "") -> dict[str, Any]:
    """Return what a collection says of its embedding model.

    Args:
        embedder: The plug-in, or None where the model is none.
        name: What the model is called; by default as the plug-in says.
    """
    if embedder is None:
        return {"model": name}
    return {
        "model": name or embedder.info.name,
        "fingerprint": fingerprint(embedder),
        "embedder": plugin_config(embedder),
    }


def planned_layout(options: StoreOptions, dim: int | None) -> Layout:
    """Return what a new collection will offer."""
    return Layout(
        names=options.fields,
        metric=MetricType(options.metric or MetricType.COSINE),
        dim=dim,
        bm25=options.bm25 is not None,
        sparse=options.sparse,
        extras=True,
        partition_key=options.partition_key,
        answers=options.fields.dense,
    )


def read_layout(collection: DocumentCollection, options: StoreOptions) -> Layout:
    """Return what ``collection`` offers, after checking that ``options`` fit it.

    Raises:
        SchemaError: A field is missing or has another type, or metric, BM25 settings or partition
            key differ from ``options``; names both values.
        FormatVersionError: The layout was written by a newer version of elanus.
        ModelMismatchError: The vectors were made by another model.
    """
    record = collection.properties.get(PROPERTY)
    recorded: Mapping[str, Any] = record if isinstance(record, Mapping) else {}
    version = recorded.get("layout", LAYOUT_VERSION)
    if version > LAYOUT_VERSION:
        raise FormatVersionError(
            f"collection {collection.name!r} has document layout {version}, this elanus reads up "
            f"to {LAYOUT_VERSION}: install a newer one"
        )
    layout = _layout_of(collection, options.fields, recorded.get("partition_key"))
    where = f"collection {collection.name!r}"
    _check_model(where, layout, recorded, options)
    if options.sparse_embedder is not None and recorded.get("sparse_fingerprint"):
        require_same_model(recorded["sparse_fingerprint"], options.sparse_embedder, where=where)
    # After the models: another model explains another dim better than the dim itself does.
    _check_fit(collection, layout, options)
    return layout


def _check_model(
    where: str, layout: Layout, recorded: Mapping[str, Any], options: StoreOptions
) -> None:
    """Refuse a model whose vectors are not those that answer."""
    following = recorded.get(NEXT) or {}
    answers = layout.successor is not None and following.get("field") == layout.answers
    answering = following if answers else recorded
    if options.embedder is not None and answering.get("fingerprint"):
        require_same_model(answering["fingerprint"], options.embedder, where=where)
    # Frameworks have names of their own for a model; but that of the old one tells it for certain.
    if answers and options.model and options.model == recorded.get("model") != answering["model"]:
        raise ModelMismatchError(
            f"{where}: {answering['model']!r} answers searches since switch(), but the store was "
            f"opened with {options.model!r}; open it with {answering['model']!r}, or go back by "
            f"collection.embedding_migration().rollback()"
        )


def _layout_of(
    collection: DocumentCollection, names: FieldNames, partition_key: str | None
) -> Layout:
    schema = collection.schema
    required = {
        names.id: DataType.VARCHAR,
        names.text: DataType.VARCHAR,
        names.metadata: DataType.JSON,
    }
    for name, dtype in required.items():
        found = schema.field(name).dtype.name if name in schema else "no such field"
        if found != dtype.name:
            _refuse(collection, f"field {name!r}", dtype.name, found)
    if schema.primary.name != names.id:
        _refuse(collection, "primary key", repr(names.id), repr(schema.primary.name))
    answers = _answering_field(schema, names)
    names = replace(names, dense=written_field(schema, names))
    dense = schema.field(names.dense) if names.dense in schema else None
    successors = [one.by for one in schema.successors if one.field == names.dense]
    return Layout(
        names=names,
        metric=dense.metric_type if dense else MetricType.COSINE,
        dim=dense.dim if dense else None,
        bm25=names.bm25 in schema,
        sparse=names.sparse in schema,
        extras=names.ref_doc_id in schema and names.node in schema,
        partition_key=partition_key,
        answers=answers,
        successor=successors[0] if successors else None,
    )


def written_field(schema: Schema, names: FieldNames) -> str:
    """Return the dense field that documents need: once the vectors of an earlier model are
    dropped, the field that took over."""
    heirs = {one.field: one.by for one in schema.successors}
    name = names.dense
    while name not in schema and name in heirs:
        name = heirs[name]
    return name


def _answering_field(schema: Schema, names: FieldNames) -> str:
    known = names.dense in schema or any(one.field == names.dense for one in schema.successors)
    return schema.answering(names.dense).name if known else names.dense


def _check_fit(collection: DocumentCollection, layout: Layout, options: StoreOptions) -> None:
    if options.metric is not None and layout.dim is not None and options.metric != layout.metric:
        _refuse(collection, "metric", str(options.metric), str(layout.metric))
    if options.dim is not None and options.dim != layout.dim:
        _refuse(collection, "dim", str(options.dim), str(layout.dim))
    if options.sparse and not layout.sparse:
        _refuse(collection, "learned sparse vectors", "a sparse field", "none")
    if options.partition_key is not None and options.partition_key != layout.partition_key:
        _refuse(
            collection, "partition key", repr(options.partition_key), repr(layout.partition_key)
        )
    if options.bm25 is not None:
        if not layout.bm25:
            _refuse(collection, "full-text search", repr(options.bm25), "no BM25 field")
        _check_bm25(collection, layout, options.bm25)


def _check_bm25(collection: DocumentCollection, layout: Layout, wanted: BM25) -> None:
    source = collection.schema.field(layout.names.bm25).bm25
    if source is not None and (source.k1, source.b) != (wanted.k1, wanted.b):
        expected = f"k1={wanted.k1}, b={wanted.b}"
        _refuse(collection, "BM25 parameters", expected, f"k1={source.k1}, b={source.b}")
    analyzer = collection.schema.field(layout.names.text).analyzer
    if _plain(analyzer) != _plain(wanted.analyzer_spec):
        _refuse(collection, "analyzer", repr(wanted.analyzer_spec), repr(analyzer))


def _plain(analyzer: AnalyzerSpec | None) -> object:
    return dict(analyzer) if isinstance(analyzer, Mapping) else analyzer


def _refuse(collection: DocumentCollection, what: str, expected: str, found: str) -> NoReturn:
    raise SchemaError(
        f"collection {collection.name!r}: {what} is {found}, but the store was opened with "
        f"{expected}; open it with the stored setting, or use another collection"
    )
