"""Which vectors are the indexes built over, and what are the exact neighbours?

Each data set is a folder of the cache: ``vectors.npy`` and ``queries.npy`` (float32, C-contiguous;
of unit length for cosine), ``acceptable.npy`` and ``about.json``. Row ``q`` of ``acceptable`` has
the ids that belong among the nearest ``LIMIT`` of query ``q``; more than ``LIMIT`` where scores tie
at the last place; -1 pads. They are computed once and kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.datasets import load_passages
from benchmarks.graph.libraries.base import LIMIT, Float32Array
from benchmarks.macro.environments import cache_folder

SEED = 20261127
QUERIES = 1_000
MOST_TIES = 2 * LIMIT
TIE = 1e-6
"""Relative difference below which two scores count as equal: single precision."""
BLOCK_ROWS = 50_000

Float64Array = npt.NDArray[np.float64]
Blocks = Iterator[Float64Array]
"""Vectors in double precision, some thousand rows at a time."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a data set is made of.

    Attributes:
        metric: ``l2``, ``ip`` or ``cosine``.
        rows: How many, when nothing else is asked.
        about: One line for the report.
        make: (rows, queries) → the blocks of the vectors and the queries; None: the passages.
    """

    metric: str
    rows: int
    about: str
    make: Callable[[int, int], tuple[Blocks, Float64Array]] | None = None


def clustered(
    dim: int, centres: int, power: float = 0.0
) -> Callable[[int, int], tuple[Blocks, Float64Array]]:
    """Return a Gaussian mixture whose centres differ in spread and in size.

    Args:
        dim: Dimensions.
        centres: Means, of a normal distribution.
        power: The standard deviation of component ``i`` falls as ``(i + 1) ** -power``; the
            components are rotated at random, so that no dimension stands out.
    """

    def make(rows: int, queries: int) -> tuple[Blocks, Float64Array]:
        rng = np.random.default_rng(SEED)
        deviations = np.arange(1, dim + 1) ** -power
        turn = _rotation(rng, dim) if power else np.eye(dim)
        means = rng.standard_normal((centres, dim)) * deviations
        spreads = 10 ** rng.uniform(-1.0, 0.0, centres)
        weights = rng.lognormal(0.0, 0.75, centres)
        weights /= weights.sum()

        def draw(number: int) -> Float64Array:
            of = rng.choice(centres, number, p=weights)
            noise = rng.standard_normal((number, dim)) * deviations
            drawn: Float64Array = (means[of] + spreads[of, None] * noise) @ turn
            return drawn

        asked = draw(queries)
        return (draw(number) for number in _block_sizes(rows)), asked

    return make


def decaying(dim: int, power: float) -> Callable[[int, int], tuple[Blocks, Float64Array]]:
    """Return a Gaussian with a decaying spectrum, rotated, as embeddings of whole texts have it."""

    def make(rows: int, queries: int) -> tuple[Blocks, Float64Array]:
        rng = np.random.default_rng(SEED)
        shape = (np.arange(1, dim + 1) ** -power)[:, None] * _rotation(rng, dim)

        def draw(number: int) -> Float64Array:
            drawn: Float64Array = rng.standard_normal((number, dim)) @ shape
            return drawn

        asked = draw(queries)
        return (draw(number) for number in _block_sizes(rows)), asked

    return make


def factors(dim: int) -> Callable[[int, int], tuple[Blocks, Float64Array]]:
    """Return vectors like those of a matrix factorisation: lengths are log-normal.

    Items and queries share a mean direction (what everybody likes), and their spectrum decays.
    """

    def make(rows: int, queries: int) -> tuple[Blocks, Float64Array]:
        rng = np.random.default_rng(SEED)
        shape = (np.arange(1, dim + 1) ** -0.35)[:, None] * _rotation(rng, dim)
        common = shape[0] * 1.5

        def draw(number: int) -> Float64Array:
            drawn = rng.standard_normal((number, dim)) @ shape + common
            lengths = rng.lognormal(0.0, 0.5, (number, 1))
            scaled: Float64Array = drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * lengths
            return scaled

        asked = draw(queries)
        return (draw(number) for number in _block_sizes(rows)), asked

    return make


DATA_SETS = {
    "passages64k": DataSet("cosine", 64_000, "MiniLM embeddings of passages, 384-d, cosine"),
    "passages": DataSet("cosine", 100_000, "MiniLM embeddings of passages, 384-d, cosine"),
    "clustered128": DataSet(
        "l2", 100_000, "1,000 Gaussian clusters, 128-d, L2", clustered(128, 1_000)
    ),
    "decaying960": DataSet("l2", 50_000, "decaying spectrum, 960-d, L2", decaying(960, 0.5)),
    "decaying1536": DataSet(
        "cosine", 50_000, "decaying spectrum, 1536-d, cosine", decaying(1536, 0.5)
    ),
    "factors100": DataSet("ip", 100_000, "log-normal lengths, 100-d, inner product", factors(100)),
    "million128": DataSet(
        "l2", 1_000_000, "10,000 Gaussian clusters, 128-d, L2", clustered(128, 10_000)
    ),
    "million384": DataSet(
        "cosine",
        1_000_000,
        "10,000 Gaussian clusters with decaying spectrum, 384-d, cosine",
        clustered(384, 10_000, power=0.3),
    ),
}


def prepare(name: str, rows: int | None) -> Path:
    """Return the folder of a data set, making it first if need be.

    Args:
        name: Of ``DATA_SETS``.
        rows: How many vectors; None: as many as the data set has by itself.
    """
    chosen = DATA_SETS[name]
    number = chosen.rows if rows is None else min(rows, chosen.rows)
    folder = cache_folder() / "graph-data" / f"{name}-{number}-{SEED}"
    if (folder / "about.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    blocks, asked = _passages(number) if chosen.make is None else chosen.make(number, QUERIES)
    queries = _stored(asked, chosen.metric)
    vectors = _write_vectors(folder / "vectors.npy", blocks, number, chosen.metric)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "acceptable.npy", acceptable_ids(vectors, queries, chosen.metric))
    about = {"metric": chosen.metric, "rows": number, "dim": queries.shape[1], "name": name}
    (folder / "about.json").write_text(json.dumps(about), "utf-8")
    return folder


def acceptable_ids(
    vectors: Float32Array, queries: Float32Array, metric: str
) -> npt.NDArray[np.int32]:
    """Return the ids that belong among the nearest, int32 ``(nq, MOST_TIES)``, padded with -1.

    Candidates come from single precision, their order from double precision.
    """
    nq, depth = len(queries), 5 * LIMIT
    best_ids = np.full((nq, 0), -1, dtype=np.int64)
    best = np.empty((nq, 0))
    for first in range(0, len(vectors), BLOCK_ROWS):
        block = np.ascontiguousarray(vectors[first : first + BLOCK_ROWS])
        near = queries @ block.T
        if metric == "l2":
            near -= 0.5 * (block**2).sum(axis=1)
        kept = min(depth, near.shape[1])
        places = np.argpartition(near, near.shape[1] - kept, axis=1)[:, -kept:]
        ids = np.concatenate([best_ids, places + first], axis=1)
        scores = np.concatenate([best, np.take_along_axis(near, places, axis=1)], axis=1)
        order = np.argsort(-scores, axis=1)[:, :depth]
        best_ids = np.take_along_axis(ids, order, axis=1)
        best = np.take_along_axis(scores, order, axis=1)
    found = np.full((nq, MOST_TIES), -1, dtype=np.int32)
    for q, (query, ids) in enumerate(zip(queries.astype(np.float64), best_ids, strict=True)):
        right = _right_ids(vectors[np.sort(ids)].astype(np.float64), query, np.sort(ids), metric)
        found[q, : min(len(right), MOST_TIES)] = right[:MOST_TIES]
    return found


def _right_ids(
    rows: Float64Array, query: Float64Array, ids: npt.NDArray[np.int64], metric: str
) -> npt.NDArray[np.int64]:
    distances = ((rows - query) ** 2).sum(axis=1) if metric == "l2" else -(rows @ query)
    order = np.argsort(distances, kind="stable")
    last = distances[order[min(LIMIT, len(order)) - 1]]
    right: npt.NDArray[np.int64] = ids[order[distances[order] <= last + TIE * abs(last)]]
    return right


def _passages(rows: int) -> tuple[Blocks, Float64Array]:
    loaded = load_passages(rows, QUERIES)
    return iter([loaded.vectors.astype(np.float64)]), loaded.query_vectors.astype(np.float64)


def _write_vectors(file: Path, blocks: Blocks, rows: int, metric: str) -> Float32Array:
    first = 0
    out: Float32Array | None = None
    for block in blocks:
        stored = _stored(block, metric)
        if out is None:
            shape = (rows, stored.shape[1])
            out = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        out[first : first + len(stored)] = stored
        first += len(stored)
    if out is None or first != rows:
        raise ValueError(f"{first} rows were made instead of {rows}")
    return out


def _stored(values: Float64Array, metric: str) -> Float32Array:
    if metric == "cosine":
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    return np.ascontiguousarray(values, dtype=np.float32)


def _block_sizes(rows: int) -> list[int]:
    return [min(BLOCK_ROWS, rows - first) for first in range(0, rows, BLOCK_ROWS)]


def _rotation(rng: np.random.Generator, dim: int) -> Float64Array:
    turned: Float64Array = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return turned
