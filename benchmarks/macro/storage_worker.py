"""Writes, opens and shrinks a store as it is told, in the interpreter of that store's system.

Run as ``python -m benchmarks.macro.storage_worker STORE BUNDLE CORE``; see ``worker.py``. This
file and what it imports need NumPy only, besides the system.
"""

from __future__ import annotations

import importlib
import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.macro.bundle import read_batches, read_queries
from benchmarks.macro.stores.base import Batch, Question, Store
from benchmarks.macro.worker import disk_bytes, serve

_READ_ROWS = 1_000
_LOAD_ROWS = 1_000


class StoreWorker:
    """One system, and the database of it that is open."""

    def __init__(self, name: str, bundle: Path) -> None:
        started = time.perf_counter()
        module = importlib.import_module(f"benchmarks.macro.stores.{name}")
        self._import_s = time.perf_counter() - started
        self._make = module.STORE
        self._store: Store = module.STORE()
        self._bundle = bundle
        self._rows: Batch | None = None

    def describe(self) -> dict[str, Any]:
        """Return versions, and what the system says of itself."""
        store = self._store
        return {
            "versions": {name: _version(name) for name in store.PACKAGES},
            "acknowledged": store.ACKNOWLEDGED,
            "forms": list(store.FORMS),
            "kinds": list(store.KINDS),
        }

    def insert(
        self,
        folder: str,
        form: str,
        batch_rows: int,
        threads: int,
        max_rows: int,
        budget_s: float,
    ) -> dict[str, Any]:
        """Insert into a fresh database until the rows or the seconds are used up.

        Returns:
            ``rows`` that were acknowledged within ``wall_s``, ``ns`` of each call.
        """
        self._fresh(folder, form)
        batches = list(self._batches(batch_rows, max_rows))
        prepared = [self._store.prepare(batch) for batch in batches]
        pairs = list(zip(prepared, map(len, batches), strict=True))
        started = time.perf_counter()
        done, errors = _insert_all(self._store, pairs, threads, started + budget_s)
        wall_s = time.perf_counter() - started
        rows = sum(count for _, count in done)
        found = self._store.count()
        self._store.close()
        shutil.rmtree(folder, ignore_errors=True)
        if errors:
            raise RuntimeError(errors[0])
        if found != rows:
            raise RuntimeError(f"{rows} rows were acknowledged, {found} are found")
        return {"rows": rows, "wall_s": wall_s, "ns": [ns for ns, _ in done]}

    def load(
        self, folder: str, form: str, ids: list[int] | None = None, copies: int = 1
    ) -> dict[str, Any]:
        """Fill a fresh database and settle it.

        Args:
            folder: Where to put it.
            form: As in ``Store.create``.
            ids: Rows of the data set to take; None takes all.
            copies: How often; each further copy has keys and vectors of its own, near the first.
        """
        self._fresh(folder, form)
        rows = self._all_rows()
        wanted = range(len(rows)) if ids is None else ids
        rng = np.random.default_rng(0)
        started = time.perf_counter()
        for copy in range(copies):
            for start in range(0, len(wanted), _LOAD_ROWS):
                batch = _take(rows, wanted[start : start + _LOAD_ROWS])
                moved = _near(batch, copy * len(rows), rng) if copy else batch
                self._store.insert(self._store.prepare(moved))
        inserted = time.perf_counter()
        self._store.settle()
        settled = time.perf_counter()
        self._store.close()
        return {"insert_s": inserted - started, "settle_s": settled - inserted}

    def first_answer(self, folder: str, kind: str, number: int, spawned_ns: int) -> dict[str, Any]:
        """Open a database and answer one question; this process has done nothing before.

        Args:
            folder: Where ``load`` made it.
            kind: Of the question.
            number: Row asked for, and query asked.
            spawned_ns: ``time.monotonic_ns()`` when this process was started.
        """
        reading_ns = time.monotonic_ns()
        texts, vectors = read_queries(self._bundle)
        query = number % len(texts)
        question = Question(number, number % 1000, texts[query], vectors[query])
        reading_ns = time.monotonic_ns() - reading_ns
        started = time.perf_counter()
        self._store.open(folder)
        opened = time.perf_counter()
        found = self._store.ask(kind, question)
        answered = time.perf_counter()
        # What the benchmark itself reads is not on the way to an answer.
        process_ns = time.monotonic_ns() - spawned_ns - reading_ns
        self._store.close()
        if not found:
            raise RuntimeError(f"{kind}: nothing was found")
        return {
            "import_s": self._import_s,
            "open_s": opened - started,
            "answer_s": answered - opened,
            "first_answer_s": answered - started,
            "process_s": process_ns / 1e9,
        }

    def shrink(self, folder: str, doomed: list[int]) -> dict[str, Any]:
        """Delete rows and give the space back; return bytes on disk after each step."""
        before = disk_bytes(Path(folder))
        self._store.open(folder)
        started = time.perf_counter()
        self._store.delete(doomed)
        deleted_s = time.perf_counter() - started
        self._store.settle()
        self._store.close()
        settled = disk_bytes(Path(folder))
        self._store.open(folder)
        started = time.perf_counter()
        self._store.optimize()
        optimized_s = time.perf_counter() - started
        rows = self._store.count()
        self._store.close()
        return {
            "before_bytes": before,
            "settled_bytes": settled,
            "optimized_bytes": disk_bytes(Path(folder)),
            "delete_s": deleted_s,
            "optimize_s": optimized_s,
            "rows": rows,
        }

    def optimized_size(self, folder: str) -> dict[str, Any]:
        """Give space back in a database; return its bytes on disk."""
        self._store.open(folder)
        self._store.optimize()
        self._store.close()
        return {"bytes": disk_bytes(Path(folder))}

    def _fresh(self, folder: str, form: str) -> None:
        Path(folder).mkdir(parents=True)
        self._store = self._make()
        self._store.create(folder, self._all_rows().vectors.shape[1], form)

    def _batches(self, batch_rows: int, max_rows: int) -> Iterator[Batch]:
        rows = self._all_rows()
        for start in range(0, min(max_rows, len(rows)), batch_rows):
            yield _take(rows, range(start, min(start + batch_rows, max_rows, len(rows))))

    def _all_rows(self) -> Batch:
        if self._rows is None:
            parts = list(read_batches(self._bundle, _READ_ROWS))
            self._rows = Batch(
                list(itertools.chain.from_iterable(p.ids for p in parts)),
                list(itertools.chain.from_iterable(p.texts for p in parts)),
                list(itertools.chain.from_iterable(p.buckets for p in parts)),
                np.concatenate([p.vectors for p in parts]),
            )
        return self._rows


def _insert_all(
    store: Store, pairs: list[tuple[Any, int]], threads: int, deadline: float
) -> tuple[list[tuple[int, int]], list[str]]:
    """Insert prepared batches, each with its number of rows, from several threads.

    Returns:
        Nanoseconds and rows of each call that returned, and what was raised.
    """
    queue = iter(pairs)
    lock = threading.Lock()
    done: list[tuple[int, int]] = []
    errors: list[str] = []

    def work() -> None:
        while time.perf_counter() < deadline and not errors:
            with lock:
                item = next(queue, None)
            if item is None:
                return
            asked = time.perf_counter_ns()
            try:
                store.insert(item[0])
            except Exception as error:  # noqa: BLE001 - whatever a system raises is a result
                errors.append(f"{type(error).__name__}: {error}"[:300])
                return
            done.append((time.perf_counter_ns() - asked, item[1]))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return done, errors


def _take(rows: Batch, ids: Any) -> Batch:
    if isinstance(ids, range):
        cut = slice(ids.start, ids.stop)
        return Batch(rows.ids[cut], rows.texts[cut], rows.buckets[cut], rows.vectors[cut])
    return Batch(
        [rows.ids[i] for i in ids],
        [rows.texts[i] for i in ids],
        [rows.buckets[i] for i in ids],
        rows.vectors[ids],
    )


def _near(batch: Batch, first_id: int, rng: np.random.Generator) -> Batch:
    """Return rows with other ids and vectors of unit length at a cosine of about 0.9 to these."""
    dim = batch.vectors.shape[1]
    noise = rng.standard_normal(batch.vectors.shape, dtype=np.float32) * (0.5 / np.sqrt(dim))
    vectors = batch.vectors + noise.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Batch([first_id + i for i in batch.ids], batch.texts, batch.buckets, vectors)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    serve(StoreWorker)
