"""A server beside other servers: searches, inserts, memory and start, over every protocol.

The first passages are stored in elanus' server, in that of Milvus Lite and in Chroma's, and
searched for ten hits by their vectors from 1, 8 and 64 clients at once. Clients are processes
beside the servers. Servers and clients take turns, round by round, with the library by itself, in
the process of its caller.

Run: ``python -m benchmarks server`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.macro.adapters.base import COLLECTION, LIMIT
from benchmarks.macro.bundle import write_bundle
from benchmarks.macro.environments import EnvironmentMissingError, cache_folder
from benchmarks.macro.exact import Answer, best, dense_scores
from benchmarks.macro.measures import Samples, latency
from benchmarks.macro.servers.processes import (
    Server,
    ServerProcess,
    cores_of_run,
    interpreter_of,
    servers,
)
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess
from benchmarks.report import render, write_result

MODULE = "benchmarks.macro.server"
BATCH_ROWS = 1_000
CLIENTS = (1, 8, 64)
PLAIN, EXACT = "plain", "exact"


@dataclass(slots=True)
class Turns:
    """What a number of clients were answered.

    Attributes:
        samples: The answers.
        rates: Answers per second, of each turn.
        client_shares: How much of a processor the clients took, of each turn.
        busy_s: Processor time of each process of the server.
        asked: Queries that it took them for.
    """

    samples: Samples = field(default_factory=Samples)
    rates: list[float] = field(default_factory=list)
    client_shares: list[float] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)
    asked: int = 0

    def add(self, told: dict[str, Any], busy_s: Sequence[float]) -> None:
        """Take in one turn."""
        self.samples.add(told["queries"], told["ids"], told["ns"])
        self.rates.append(len(told["ids"]) / told["seconds"])
        self.client_shares.append(told["client_cpu_s"] / told["seconds"])
        before = self.busy_s or [0.0] * len(busy_s)
        self.busy_s = [one + more for one, more in zip(before, busy_s, strict=True)]
        self.asked += told["asked"]


@dataclass(slots=True)
class Contestant:
    """A server and a kind of clients, with their turns by kind of search and number of clients."""

    server: str
    kind: str
    worker: WorkerProcess
    uri: str
    process: ServerProcess | None
    turns: dict[tuple[str, int], Turns] = field(default_factory=dict)
    error: str | None = None


class Run:
    """One run: its options, folders and processors."""

    def __init__(self, chosen: Any, work: Path) -> None:
        self.chosen = chosen
        self._work = work
        self._bundle = work / "bundle"
        self._server_cores, self._client_core = cores_of_run(is_shared=chosen.share_cores)
        self._began = time.perf_counter()
        self.systems: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self.answers: list[Answer] = []
        wanted = chosen.systems.split(",")
        known = servers(chosen.workers)
        self.servers = [one for one in known if one.system in wanted]

    def say(self, text: str) -> None:
        """Tell a person how far it is."""
        print(f"{time.perf_counter() - self._began:7.1f} s  {text}", file=sys.stderr, flush=True)

    def cores(self) -> str:
        """Return who uses which processors, in words."""
        if self._server_cores is None:
            return "servers and clients share all processors"
        count = len(self._server_cores)
        return f"servers keep to {count} processor{'s' * (count > 1)}, clients to another one"

    def prepare(self) -> None:
        """Write the data set, find the right answers, and install the other systems."""
        passages = load_passages(self.chosen.rows, self.chosen.queries)
        columns = (passages.texts, passages.sources, passages.fine_buckets.tolist())
        write_bundle(
            self._bundle, columns, passages.vectors, passages.queries, passages.query_vectors
        )
        for vector in passages.query_vectors:
            scores = dense_scores(passages.vectors, vector[None, :])[0]
            self.answers.append(best(scores.astype("float64"), LIMIT))
        for system in dict.fromkeys(server.system for server in self.servers):
            try:
                self.systems[system] = interpreter_of(system)
            except EnvironmentMissingError as error:
                self.missing[system] = str(error)
        self.servers = [server for server in self.servers if server.system in self.systems]
        self.say("exact answers are known")

    def folder(self, server: Server) -> Path:
        """Return the folder of a server's database."""
        return self._work / "".join(c if c.isalnum() else "_" for c in server.name)

    def start(self, server: Server, *, is_pinned: bool = True) -> ServerProcess:
        """Start a server."""
        return ServerProcess(
            server,
            self.systems[server.system],
            self.folder(server),
            cores=self._server_cores if is_pinned else None,
            log=self._work / f"{server.system}.log",
        )

    def clients(self, system: str, kind: str, *, is_pinned: bool = True) -> WorkerProcess:
        """Start a process of clients of one kind."""
        # pymilvus is the same here and beside Milvus Lite; only Chroma has a client of its own.
        interpreter = self.systems["chroma"] if system == "chroma" else sys.executable
        return WorkerProcess(
            interpreter,
            kind,
            self._bundle,
            core=self._client_core if is_pinned else None,
            log=self._work / f"{kind}.log",
            module="benchmarks.macro.servers.worker",
        )

    # --- inserting ------------------------------------------------------------------------

    def load(self) -> list[dict[str, Any]]:
        """Fill one database of each system, by each kind of clients; return the times."""
        rows: list[dict[str, Any]] = []
        for server in [one for one in self.servers if one.loads]:
            try:
                rows += self._load_system(server)
            except (WorkerFailedError, OSError) as error:
                self._leave_out(server.system, str(error))
        for server in [one for one in self.servers if not one.loads]:
            shutil.copytree(self.folder(self._first_of(server.system)), self.folder(server))
        return rows

    def _leave_out(self, system: str, why: str) -> None:
        self.missing[system] = why
        del self.systems[system]
        self.servers = [one for one in self.servers if one.system != system]

    def _first_of(self, system: str) -> Server:
        return next(server for server in self.servers if server.system == system)

    def _load_system(self, server: Server) -> list[dict[str, Any]]:
        rows = []
        with self.start(server, is_pinned=False) as process:
            for kind in (*server.loads[1:], server.loads[0]):
                is_kept = kind == server.loads[0]
                count = self.chosen.rows if is_kept else self.chosen.insert_rows
                with self.clients(server.system, kind, is_pinned=False) as worker:
                    self.versions[kind] = worker.call("describe")
                    self._wait(worker, process, None)
                    told = worker.call(
                        "load",
                        uri=process.uri,
                        name=COLLECTION if is_kept else f"by_{kind}",
                        rows=count,
                        batch_rows=BATCH_ROWS,
                        keep=is_kept,
                    )
                rows.append({"server": server.name, "client": kind, **told})
                self.say(f"{server.name}: {kind} inserted {told['rows']:,} rows")
        if server.system == "elanus":
            with self.clients("elanus", "embedded", is_pinned=False) as worker:
                told = worker.call("complete", uri=str(self.folder(server)), name=COLLECTION)
                rows[-1]["complete_s"] += told["complete_s"]
        return rows

    @staticmethod
    def _wait(worker: WorkerProcess, process: ServerProcess, name: str | None) -> dict[str, Any]:
        told: dict[str, Any] = worker.call(
            "first_answer", uri=process.uri, name=name, spawned_ns=process.spawned_ns
        )
        return told

    # --- starting -------------------------------------------------------------------------

    def starts(self) -> list[dict[str, Any]]:
        """Return how long servers take to their first answer, and what they hold then."""
        rows = []
        for server in self.servers:
            told, memory = [], {}
            with self.clients(server.system, server.asks[0]) as worker:
                # The first start finds the files outside of the page cache.
                for turn in range(self.chosen.starts + 1):
                    with self.start(server) as process:
                        found = self._wait(worker, process, COLLECTION)
                        memory = process.memory()
                    told += [found] if turn else []
            times = {key: median(one[key] for one in told) for key in told[0]}
            rows.append({"server": server.name, **times, "rest": memory})
        self.say("start times are measured")
        return rows

    # --- searching ------------------------------------------------------------------------

    def searches(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the figures of searches, and the memory of servers under load."""
        with ExitStack() as stack:
            processes = {one.name: stack.enter_context(self.start(one)) for one in self.servers}
            asked: list[tuple[str, str, str, str, ServerProcess | None]] = [
                (one.name, one.system, kind, processes[one.name].uri, processes[one.name])
                for one in self.servers
                for kind in one.asks
            ]
            if "elanus" in self.systems:
                copied = self._work / "embedded"
                shutil.copytree(self.folder(self._first_of("elanus")), copied)
                asked.append(("elanus", "elanus", "embedded", str(copied), None))
            contestants = [
                Contestant(
                    name, kind, stack.enter_context(self.clients(system, kind)), uri, process
                )
                for name, system, kind, uri, process in asked
            ]
            for server in self.servers:
                first = next(one for one in contestants if one.server == server.name)
                self._wait(first.worker, processes[server.name], COLLECTION)
            cases = [(s, c) for s in self.chosen.searches for c in self.chosen.clients]
            for search, clients in cases:
                self._take_turns(contestants, search, clients)
            memory = {name: process.memory() for name, process in processes.items()}
        rows = [self._row(one, *case) for case in cases for one in contestants]
        return rows, memory

    def _take_turns(self, contestants: Sequence[Contestant], search: str, clients: int) -> None:
        for one in contestants:
            with noting(one):
                one.worker.call(
                    "open",
                    uri=one.uri,
                    name=COLLECTION,
                    clients=clients,
                    is_exact=search == EXACT,
                )
        for _ in range(self.chosen.rounds):
            for one in [one for one in contestants if one.error is None]:
                with noting(one):
                    before = {} if one.process is None else one.process.busy()
                    told = one.worker.call("ask", seconds=self.chosen.seconds)
                    after = {} if one.process is None else one.process.busy()
                    turns = one.turns.setdefault((search, clients), Turns())
                    turns.add(told, [after[n] - busy_s for n, busy_s in before.items()])
        self.say(f"{clients} clients have asked ({search})")

    def _row(self, one: Contestant, search: str, clients: int) -> dict[str, Any]:
        row: dict[str, Any] = {"server": one.server, "client": one.kind, "clients": clients}
        row |= {"search": search}
        turns = one.turns.get((search, clients), Turns())
        samples = turns.samples
        if not samples.ns:
            return {**row, "error": one.error or "no answer in time"}
        return {
            **row,
            "queries_per_s": median(turns.rates),
            **latency(samples.ns),
            "queries": len(samples.ns),
            "recall": samples.recall(self.answers),
            "client_cpu_share": median(turns.client_shares),
            "server_cpu_us": [busy_s / turns.asked * 1e6 for busy_s in turns.busy_s],
        }


@contextmanager
def noting(contestant: Contestant) -> Iterator[None]:
    """Keep what goes wrong with one of them from the others."""
    try:
        yield
    except WorkerFailedError as error:
        contestant.error = str(error)


def measure(run: Run) -> dict[str, Any]:
    """Measure everything; return the result."""
    chosen = run.chosen
    result: dict[str, Any] = {"benchmark": "server", **describe_run(MODULE)}
    run.prepare()
    result |= {
        "rows": chosen.rows,
        "queries": chosen.queries,
        "limit": LIMIT,
        "batch_rows": BATCH_ROWS,
        "rounds": chosen.rounds,
        "seconds": chosen.seconds,
        "cores": run.cores(),
    }
    result["inserts"] = run.load()
    result["starts"] = run.starts()
    result["searches"], result["under_load"] = run.searches()
    return {**result, "missing": run.missing, "versions": run.versions}


def parse(arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(
        prog=f"python -m {MODULE}",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=100_000, help="passages to store")
    parser.add_argument("--queries", type=int, default=1_000, help="queries to ask, 1 to 1000")
    parser.add_argument(
        "--insert-rows", type=int, default=10_000, help="rows that further kinds of clients insert"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kind of clients")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--starts", type=int, default=3, help="fresh processes of each server")
    parser.add_argument(
        "--clients",
        type=lambda text: [int(one) for one in text.split(",")],
        default=list(CLIENTS),
        help="at once (1,8,64)",
    )
    parser.add_argument("--systems", default="elanus,milvus_lite,chroma")
    parser.add_argument(
        "--share-cores",
        action="store_true",
        help="servers and clients use all processors; else clients have the last one to themselves",
    )
    parser.add_argument(
        "--workers",
        type=lambda text: [int(one) for one in text.split(",")],
        default=[],
        metavar="N,N",
        help="serve by so many processes, too",
    )
    parser.add_argument(
        "--searches",
        type=lambda text: text.split(","),
        default=[PLAIN],
        help=f"{PLAIN}: by the index; {EXACT}: every row is looked at",
    )
    parser.add_argument("--name", default="server", help="name of the result file")
    parser.add_argument(
        "--quick", action="store_true", help="10,000 rows and short turns: within 5 minutes"
    )
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rows, chosen.insert_rows = min(chosen.rows, 10_000), 2_000
        chosen.rounds, chosen.seconds, chosen.starts = 2, 1.0, 2
    return chosen


def main() -> None:
    chosen = parse()
    work = cache_folder() / f"server-{os.getpid()}"
    work.mkdir(parents=True)
    try:
        result = measure(Run(chosen, work))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
