"""What is measured: systems, cases, queries and their right answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.datasets import Passages, load_passages
from benchmarks.macro.adapters.base import LEG_LIMIT, LIMIT
from benchmarks.macro.bundle import write_bundle
from benchmarks.macro.environments import EnvironmentMissingError, interpreter_for
from benchmarks.macro.exact import (
    Answer,
    ExhaustiveBM25,
    best,
    dense_scores,
    fused_scores,
    only_allowed,
)
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

SYSTEMS = ("elanus", "milvus_lite", "lancedb", "chroma", "qdrant", "sqlite_vec")
"""Adapters, in the order in which they take turns."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run.

    Attributes:
        rows: Passages to load.
        queries: Queries to ask.
        rounds: Parts the queries are asked in; the systems take turns after each part.
        starts: Fresh processes for import and reopen times.
        budget_s: Seconds for all queries of one system and one case.
        systems: Names of adapters.
        work: Folder for the data set and the databases.
    """

    rows: int
    queries: int
    rounds: int
    starts: int
    budget_s: float
    systems: tuple[str, ...]
    work: Path

    @property
    def bundle(self) -> Path:
        """The data set as the workers read it."""
        return self.work / "bundle"

    @property
    def core(self) -> int:
        """The processor that searches keep to; this process and its timers use the others."""
        return max(os.sched_getaffinity(0))

    def database(self, system: str) -> Path:
        """Return the folder of a system's database."""
        return self.work / system

    def log(self, system: str) -> Path:
        """Return where a system's own messages go."""
        return self.work / f"{system}.log"

    def parts(self) -> list[list[int]]:
        """Return the queries of each round."""
        parts = np.array_split(np.arange(self.queries), self.rounds)
        return [part.tolist() for part in parts if len(part)]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of search: ``kind`` of ``dense``, ``bm25``, ``hybrid``.

    Attributes:
        name: For the report.
        kind: Method of the adapter.
        below: Only rows with ``bucket`` below this, of 10,000; None: all rows.
        source: Only rows of this source; None: all rows.
        with_text: Whether texts are returned.
    """

    name: str
    kind: str
    below: int | None = None
    source: str | None = None
    with_text: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what the worker needs of it."""
        return asdict(self)


CASES = (
    Case("dense", "dense"),
    Case("dense, texts returned", "dense", with_text=True),
    Case("dense, filter 50 %", "dense", below=5_000),
    Case("dense, filter 10 %", "dense", below=1_000),
    Case("dense, filter 1 %", "dense", below=100),
    Case("dense, filter 0.1 %", "dense", below=10),
    Case("dense, filter 0.01 %", "dense", below=1),
    Case("dense, source of 5 %", "dense", source="python/peps"),
    Case("dense, source of 0.6 %", "dense", source="rust-lang/book"),
    Case("dense, source of 0.03 %", "dense", source="haproxy-doc"),
    Case("BM25", "bm25"),
    Case("hybrid", "hybrid"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """Right answers by case, one per query."""

    answers: dict[str, list[Answer]]


@dataclass(frozen=True, slots=True)
class System:
    """A system that can be measured: its interpreter, and what its worker says of it."""

    name: str
    interpreter: str
    description: dict[str, Any]


def prepare_task(plan: Plan) -> Task:
    """Write the data set for the workers and compute the right answers."""
    passages = load_passages(plan.rows, plan.queries)
    columns: tuple[Sequence[Any], ...] = (
        passages.texts,
        passages.sources,
        passages.fine_buckets.tolist(),
    )
    write_bundle(plan.bundle, columns, passages.vectors, passages.queries, passages.query_vectors)
    bm25 = ExhaustiveBM25(passages.texts)
    allowed = {case.name: _allowed(passages, case) for case in CASES}
    answers: dict[str, list[Answer]] = {case.name: [] for case in CASES}
    for text, vector in zip(passages.queries, passages.query_vectors, strict=True):
        cosines = dense_scores(passages.vectors, vector[None, :])[0]
        everything = only_allowed(cosines, np.ones(plan.rows, dtype=bool))
        lexical = bm25.scores(text)
        for case in CASES:
            if case.kind == "bm25":
                scores = lexical
            elif case.kind == "hybrid":
                scores = fused_scores([everything, lexical], LEG_LIMIT)
            else:
                scores = only_allowed(cosines, allowed[case.name])
            answers[case.name].append(best(scores, LIMIT))
    return Task(answers)


def _allowed(passages: Passages, case: Case) -> npt.NDArray[np.bool_]:
    allowed = np.ones(passages.num_rows, dtype=bool)
    if case.below is not None:
        allowed &= passages.fine_buckets < case.below
    if case.source is not None:
        allowed &= np.array([source == case.source for source in passages.sources])
    return allowed


def open_contestants(plan: Plan) -> tuple[list[System], dict[str, str]]:
    """Return the systems that can be measured, and why the others cannot."""
    systems, missing = [], {}
    for name in plan.systems:
        try:
            interpreter = interpreter_for(name)
            with WorkerProcess(
                interpreter, name, plan.bundle, core=None, log=plan.log(name)
            ) as worker:
                systems.append(System(name, interpreter, worker.call("describe")))
        except (EnvironmentMissingError, WorkerFailedError) as error:
            missing[name] = str(error)
    return systems, missing
