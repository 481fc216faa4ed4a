"""How does a worker read the data set, without the libraries of this workspace?

A bundle is a folder: ``rows.jsonl`` and ``queries.jsonl``, one JSON array per line, and
``vectors.npy`` and ``query_vectors.npy``. Rows are read in batches, from plain reads rather than
a memory map, so that the data set does not count as a worker's memory. This file needs NumPy only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.macro.adapters.base import Rows


def write_bundle(
    folder: Path,
    columns: Sequence[Sequence[Any]],
    vectors: npt.NDArray[np.float32],
    queries: Sequence[str],
    query_vectors: npt.NDArray[np.float32],
) -> None:
    """Write a bundle; ``columns`` are texts, sources and buckets."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "rows.jsonl", zip(*columns, strict=True))
    _write_lines(folder / "queries.jsonl", queries)
    np.save(folder / "vectors.npy", np.ascontiguousarray(vectors, dtype=np.float32))
    np.save(folder / "query_vectors.npy", np.ascontiguousarray(query_vectors, dtype=np.float32))


def read_batches(folder: Path, batch_rows: int) -> Iterator[Rows]:
    """Yield all rows, ``batch_rows`` at a time; row ``i`` has id ``i``."""
    first = 0
    with (
        (folder / "rows.jsonl").open(encoding="utf-8") as lines,
        (folder / "vectors.npy").open("rb") as file,
    ):
        np.lib.format.read_magic(file)
        (_, dim), _, _ = np.lib.format.read_array_header_1_0(file)
        while batch := [json.loads(line) for line in islice(lines, batch_rows)]:
            texts, sources, buckets = (list(column) for column in zip(*batch, strict=True))
            flat = np.frombuffer(file.read(len(batch) * dim * 4), dtype=np.float32)
            ids = list(range(first, first + len(batch)))
            yield Rows(ids, texts, sources, buckets, flat.reshape(len(batch), dim))
            first += len(batch)


def read_queries(folder: Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return the texts and vectors of the queries."""
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line) for line in lines]
    vectors: npt.NDArray[np.float32] = np.load(folder / "query_vectors.npy")
    return texts, vectors


def _write_lines(file: Path, values: Any) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(value) + "\n" for value in values)
