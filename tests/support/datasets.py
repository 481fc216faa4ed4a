"""The data sets that some tests measure on, where the machine has them.

They lie outside the repository: in the folder that `ELANUS_TEST_DATA` names, or else in
`shared/data` beside the clone. A test that needs one is skipped, with the reason, where it is
missing.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

_BESIDE_THE_CLONE = Path(__file__).resolve().parents[3] / "shared" / "data"


def data_folder() -> Path:
    """Return where the data sets are expected."""
    return Path(os.environ.get("ELANUS_TEST_DATA") or _BESIDE_THE_CLONE)


def require(*parts: str) -> Path:
    """Return the folder of one data set; skip the calling test when it is not there."""
    folder = data_folder().joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"no data set {'/'.join(parts)} (ELANUS_TEST_DATA names the folder of them)")
    return folder


@dataclass(frozen=True, slots=True)
class Passages:
    """A corpus with embeddings, held-out queries and exact nearest neighbours.

    ``columns`` holds one list or array per column: id, source, path, heading, text, length, rnd,
    bucket. Row ``i`` has id ``i`` and embedding ``i``; rows are in random order, so a prefix is a
    fair smaller corpus.
    """

    columns: dict[str, list[Any]]
    embeddings: npt.NDArray[np.float32]
    queries: dict[str, list[Any]]
    query_embeddings: npt.NDArray[np.float32]
    exact_ids: npt.NDArray[np.int64]
    exact_scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of passages."""
        return len(self.embeddings)


@cache
def passages(limit: int | None = None) -> Passages:
    """Return the passages, or the first ``limit`` of them.

    ``exact_ids`` and ``exact_scores`` (cosine, best first, shape ``(nq, 100)``) are those of the
    whole corpus; for a prefix they do not hold.
    """
    folder = require("passages")
    table = pq.read_table(folder / "passages.parquet")
    rows = table if limit is None else table.slice(0, limit)
    embeddings = np.load(folder / "embeddings_f16.npy", mmap_mode="r")
    return Passages(
        columns=rows.to_pydict(),
        embeddings=np.ascontiguousarray(embeddings[: len(rows)], dtype=np.float32),
        queries=pq.read_table(folder / "queries.parquet").to_pydict(),
        query_embeddings=np.load(folder / "query_embeddings_f16.npy").astype(np.float32),
        exact_ids=np.load(folder / "gt_top100.npy").astype(np.int64),
        exact_scores=np.load(folder / "gt_top100_score.npy").astype(np.float32),
    )


@dataclass(frozen=True, slots=True)
class IrCollection:
    """Documents and queries by id, and for each query the grade of every judged document."""

    documents: dict[str, str]
    queries: dict[str, str]
    judgements: dict[str, dict[str, int]]


@cache
def ir(name: str) -> IrCollection:
    """Return the judged collection ``name``: "cranfield" or "npl". A title opens its text."""
    folder = require("ir", name)
    documents = {
        row["_id"]: f"{row.get('title', '')} {row['text']}".strip()
        for row in _json_lines(folder / "corpus.jsonl")
    }
    queries = {row["_id"]: row["text"] for row in _json_lines(folder / "queries.jsonl")}
    judgements: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judgements.setdefault(query, {})[document] = int(grade)
    return IrCollection(documents, queries, judgements)


def _json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
