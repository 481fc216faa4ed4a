"""Clients of one kind in a process beside the server; ``worker.serve`` says how it is told what to
do."""

from __future__ import annotations

import time
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.macro.bundle import read_batches, read_queries
from benchmarks.macro.memory import memory_of_process_tree
from benchmarks.macro.servers.base import (
    START_WITHIN_S,
    WARM_S,
    Answers,
    Asking,
    wait_until_listening,
)
from benchmarks.macro.servers.clients import KINDS
from benchmarks.macro.worker import serve


class ClientWorker:
    """Clients of one kind."""

    def __init__(self, kind: str, bundle: Path) -> None:
        self._kind = KINDS[kind]
        self._bundle = bundle
        _, self._queries = read_queries(bundle)
        self._asking: Asking | None = None

    def describe(self) -> dict[str, Any]:
        """Return the versions of what the clients are made of."""
        return {name: version(name) for name in self._kind.PACKAGES}

    def load(self, uri: str, name: str, rows: int, batch_rows: int, keep: bool) -> dict[str, Any]:
        """Make a collection and insert rows; return the times.

        Args:
            uri: Of the server.
            name: Of the collection.
            rows: To insert.
            batch_rows: In one call.
            keep: Complete its indexes, else drop it again.
        """
        asking = self._kind(uri)
        asking.create(name, self._queries.shape[1])
        insert_s, inserted = 0.0, 0
        for batch in islice(read_batches(self._bundle, batch_rows), -(-rows // batch_rows)):
            began = time.perf_counter()
            asking.insert(name, batch)
            insert_s += time.perf_counter() - began
            inserted += len(batch.ids)
        began = time.perf_counter()
        if keep:
            asking.complete(name)
        else:
            asking.drop(name)
        return {
            "rows": inserted,
            "insert_s": insert_s,
            "complete_s": time.perf_counter() - began if keep else 0.0,
        }

    def complete(self, uri: str, name: str) -> dict[str, Any]:
        """Complete the indexes of a collection; return the time."""
        began = time.perf_counter()
        self._kind(uri).complete(name)
        return {"complete_s": time.perf_counter() - began}

    def open(self, uri: str, name: str, clients: int, is_exact: bool = False) -> dict[str, Any]:
        """Connect that many clients, whose searches look at every row if they are exact."""
        self.close()
        self._asking = self._kind(uri)
        self._asking.is_exact = is_exact
        self._asking.open(name, self._queries, clients)
        return {}

    def first_answer(self, uri: str, name: str | None, spawned_ns: int) -> dict[str, Any]:
        """Return the seconds from the start of a server's process to its first answer.

        Args:
            uri: Where it is going to listen.
            name: Of the collection; None: it only has to listen.
            spawned_ns: ``time.monotonic_ns()`` when its process was started.
        """
        wait_until_listening(uri)
        listening_s = (time.monotonic_ns() - spawned_ns) / 1e9
        if name is None:
            return {"listening_s": listening_s}
        asking = self._kind(uri)
        asking.open(name, self._queries[:1], 1)
        answers = Answers(1, START_WITHIN_S, warm_s=0, most=1)
        asking.ask(answers)
        answered_s = (time.monotonic_ns() - spawned_ns) / 1e9
        asking.close()
        return {"listening_s": listening_s, "answer_s": answered_s}

    def ask(self, seconds: float, most: int | None = None) -> dict[str, Any]:
        """Let the clients ask for some time, or a number of queries; return the answers."""
        if self._asking is None:
            raise ValueError("no client is connected")
        warm_s = WARM_S if most is None else 0.0
        answers = Answers(len(self._queries), seconds, warm_s=warm_s, most=most)
        self._asking.ask(answers)
        return answers.to_json()

    def memory(self) -> dict[str, Any]:
        """Return the memory of this process."""
        return memory_of_process_tree()

    def close(self) -> dict[str, Any]:
        """Give the connections up."""
        if self._asking is not None:
            self._asking.close()
            self._asking = None
        return {}


if __name__ == "__main__":
    serve(ClientWorker)
