"""Distances of given vectors, or of stored ones, to each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from elanus import DataType
from elanus_server.codec.columns import packed_floats
from elanus_server.codec.pairs import read_flag, read_pairs
from elanus_server.codec.requests import decode_ids
from elanus_server.failures import invalid
from elanus_server.service.context import Call
from elanus_server.service.partitions import check_partitions
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

MAX_PAIRS = 1 << 22
"""Distances that are computed at once: those of 2048 vectors to as many others."""
Matrix = np.ndarray[Any, np.dtype[Any]]


@rpc("CalcDistance")
def calc_distance(call: Call, request: Any) -> Any:
    """Return the distance of each left vector to each right one, row by row."""
    params = read_pairs(request.params)
    metric = params.get("metric", params.get("metric_type", "L2")).upper()
    left = _vectors(call, request.op_left, "op_left")
    right = _vectors(call, request.op_right, "op_right")
    if left.dtype != right.dtype or left.shape[1] != right.shape[1]:
        raise invalid(
            f"op_left and op_right: expected vectors of one type and dim, got "
            f"{_kind(left)} and {_kind(right)}"
        )
    if len(left) * len(right) > MAX_PAIRS:
        raise invalid(f"calc distance: {len(left)} x {len(right)} vectors, more than {MAX_PAIRS}")
    made = milvus.CalcDistanceResults()
    if left.dtype == np.uint8:
        common, differing = _bits(left, right)
        if metric == "HAMMING":
            made.int_dist.data.extend(differing.ravel().tolist())
        elif metric in ("JACCARD", "TANIMOTO"):
            total = np.maximum(common + differing, 1)
            distances = np.where(common + differing == 0, 0.0, differing / total)
            if metric == "TANIMOTO":
                with np.errstate(divide="ignore"):
                    distances = -np.log2(1.0 - distances)
            made.float_dist.data.extend(distances.astype(np.float32).ravel().tolist())
        else:
            raise invalid(f"metric type {metric} does not match binary vectors")
        return made
    made.float_dist.data.extend(_floats(left, right, metric, params).ravel().tolist())
    return made


def _floats(left: Matrix, right: Matrix, metric: str, params: dict[str, str]) -> Matrix:
    if metric == "IP":
        return left @ right.T
    if metric == "COSINE":
        return _unit(left) @ _unit(right).T
    if metric != "L2":
        raise invalid(f"metric type {metric} does not match float vectors")
    # Row by row: the difference of near vectors is exact, unlike that of large squares.
    rows = [((right - one) ** 2).sum(axis=1) for one in left]
    squares = np.array(rows, dtype=np.float32).reshape(len(left), len(right))
    return np.sqrt(squares) if read_flag("sqrt", params.get("sqrt", "false")) else squares


def _unit(vectors: Matrix) -> Matrix:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _bits(left: Matrix, right: Matrix) -> tuple[Matrix, Matrix]:
    """Return how many bits each pair has in common, and how many differ."""
    ones, others = np.unpackbits(left, axis=1), np.unpackbits(right, axis=1)
    common = ones.astype(np.int32) @ others.T.astype(np.int32)
    counts = ones.sum(axis=1, dtype=np.int32)[:, None] + others.sum(axis=1, dtype=np.int32)
    return common, counts - 2 * common


def _kind(vectors: Matrix) -> str:
    return f"{vectors.dtype} vectors of dim {vectors.shape[1]}"


def _vectors(call: Call, given: Any, where: str) -> Matrix:
    """Return vectors as rows: float32, or uint8 with eight dimensions in each byte."""
    kind = given.WhichOneof("array")
    if kind == "data_array":
        held, dim = given.data_array, given.data_array.dim
        layout = held.WhichOneof("data")
        if layout == "float_vector" and dim > 0:
            flat: Matrix = packed_floats(held.float_vector)
        elif layout == "binary_vector" and dim > 0 and dim % 8 == 0:
            flat, dim = np.frombuffer(held.binary_vector, np.uint8), dim // 8
        else:
            raise invalid(f"{where}: expected float or binary vectors and their dim")
        if len(flat) % dim:
            raise invalid(f"{where}: expected whole vectors of dim {held.dim}")
        return flat.reshape(-1, dim)
    if kind != "id_array":
        raise invalid(f"{where}: expected vectors or ids, got neither")
    return _stored(call, given.id_array, where)


def _stored(call: Call, asked: Any, where: str) -> Matrix:
    hosted = call.hosted(asked)
    check_partitions(hosted, asked.partition_names)
    hosted.check_loaded()
    ids, name = decode_ids(asked.id_array), asked.field_name
    partitions = list(asked.partition_names) or None
    primary = hosted.collection.schema.primary.name
    found = hosted.collection.get(ids, [primary, name], partitions=partitions)
    vectors = {row[primary]: row[name] for row in found}
    missing = [pk for pk in ids if vectors.get(pk) is None]
    if missing:
        raise invalid(f"{where}: no vector {name} of the entity {missing[0]!r}")
    rows = [vectors[pk] for pk in ids]
    is_binary = hosted.collection.schema.field(name).dtype is DataType.BINARY_VECTOR
    if is_binary:
        rows = [list(row) for row in rows]
    return np.array(rows, np.uint8 if is_binary else np.float32).reshape(len(rows), -1)
