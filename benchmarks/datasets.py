"""Which data do the benchmarks run on, and where does it lie?

The data sets lie outside the repository: in the folder that ``ELANUS_TEST_DATA`` names, or else in
``shared/data`` beside the clone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from elanus.types import Float32Array, Int64Array

_BESIDE_THE_CLONE = Path(__file__).resolve().parents[2] / "shared" / "data"

FINE_BUCKETS = 10_000


class DatasetMissingError(Exception):
    """A data set is not where it is expected."""


def dataset_folder(*parts: str) -> Path:
    """Return the folder of one data set.

    Raises:
        DatasetMissingError: It is not there; names the variable that says where it is.
    """
    folder = Path(os.environ.get("ELANUS_TEST_DATA") or _BESIDE_THE_CLONE).joinpath(*parts)
    if not folder.is_dir():
        raise DatasetMissingError(
            f"no data set {'/'.join(parts)} at {folder}; set ELANUS_TEST_DATA to the folder that "
            f"holds {parts[0]!r}"
        )
    return folder


@dataclass(frozen=True, slots=True)
class Passages:
    """Texts with embeddings, and held-out queries with theirs.

    Row ``i`` has id ``i``. ``buckets`` are uniform in 0..999 and ``fine_buckets``, independent of
    them, in 0..9999. ``vectors`` is float32 ``(n, dim)`` and ``query_vectors`` float32
    ``(nq, dim)``, both of unit length.
    """

    texts: list[str]
    sources: list[str]
    buckets: Int64Array
    fine_buckets: Int64Array
    vectors: Float32Array
    queries: list[str]
    query_vectors: Float32Array

    @property
    def num_rows(self) -> int:
        return len(self.texts)


def load_passages(rows: int, queries: int) -> Passages:
    """Return the first ``rows`` passages and ``queries`` queries, spread over all kinds.

    The rows lie in random order, so a prefix is a fair smaller corpus.
    """
    folder = dataset_folder("passages")
    table = pq.read_table(folder / "passages.parquet", columns=["text", "source", "bucket", "rnd"])
    table = table.slice(0, rows)
    asked = pq.read_table(folder / "queries.parquet", columns=["query"])["query"].to_pylist()
    query_vectors = _unit(np.load(folder / "query_embeddings_f16.npy"))
    chosen = np.linspace(0, len(asked) - 1, min(queries, len(asked))).astype(np.int64)
    vectors = np.load(folder / "embeddings_f16.npy", mmap_mode="r")[: len(table)]
    return Passages(
        texts=table["text"].to_pylist(),
        sources=table["source"].to_pylist(),
        buckets=table["bucket"].to_numpy().astype(np.int64),
        fine_buckets=np.floor(table["rnd"].to_numpy() * FINE_BUCKETS).astype(np.int64),
        vectors=_unit(vectors),
        queries=[asked[i] for i in chosen],
        query_vectors=query_vectors[chosen],
    )


def load_texts(rows: int) -> tuple[list[str], list[str]]:
    """Return the first ``rows`` passages and all queries, without their vectors."""
    folder = dataset_folder("passages")
    texts = pq.read_table(folder / "passages.parquet", columns=["text"]).slice(0, rows)["text"]
    queries = pq.read_table(folder / "queries.parquet", columns=["query"])["query"]
    return texts.to_pylist(), queries.to_pylist()


def _unit(vectors: np.ndarray[Any, Any]) -> Float32Array:
    wide = np.ascontiguousarray(vectors, dtype=np.float32)
    scaled: Float32Array = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled


@dataclass(frozen=True, slots=True)
class Judged:
    """Documents, queries, and for each query the grade of every judged document.

    ``documents`` maps an id to its title (may be empty) and its text.
    """

    documents: dict[str, tuple[str, str]]
    queries: dict[str, str]
    judgements: dict[str, dict[str, int]]


def load_judged(name: str) -> Judged:
    """Return the judged collection ``name``: ``cranfield`` or ``npl``."""
    folder = dataset_folder("ir", name)
    documents = {
        row["_id"]: (row.get("title") or "", row["text"])
        for row in _json_lines(folder / "corpus.jsonl")
    }
    queries = {row["_id"]: row["text"] for row in _json_lines(folder / "queries.jsonl")}
    judgements: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judgements.setdefault(query, {})[document] = int(grade)
    return Judged(documents, queries, judgements)


def _json_lines(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
