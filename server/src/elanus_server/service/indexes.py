"""Indexes: what a client asks for by Milvus' names, and what elanus makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from elanus import BM25, DataType, Field, MetricType
from elanus_server.clock import now
from elanus_server.codec.columns import DYNAMIC_FIELD
from elanus_server.codec.pairs import (
    loose_value,
    read_integer,
    read_number,
    read_object,
    read_pairs,
    write_pairs,
)
from elanus_server.failures import (
    COLLECTION_LOADED,
    INDEX_NOT_FOUND,
    MilvusError,
    invalid,
    mismatch,
)
from elanus_server.service.context import Call, Hosted
from elanus_server.service.index_params import (
    AUTO,
    cannot_build,
    check_cast,
    check_dense,
    check_scalar,
    check_sparse,
)
from elanus_server.service.names import checked_index
from elanus_server.service.records import CollectionRecord, IndexRecord
from elanus_server.service.registry import rpc
from elanus_server.wire import common, milvus

_GRAPHS = (
    "HNSW",
    "HNSW_SQ",
    "HNSW_PQ",
    "HNSW_PRQ",
    "DISKANN",
    "AISAQ",
    "GPU_CAGRA",
    "SCANN",
    "IVF_RABITQ",
    "GPU_IVF_FLAT",
    "GPU_IVF_PQ",
    "BIN_IVF_FLAT",
)
_SCANS = ("FLAT", "BIN_FLAT", "GPU_BRUTE_FORCE")
_INVERTED_FILES = {"IVF_FLAT": ("nlist",), "IVF_SQ8": ("nlist",), "IVF_PQ": ("nlist", "m", "nbits")}
_MINHASH = "MINHASH_LSH"
_MHJACCARD = str(MetricType.MHJACCARD)
_WIDTH = "mh_element_bit_width"
_DEFAULT_ELEMENT_BITS = 8  # Milvus'
_SPARSE = ("SPARSE_INVERTED_INDEX", "SPARSE_WAND")
_OF_VECTORS = (*_GRAPHS, *_SCANS, *_INVERTED_FILES, _MINHASH)
_SCALARS = ("INVERTED", "BITMAP", "STL_SORT", "TRIE", "NGRAM", "RTREE")
# What elanus' scalar indexes take; the rest is Milvus' own and changes no answer.
_SCALAR_PARAMS = ("json_cast_type", "json_cast_function")
_MAX_GRAM = 32
"""Longest run of characters that elanus indexes; longer ones say nothing more."""
_METRICS = {
    "float": ("L2", "IP", "COSINE"),
    "binary": ("HAMMING", "JACCARD", "MHJACCARD"),
}
_FLAGS = frozenset({"mmap.enabled", "indexoffsetcache.enabled"})
_ALTERABLE = _FLAGS | {"warmup"}
"""What of an index may change later."""
_PATH = re.compile(r"\[[^\]]*\]")
_QUOTED = re.compile(r"""\['([^'"\\]*)'\]""")


def add_index(hosted: Hosted, field_name: str, name: str, params: Mapping[str, str]) -> None:
    """Give a field an index, as ``CreateIndex`` does.

    Raises:
        MilvusError: The field does not exist, has another index, or the index does not fit it.
    """
    flat = _flattened(params)
    checked_index(name)
    schema = hosted.collection.schema
    if field_name not in schema and not (schema.dynamic and "json_path" in flat):
        raise invalid(f"cannot create index on non-exist field: {field_name}")
    target, default_name = _target(hosted, field_name, flat)
    with hosted.host.changes:
        other = hosted.record.index_of(target)
        wanted = name or (default_name if other is None else other.name)
        known = hosted.record.indexes.get(wanted)
        if other is not None and other.name != wanted:
            raise invalid(
                "CreateIndex failed: creating multiple indexes on same field is not supported"
            )
        if known is not None and known.target == target and _same(known.params, flat):
            return
        if known is not None:
            raise invalid("CreateIndex failed: at most one distinct index is allowed per field")
        made = IndexRecord(wanted, field_name, target, now(), flat)
        _build(hosted, schema.field(field_name) if field_name in schema else None, target, flat)
        hosted.change(lambda record: record.with_index(made))


def _flattened(params: Mapping[str, str]) -> dict[str, str]:
    """Return parameters with those inside of ``params`` beside the others."""
    outer = {key: text for key, text in params.items() if key != "params"}
    inner = read_object("params", params.get("params", ""))
    flat = {**{key: _text(value) for key, value in inner.items()}, **outer}
    flat.setdefault("index_type", AUTO)
    if not flat["index_type"]:
        flat["index_type"] = AUTO
    return flat


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _word(value)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return {n: v.upper() for n, v in one.items()} == {n: v.upper() for n, v in other.items()}


def _target(hosted: Hosted, field: str, params: Mapping[str, str]) -> tuple[str, str]:
    """Return what elanus knows the index by, and the name of an index that was given none.

    Raises:
        MilvusError: A path of another field.
    """
    schema = hosted.collection.schema
    is_json = field not in schema or schema.field(field).dtype is DataType.JSON
    path = params.get("json_path", "")
    if not is_json or not path:
        return field, field
    root, bracket, _ = path.partition("[")
    places = _PATH.findall(path)
    is_path = root.isidentifier() and path == root + "".join(places)
    if not is_path or (field in schema and root != field and (bracket or not schema.dynamic)):
        raise invalid(f"cannot parse identifier: {path}, it is no path of field {field}")
    names = "".join(f"/{place[1:-1].strip()}" for place in places).replace("'", "").replace('"', "")
    if field in schema:
        inner = _QUOTED.sub(r'["\1"]', "".join(places)) if root == field else f'["{path}"]'
        return f"{field}{inner}", f"{field}{names if root == field else f'/{path}'}"
    inside = names if root == DYNAMIC_FIELD else f"/{root}{names}"
    return path, f"{DYNAMIC_FIELD}{inside}"


def _build(hosted: Hosted, field: Field | None, target: str, params: Mapping[str, str]) -> None:
    kind = params["index_type"].upper()
    if field is not None and field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        _build_sparse(hosted, field, kind, params)
        return
    if field is not None and field.vector_type.is_vector:
        _build_dense(hosted, field, kind, params)
        return
    if kind != AUTO and kind not in _SCALARS:
        if kind in _OF_VECTORS:
            raise invalid(f"index {kind} only supports vector data type")
        raise invalid(f"invalid index type: {params['index_type']}")
    if field is None:
        check_cast(kind, params, is_json=True)
    else:
        check_scalar(kind, field, params)
    if not _is_built(field, target, params):
        return
    is_json = field is None or field.dtype is DataType.JSON
    # Milvus passes over what belongs to JSON where there is none.
    names = [n for n in _SCALAR_PARAMS if n in params and (is_json or not n.startswith("json_"))]
    chosen = {name: loose_value(params[name]) for name in names}
    if kind == "NGRAM":
        for name in ("min_gram", "max_gram"):
            chosen[name] = min(int(params[name]), _MAX_GRAM)
    hosted.collection.create_index(target, "AUTO" if kind == AUTO else kind, chosen)


def _is_built(field: Field | None, target: str, params: Mapping[str, str]) -> bool:
    """Whether elanus has an index of its own for what a client asked for.

    Sparse vectors always are indexed, and paths of JSON are columns that filters read.
    """
    if field is not None and field.dtype is DataType.SPARSE_FLOAT_VECTOR:
        return False
    is_whole = field is not None and field.dtype is DataType.JSON and target == field.name
    return not is_whole and params.get("json_cast_type", "").upper() != "JSON"


def _build_dense(hosted: Hosted, field: Field, kind: str, params: Mapping[str, str]) -> None:
    metric = params.get("metric_type", "")
    if not metric and kind != AUTO:
        raise invalid("metric type not set for vector index")
    if kind in _SPARSE or kind in _SCALARS:
        raise cannot_build(field.vector_type, kind)
    if kind not in (*_OF_VECTORS, AUTO):
        raise invalid(f"invalid index type: {params['index_type']}")
    check_dense(kind, field, params)
    family = "binary" if field.vector_type is DataType.BINARY_VECTOR else "float"
    if metric and not field.is_vector_list and metric.upper() not in _METRICS[family]:
        told = f"{family} vector index does not support metric type: {metric}"
        raise mismatch(told, "valid index params", "invalid index params")
    chosen: dict[str, Any] = {}
    if kind in _SCANS:
        engine = "FLAT"
    elif kind in _INVERTED_FILES and field.vector_type is DataType.FLOAT_VECTOR:
        engine = kind
        chosen = {n: int(params[n]) for n in _INVERTED_FILES[kind] if n in params}
        if "nbits" in chosen:
            chosen["nbits"] = 4 if chosen["nbits"] <= 4 else 8
    elif kind == _MINHASH:
        engine = kind
        if metric.upper() != _MHJACCARD:
            raise invalid(f"{kind} does not support metric type: {metric}, it takes {_MHJACCARD}")
        if "mh_lsh_band" in params:
            chosen = {"bands": _bands(field, params)}
    else:
        engine = "AUTO"  # a graph, which takes vectors of every type
    wanted = _metric_of(field, metric.upper(), params)
    if metric and wanted != str(field.metric):
        hosted.collection.alter_field(field.name, metric=wanted)
    hosted.collection.create_index(field.name, engine, chosen)


def _metric_of(field: Field, metric: str, params: Mapping[str, str]) -> str:
    """Return the metric by its name in elanus, which says how wide elements of signatures are."""
    if metric != _MHJACCARD:
        return metric
    bits = _element_bits(field, params)
    return metric if bits == MetricType.MHJACCARD.element_bits else f"{metric}_{bits}"


def _element_bits(field: Field, params: Mapping[str, str]) -> int:
    made = None if field.minhash is None else MetricType.MHJACCARD.element_bits
    bits = read_integer(_WIDTH, params.get(_WIDTH, made or _DEFAULT_ELEMENT_BITS))
    if bits not in (8, 16, 32, 64) or (field.dim or 0) % bits:
        raise invalid(
            f"{_WIDTH} must be 8, 16, 32 or 64 and divide the dim {field.dim} of field "
            f"{field.name}, got {bits}"
        )
    if made not in (None, bits):
        raise invalid(f"{_WIDTH} must be {made} for the output of a MinHash function, got {bits}")
    return bits


def _bands(field: Field, params: Mapping[str, str]) -> int:
    bands, most = read_integer("mh_lsh_band", params["mh_lsh_band"]), (field.dim or 0)
    most //= _element_bits(field, params)
    if not 1 <= bands <= most:
        raise invalid(f"mh_lsh_band must be in [1, {most}] for field {field.name}, got {bands}")
    return bands


def shown_metric(field: Field) -> str:
    """Return the metric of a field by Milvus' name."""
    return _MHJACCARD if field.metric_type.element_bits else str(field.metric)


def _build_sparse(hosted: Hosted, field: Field, kind: str, params: Mapping[str, str]) -> None:
    if kind in (*_OF_VECTORS, *_SCALARS):
        raise cannot_build(field.dtype, kind)
    if kind not in (*_SPARSE, AUTO):
        raise invalid(f"invalid index type: {params['index_type']}")
    check_sparse(params)
    metric = params.get("metric_type", "").upper()
    wanted = str(field.metric)
    if metric and metric != wanted:
        raise invalid(
            f"metric type not supported: only {wanted} is the supported metric type for sparse "
            f"index of field {field.name}, got {metric}"
        )
    known = field.bm25
    if known is not None and ("bm25_k1" in params or "bm25_b" in params):
        k1 = read_number("bm25_k1", params.get("bm25_k1", known.k1))
        b = read_number("bm25_b", params.get("bm25_b", known.b))
        source = BM25(known.field, k1=k1, b=b)
        hosted.collection.alter_field(field.name, source=source)


@rpc("CreateIndex")
def create_index(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    add_index(hosted, request.field_name, request.index_name, read_pairs(request.extra_params))


def _chosen(hosted: Hosted, request: Any) -> list[IndexRecord]:
    """Return the indexes that a request names, by index or by field; all where it names none.

    Raises:
        MilvusError: There is none.
    """
    found = [
        index
        for index in hosted.record.indexes.values()
        if (not request.index_name or index.name == request.index_name)
        and (not getattr(request, "field_name", "") or index.field == request.field_name)
    ]
    if not found:
        shown = request.index_name or getattr(request, "field_name", "")
        where = f"[indexName={shown}]" if shown else f"[collection={hosted.collection.name}]"
        raise MilvusError(INDEX_NOT_FOUND, f"index not found{where}")
    return found


class _Progress(NamedTuple):
    """How far an index is.

    Attributes:
        total: Rows of the collection.
        pending: Rows that are scanned until their segments have it. What is small is scanned for
            good: there is nothing to wait for.
        failure: Why it is not built.
    """

    total: int
    pending: int
    failure: str

    @property
    def state(self) -> int:
        """Of the protocol."""
        name = "Finished" if not self.pending else "Failed" if self.failure else "InProgress"
        return int(common.IndexState.Value(name))


def _progress(hosted: Hosted, indexes: Iterable[IndexRecord]) -> list[_Progress]:
    """Return how far each index is."""
    total = hosted.collection.count()
    known = {one.name: one for one in hosted.collection.list_indexes()}
    found = []
    for index in indexes:
        one = known.get(index.target)  # sparse vectors always are indexed, and not listed
        # Deleted rows are indexed as well, until their segment is merged.
        pending = 0 if one is None else min(one.pending_rows, total)
        found.append(_Progress(total, pending, one.failure if one is not None else ""))
    return found


def _describe(hosted: Hosted, index: IndexRecord, progress: _Progress) -> Any:
    params = dict(index.params)
    if index.target in hosted.collection.schema:
        field = hosted.collection.schema.field(index.target)
        if field.vector_type.is_vector:
            params.setdefault("metric_type", shown_metric(field))
    return milvus.IndexDescription(
        index_name=index.name,
        indexID=index.number,
        field_name=index.field,
        params=write_pairs(params),
        state=progress.state,
        indexed_rows=progress.total - progress.pending,
        total_rows=progress.total,
        pending_index_rows=progress.pending,
        index_state_fail_reason=progress.failure,
    )


def _described(hosted: Hosted, request: Any) -> list[Any]:
    chosen = _chosen(hosted, request)
    found = _progress(hosted, chosen)
    return [_describe(hosted, *one) for one in zip(chosen, found, strict=True)]


@rpc("DescribeIndex")
def describe_index(call: Call, request: Any) -> Any:
    described = _described(call.hosted(request), request)
    return milvus.DescribeIndexResponse(index_descriptions=described)


@rpc("GetIndexStatistics")
def get_index_statistics(call: Call, request: Any) -> Any:
    described = _described(call.hosted(request), request)
    return milvus.GetIndexStatisticsResponse(index_descriptions=described)


@rpc("GetIndexState")
def get_index_state(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    (progress,) = _progress(hosted, _chosen(hosted, request)[:1])
    return milvus.GetIndexStateResponse(state=progress.state, fail_reason=progress.failure)


@rpc("GetIndexBuildProgress")
def get_index_build_progress(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    (progress,) = _progress(hosted, _chosen(hosted, request)[:1])
    indexed = progress.total - progress.pending
    return milvus.GetIndexBuildProgressResponse(indexed_rows=indexed, total_rows=progress.total)


@rpc("DropIndex")
def drop_index(call: Call, request: Any) -> None:
    """Drop an index; one that is not there is no error, as with Milvus."""
    hosted = call.hosted(request)
    with call.host.changes:
        try:
            chosen = _chosen(hosted, request)
        except MilvusError:
            return
        for index in chosen:
            schema = hosted.collection.schema
            field = schema.field(index.target) if index.target in schema else None
            is_vector = field is not None and field.vector_type.is_vector
            if is_vector and hosted.record.is_loaded:
                raise invalid("vector index cannot be dropped on loaded collection")
            if hosted.record.schema and _is_built(field, index.target, index.params):
                hosted.collection.drop_index(index.target)
            hosted.change(partial(CollectionRecord.without_index, name=index.name))


@rpc("AlterIndex")
def alter_index(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    (index,) = _chosen(hosted, request)[:1]
    given = read_pairs(request.extra_params)
    if given and request.delete_keys:
        raise invalid("cannot provide both DeleteKeys and ExtraParams")
    for key in (*given, *request.delete_keys):
        if key not in _ALTERABLE:
            raise invalid(f"{key} is not a configable index property")
    for key in _FLAGS.intersection(given):
        if given[key].lower() not in ("true", "false"):
            raise invalid(f"invalid {key} value: {given[key]}, expected: true, false")
    if hosted.record.is_loaded:
        raise MilvusError(
            COLLECTION_LOADED,
            "can't alter index on loaded collection, please release the collection first: "
            f"collection already loaded[collection={hosted.collection.name}]",
        )
    kept = {n: v for n, v in index.params.items() if n not in request.delete_keys}
    changed = replace(index, params={**kept, **given})
    hosted.change(lambda record: record.with_index(changed))
