"""May a field have this index? Types and parameters of Milvus, in its words where it may not.

Parameters that it does not know change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from elanus import DataType, Field
from elanus_server.failures import MISSING_PARAMETER, MilvusError, invalid, mismatch

AUTO = "AUTOINDEX"
_INT_MAX = 2**31 - 1
_QUANTIZED = ("HNSW_PQ", "HNSW_PRQ", "IVF_PQ")
_RANGES: tuple[tuple[tuple[str, ...], Mapping[str, tuple[int, int]]], ...] = (
    (("HNSW",), {"M": (2, 2048), "efConstruction": (1, _INT_MAX)}),
    (("IVF", "BIN_IVF", "SCANN"), {"nlist": (1, 65_536)}),
    (_QUANTIZED, {"m": (1, 65_536), "nbits": (1, 24)}),
    (("HNSW_PRQ",), {"nrq": (1, 16)}),
)
"""Build parameters of types whose names begin so, and their least and largest values."""
_REFINING = ("HNSW_SQ", "HNSW_PQ", "HNSW_PRQ", "IVF_RABITQ")
_CODES = ("sq4u", "sq6", "sq8", "fp16", "bf16")
_REFINED_BY = ("sq6", "sq8", "fp16", "bf16", "fp32", "flat")
_BINARY = ("BIN_FLAT", "BIN_IVF_FLAT", "MINHASH_LSH")
_OF_BINARY = (*_BINARY, "HNSW")
_NOT_OF_BYTES = ("DISKANN", "AISAQ", "IVF_RABITQ")
_ALGORITHMS = (
    "TAAT_NAIVE",
    "DAAT_WAND",
    "DAAT_MAXSCORE",
    "DAAT_BLOCKMAX_WAND",
    "DAAT_BLOCKMAX_MAXSCORE",
    "BLOCK_MAX_WAND",
    "BLOCK_MAX_MAXSCORE",
    "SINDI",
)
_CASTS = ("BOOL", "DOUBLE", "VARCHAR", "ARRAY_BOOL", "ARRAY_DOUBLE", "ARRAY_VARCHAR", "JSON")
_INTEGERS = (DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64)
_NUMBERS = (*_INTEGERS, DataType.FLOAT, DataType.DOUBLE)
_LISTED = (DataType.BOOL, DataType.VARCHAR, *_INTEGERS)
_PROTOCOL_NAMES = {
    DataType.BOOL: "Bool",
    DataType.ARRAY: "Array",
    DataType.GEOMETRY: "Geometry",
    DataType.JSON: "JSON",
    DataType.FLOAT_VECTOR: "FloatVector",
    DataType.BINARY_VECTOR: "BinaryVector",
    DataType.FLOAT16_VECTOR: "Float16Vector",
    DataType.BFLOAT16_VECTOR: "BFloat16Vector",
    DataType.INT8_VECTOR: "Int8Vector",
    DataType.SPARSE_FLOAT_VECTOR: "SparseFloatVector",
}


def _wrong(reason: str) -> MilvusError:
    return mismatch(reason, "valid index params", "invalid index params")


def check_dense(kind: str, field: Field, params: Mapping[str, str]) -> None:
    """Refuse an index of dense vectors that Milvus refuses.

    Args:
        kind: Its type, one of dense vectors.
        field: What it is of.
        params: All parameters by name, as texts.

    Raises:
        MilvusError: The vectors are of another type, or a parameter is out of its range.
    """
    dtype = field.vector_type
    is_binary = dtype is DataType.BINARY_VECTOR
    fits = kind in _OF_BINARY if is_binary else kind not in _BINARY
    if kind != AUTO and (not fits or (dtype is DataType.INT8_VECTOR and kind in _NOT_OF_BYTES)):
        raise cannot_build(dtype, kind)
    for families, ranges in _RANGES:
        if kind.startswith(families):
            for name, (least, most) in ranges.items():
                _check_integer(name, params.get(name), least, most)
    parts = params.get("m")
    if kind.startswith(_QUANTIZED) and parts is not None and (field.dim or 0) % int(parts):
        raise _wrong(
            "The dimension of the vector (dim) should be a multiple of the number of subquantizers "
            "(m)."
        )
    if kind == "HNSW_SQ" and params.get("sq_type", "sq8").lower() not in _CODES:
        raise _wrong("invalid scalar quantizer type")
    if kind in _REFINING:
        _check_refining(kind, params)


def cannot_build(dtype: DataType, kind: str) -> MilvusError:
    """Return the error of an index that takes vectors of other types."""
    return _wrong(f"data type {_PROTOCOL_NAMES[dtype]} can't build with this index {kind}")


def check_sparse(params: Mapping[str, str]) -> None:
    """Refuse parameters of an index of sparse vectors that Milvus refuses.

    Raises:
        MilvusError: A share that is none, or an unknown algorithm.
    """
    share = params.get("drop_ratio_build", "0")
    try:
        is_share = 0 <= float(share) < 1
    except ValueError:
        raise _wrong(f"invalid float value, key: 'drop_ratio_build', value: '{share}'") from None
    if not is_share:
        raise _wrong(
            f"Out of range in json: param 'drop_ratio_build' ({float(share)}) should be in range "
            f"[0.000000, 1.000000)"
        )
    algorithm = params.get("inverted_index_algo", _ALGORITHMS[0])
    if algorithm not in _ALGORITHMS:
        raise _wrong(
            f"sparse inverted index algo {algorithm} not found or not supported, supported: "
            f"[{' '.join(_ALGORITHMS)}]"
        )


def _check_integer(name: str, text: str | None, least: int, most: int) -> None:
    if text is None:
        return
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        is_number = re.fullmatch(r"[+-]?\d*\.\d*(e[+-]?\d+)?", text)
        fault = "wrong data type in json" if is_number else "invalid integer value"
        raise _wrong(f"{fault}, key: '{name}', value: '{text}': invalid parameter")
    if not least <= int(text) <= most:
        raise _wrong(
            f"Out of range in json: param '{name}' ({text}) should be in range [{least}, {most}]"
        )


def _check_refining(kind: str, params: Mapping[str, str]) -> None:
    refine, by = params.get("refine", "true"), params.get("refine_type", "flat")
    if refine.lower() not in ("true", "false"):
        raise _wrong(f"Type conflict in json: param 'refine' (\"{refine}\") should be a boolean")
    known = ("sq4u", *_REFINED_BY) if kind == "HNSW_SQ" else _REFINED_BY
    if by.lower() not in known:
        raise _wrong(f"invalid refine type : {by}, optional types are [{', '.join(known)}]")


def check_scalar(kind: str, field: Field, params: Mapping[str, str]) -> None:
    """Refuse an index of scalars that Milvus refuses.

    Args:
        kind: Its type, one of scalars.
        field: What it is of.
        params: All parameters by name, as texts.

    Raises:
        MilvusError: The field is of another type, or parameters are missing or wrong.
    """
    dtype, element = field.dtype, field.element_type
    shown = _PROTOCOL_NAMES.get(dtype, dtype.name)
    if kind == "BITMAP":
        if field.primary:
            raise invalid("create bitmap index on primary key not supported")
        if dtype not in (*_LISTED, DataType.ARRAY, DataType.JSON):
            raise _wrong("bitmap index are only supported on bool, int, string and array field")
        if dtype is DataType.ARRAY and element not in _LISTED:
            raise _wrong("bitmap index are only supported on bool, int, string for array field")
    elif kind == "STL_SORT" and dtype not in (*_NUMBERS, DataType.VARCHAR, DataType.TIMESTAMPTZ):
        if dtype is not DataType.JSON:
            raise _wrong(
                f"STL_SORT are only supported on numeric, varchar or timestamptz field, got {shown}"
            )
    elif kind == "TRIE" and dtype is not DataType.VARCHAR:
        raise _wrong("TRIE are only supported on varchar field")
    elif kind == "NGRAM" and dtype not in (DataType.VARCHAR, DataType.JSON):
        raise _wrong("ngram index can only be created on VARCHAR or JSON field")
    elif kind == "RTREE" and dtype is not DataType.GEOMETRY:
        raise _wrong("RTREE index can only be built on geometry field")
    elif kind == "INVERTED" and dtype is DataType.GEOMETRY:
        raise _wrong(f"INVERTED are not supported on {shown} field")
    check_cast(kind, params, is_json=dtype is DataType.JSON)


def check_cast(kind: str, params: Mapping[str, str], *, is_json: bool) -> None:
    """Refuse what a path of JSON cannot be read as, and wrong lengths of an NGRAM index.

    Raises:
        MilvusError: Such as ``check_scalar`` raises.
    """
    cast = params.get("json_cast_type", "").strip().upper()
    if is_json and kind == "NGRAM":
        if not cast:
            raise _missing("JSON field with ngram index must specify json_cast_type")
        if cast != "VARCHAR":
            raise _wrong(
                f"JSON field with ngram index only supports VARCHAR cast type, got: {cast}"
            )
    elif is_json:
        if not cast:
            raise _missing("json index must specify cast type")
        if cast not in _CASTS:
            raise _wrong(f"json_cast_type {cast} is not supported")
        _check_function(params.get("json_cast_function", ""), cast)
    if kind == "NGRAM":
        _check_grams(params)


def _missing(reason: str) -> MilvusError:
    return MilvusError(MISSING_PARAMETER, f"{reason}: missing parameter")


def _check_function(name: str, cast: str) -> None:
    if name and name.upper() != "STRING_TO_DOUBLE":
        raise _wrong(f"json_cast_function {name} is not supported")
    if name and cast != "DOUBLE":
        raise _wrong(f"json_cast_function {name} is not supported for json_cast_type {cast}")


def _check_grams(params: Mapping[str, str]) -> None:
    if "min_gram" not in params or "max_gram" not in params:
        raise _missing("Ngram index must specify both min_gram and max_gram")
    for name in ("min_gram", "max_gram"):
        if not re.fullmatch(r"[+-]?\d{1,18}", params[name]):
            raise _wrong(f"{name} for Ngram index must be an integer, got: {params[name]}")
    least, most = int(params["min_gram"]), int(params["max_gram"])
    if not 0 < least <= most:
        raise _wrong(
            f"invalid min_gram or max_gram value for Ngram index, min_gram: {least}, max_gram: "
            f"{most}"
        )
