"""Searches a second by how many processes serve, asked by a client that takes next to nothing.

Servers without workers, with one and with two have the same passages, and take turns, round by
round, in being asked by h2load: it sends one prepared search over and over, by gRPC and by the
RESTful API, so that the processors are left to the servers. Searches are those by the index, which
are short, and those that look at every row.

h2load comes with nghttp2; on Debian: ``apt install nghttp2-client``.

Run: ``python -m benchmarks workers`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import elanus
from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.macro.adapters.base import COLLECTION, LIMIT
from benchmarks.macro.environments import cache_folder
from benchmarks.macro.measures import latency
from benchmarks.macro.servers.base import START_WITHIN_S, Answers, Vectors, wait_until_listening
from benchmarks.macro.servers.clients import KINDS
from benchmarks.macro.servers.processes import Server, ServerProcess, servers
from benchmarks.report import render, write_result

MODULE = "benchmarks.macro.server_workers"
CLIENT = "h2load"
PLAIN, EXACT = "plain", "exact"
_BY = {
    "stub": ("/milvus.proto.milvus.MilvusService/Search", ["te: trailers"], "application/grpc", []),
    "rest": ("/v2/vectordb/entities/search", [], "application/json", ["--h1"]),
}
"""Path, further headers and type of the body, and options of h2load, by kind of client."""
_WARM_S = 1
_LEAST_BYTES = 5 * LIMIT
"""Of an answer: a score and a key of each hit."""


@dataclass(slots=True)
class Turns:
    """What one server did with one kind of requests.

    Attributes:
        rates: Answers per second, of each turn.
        ns: Of each answer, nanoseconds.
        busy_s: Processor time of each process of the server.
        client_s: Of the client.
        seconds: Of all turns.
    """

    rates: list[float] = field(default_factory=list)
    ns: list[int] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)
    client_s: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of requests.

    Attributes:
        kind: Of the client whose requests are sent: ``stub`` for gRPC, or ``rest``.
        search: ``plain`` or ``exact``.
    """

    kind: str
    search: str


def fill(folder: Path, vectors: Vectors) -> None:
    """Make the database that all servers get a copy of."""
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=vectors.shape[1]),
        ]
    )
    with elanus.connect(folder) as database:
        made = database.create_collection(COLLECTION, schema)
        for first in range(0, len(vectors), 1_000):
            rows = enumerate(vectors[first : first + 1_000], first)
            made.insert([{"id": i, "dense": vector} for i, vector in rows])
        made.flush()
        made.wait_indexed()
        made.compact()


def body_of(uri: str, case: Case, query: Vectors) -> bytes:
    """Return the body of a request for one search."""
    asking: Any = KINDS[case.kind](uri)
    asking.is_exact = case.search == EXACT
    (request,) = asking.requests(COLLECTION, query[None, :])
    if case.kind == "rest":
        return bytes(request.partition(b"\r\n\r\n")[2])
    raw = request.SerializeToString()
    # Not compressed, and its length.
    return b"\0" + len(raw).to_bytes(4, "big") + bytes(raw)


def answer_of(uri: str, case: Case, query: Vectors) -> list[int]:
    """Return the ids that a server finds, by the client whose request is sent."""
    asking = KINDS[case.kind](uri)
    asking.is_exact = case.search == EXACT
    asking.open(COLLECTION, query[None, :], 1)
    answers = Answers(1, START_WITHIN_S, warm_s=0.0, most=1)
    asking.ask(answers)
    asking.close()
    return answers.ids[0]


def asked(uri: str, case: Case, body: Path, *, seconds: int, clients: int) -> list[int]:
    """Let h2load ask; return the nanoseconds of each answer.

    Raises:
        OSError: Some requests were not answered with success.
    """
    path, headers, kind, options = _BY[case.kind]
    with tempfile.NamedTemporaryFile("r") as log:
        command = [CLIENT, *options, "-c", str(clients), "-D", str(seconds), "-d", str(body)]
        for header in (*headers, f"content-type: {kind}"):
            command += ["-H", header]
        done = subprocess.run(
            [*command, f"--log-file={log.name}", uri + path],
            capture_output=True,
            text=True,
            check=False,
        )
        # When, with which status, and in how many microseconds.
        answers = [line.split() for line in log if line.strip()]
    # An answer of gRPC that is none has this status, too, and no message.
    data = re.search(r"\((\d+)\) data", done.stdout)
    least = _LEAST_BYTES * len(answers)
    are_whole = data is not None and int(data[1]) >= least > 0
    if done.returncode or not are_whole or {status for _, status, _ in answers} != {"200"}:
        raise OSError(f"{CLIENT} was not answered: {done.stdout[-500:]}{done.stderr[-500:]}")
    return [int(us) * 1_000 for *_, us in answers]


class Run:
    """One run: its options, its folder and its servers."""

    def __init__(self, chosen: Any, work: Path) -> None:
        self.chosen = chosen
        self._work = work
        self._turns: dict[tuple[str, Case], Turns] = {}
        self._servers = [
            one
            for one in servers(chosen.workers)
            if one.system == "elanus" and "own port" not in one.name
        ]

    def measure(self) -> list[dict[str, Any]]:
        """Return the figures of each server and kind of requests."""
        passages = load_passages(self.chosen.rows, 1)
        query = passages.query_vectors[0]
        fill(self._work / "filled", passages.vectors)
        cases = [Case(kind, search) for search in self.chosen.searches for kind in _BY]
        with ExitStack() as stack:
            running = {one.name: stack.enter_context(self._start(one)) for one in self._servers}
            for one in running.values():
                wait_until_listening(one.uri)
            for case in cases:
                self._take_turns(running, case, query)
        return [self._row(one.name, case) for case in cases for one in self._servers]

    def _start(self, server: Server) -> ServerProcess:
        folder = self._work / "".join(c if c.isalnum() else "_" for c in server.name)
        shutil.copytree(self._work / "filled", folder)
        log = self._work / "servers.log"
        return ServerProcess(server, sys.executable, folder, cores=None, log=log)

    def _take_turns(self, running: dict[str, ServerProcess], case: Case, query: Vectors) -> None:
        found = {name: answer_of(one.uri, case, query) for name, one in running.items()}
        wanted = next(iter(found.values()))
        if len(wanted) != LIMIT or any(ids != wanted for ids in found.values()):
            raise ValueError(f"servers with the same rows find other ones: {found}")
        body = self._work / f"{case.kind}_{case.search}"
        body.write_bytes(body_of(next(iter(running.values())).uri, case, query))
        chosen = self.chosen
        for round_ in range(chosen.rounds):
            for name, one in running.items():
                turns = self._turns.setdefault((name, case), Turns())
                if not round_:
                    asked(one.uri, case, body, seconds=_WARM_S, clients=chosen.clients)
                before, client_s, began = one.busy(), _client_s(), time.perf_counter()
                ns = asked(one.uri, case, body, seconds=chosen.seconds, clients=chosen.clients)
                turns.seconds += time.perf_counter() - began
                turns.client_s += _client_s() - client_s
                after = one.busy()
                busy = [after[pid] - busy_s for pid, busy_s in before.items()]
                sums = turns.busy_s or [0.0] * len(busy)
                turns.busy_s = [a + b for a, b in zip(sums, busy, strict=True)]
                turns.rates.append(len(ns) / chosen.seconds)
                turns.ns += ns
        print(f"{case.kind}, {case.search}: asked", file=sys.stderr, flush=True)

    def _row(self, name: str, case: Case) -> dict[str, Any]:
        turns = self._turns[name, case]
        alone = self._turns[self._servers[0].name, case]
        return {
            "server": name,
            "client": case.kind,
            "search": case.search,
            "queries_per_s": median(turns.rates),
            "growth": median(a / b for a, b in zip(turns.rates, alone.rates, strict=True)),
            **latency(turns.ns),
            "queries": len(turns.ns),
            "server_cpu_us": [busy_s / len(turns.ns) * 1e6 for busy_s in turns.busy_s],
            "client_cpu_share": turns.client_s / turns.seconds,
        }


def _client_s() -> float:
    """Return the processor time of the clients that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def parse(arguments: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(
        prog=f"python -m {MODULE}",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=20_000, help="passages to store")
    parser.add_argument("--clients", type=int, default=8, help="at once, a connection each")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server")
    parser.add_argument("--seconds", type=int, default=2, help="of one turn")
    parser.add_argument(
        "--workers",
        type=lambda text: [int(one) for one in text.split(",")],
        default=[1, 2],
        metavar="N,N",
        help="serve by so many processes, beside one server without (1,2)",
    )
    parser.add_argument(
        "--searches",
        type=lambda text: text.split(","),
        default=[PLAIN, EXACT],
        help=f"{PLAIN}: by the index; {EXACT}: every row is looked at",
    )
    parser.add_argument("--name", default="workers", help="name of the result file")
    return parser.parse_args(arguments)


def main() -> None:
    chosen = parse()
    if shutil.which(CLIENT) is None:
        sys.exit(f"there is no {CLIENT}; on Debian: apt install nghttp2-client")
    result: dict[str, Any] = {"benchmark": "workers", **describe_run(MODULE)}
    work = cache_folder() / f"workers-{os.getpid()}"
    work.mkdir(parents=True)
    try:
        result |= {name: getattr(chosen, name) for name in ("rows", "clients", "rounds", "seconds")}
        result["searches"] = Run(chosen, work).measure()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    file = write_result(chosen.name, result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
