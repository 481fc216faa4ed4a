"""Clients of servers: every kind finds the same rows, and the figures read as tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.macro.bundle import write_bundle
from benchmarks.macro.server import parse
from benchmarks.macro.servers.base import Answers
from benchmarks.macro.servers.processes import cores_of_run, servers
from benchmarks.macro.servers.worker import ClientWorker
from benchmarks.server_report import server as tables
from elanus_server import serve_local

ROWS = 40
VECTORS = np.random.default_rng(7).standard_normal((ROWS, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
ASKED = [3, 11, 29]
BEST = np.argsort(-(VECTORS[ASKED] @ VECTORS.T), axis=1)[:, :10].tolist()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    columns = ([f"text {i}" for i in range(ROWS)], ["s"] * ROWS, list(range(ROWS)))
    write_bundle(folder, columns, VECTORS, ["a", "b", "c"], VECTORS[ASKED])
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def uri(bundle: Path, folder: Path) -> Iterator[str]:
    with serve_local(str(folder)) as address:
        told = ClientWorker("stub", bundle).load(address, "passages", ROWS, 16, keep=True)
        assert told["rows"] == ROWS
        yield address


def _asked(worker: ClientWorker, uri: str, *, is_exact: bool = False) -> dict[str, Any]:
    """Return what two clients are answered, who ask each query twice."""
    worker.open(uri, "passages", clients=2, is_exact=is_exact)
    told = worker.ask(seconds=600, most=6)
    worker.close()
    return told


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize("kind", ["stub", "pymilvus", "rest", "elanus"])
def test_clients_of_every_kind_find_the_nearest_rows(
    kind: str, is_exact: bool, bundle: Path, uri: str
) -> None:
    told = _asked(ClientWorker(kind, bundle), uri, is_exact=is_exact)
    assert told["asked"] == 6
    assert sorted(told["queries"]) == [0, 0, 1, 1, 2, 2]
    found = dict(zip(told["queries"], told["ids"], strict=True))
    assert found == {number: BEST[number] for number in found}
    assert len(told["ns"]) == len(told["ids"])
    assert min(told["ns"]) > 0


@pytest.mark.parametrize("kind", ["pymilvus", "rest"])
def test_rows_that_were_inserted_to_be_timed_are_dropped(kind: str, bundle: Path, uri: str) -> None:
    told = ClientWorker(kind, bundle).load(uri, f"by_{kind}", 20, 10, keep=False)
    assert (told["rows"], told["complete_s"]) == (20, 0.0)
    with pytest.raises(Exception, match="not found"):
        ClientWorker("pymilvus", bundle).open(uri, f"by_{kind}", 1)


def test_first_answer_comes_after_the_server_listens(bundle: Path, uri: str) -> None:
    told = ClientWorker("stub", bundle).first_answer(uri, "passages", 0)
    assert told["answer_s"] > told["listening_s"] > 0


def test_embedded_clients_find_the_same(bundle: Path, tmp_path: Path) -> None:
    with serve_local(str(tmp_path)) as address:
        ClientWorker("stub", bundle).load(address, "passages", ROWS, 16, keep=True)
    worker = ClientWorker("embedded", bundle)
    worker.complete(str(tmp_path), "passages")
    told = _asked(worker, str(tmp_path))
    assert {tuple(ids) for ids in told["ids"]} == {tuple(ids) for ids in BEST}


def test_answers_stop_at_the_wanted_number() -> None:
    answers = Answers(2, 60, warm_s=0, most=3)
    assert [answers.take() for _ in range(4)] == [0, 1, 0, None]


def test_options_choose_the_ways_to_serve() -> None:
    assert [one.name for one in servers()] == [
        *("elanus", "elanus, own port", "milvus_lite", "chroma")
    ]
    more = servers([1, 2])
    assert more[0].asks[-1] == "elanus"
    assert more[2].name == "elanus, 1 worker"
    assert more[3].command("bin", "db", 1)[-2:] == ["--workers", "2"]
    assert parse(["--workers", "1,2"]).workers == [1, 2]
    assert cores_of_run(is_shared=True) == (None, None)
    assert parse(["--quick"]).rows == 10_000


def test_figures_read_as_tables() -> None:
    memory = {"steady_bytes": 2e6, "anonymous_bytes": 1e6, "peak_bytes": 3e6}
    asked = {"server": "elanus, own port", "client": "stub", "clients": 8}
    figures = {"queries_per_s": 1234.5, "p50_ms": 0.5, "p99_ms": 2.0, "recall": 0.97}
    result = {
        "rows": 1000,
        "queries": 10,
        "limit": 10,
        "batch_rows": 100,
        "rounds": 2,
        "seconds": 1.0,
        "cores": "servers and clients share all processors",
        "missing": {"chroma": "not installed"},
        "searches": [
            {**asked, **figures, "client_cpu_share": 0.25},
            {
                **asked,
                **figures,
                "client_cpu_share": 0.25,
                "search": "exact",
                "server_cpu_us": [5.4, 1234.5],
            },
            {"server": "milvus_lite", "client": "pymilvus", "clients": 8, "error": "it broke"},
        ],
        "inserts": [
            {"server": "elanus", "client": "stub", "rows": 500, "insert_s": 0.5, "complete_s": 0}
        ],
        "starts": [
            {"server": "elanus", "listening_s": 0.5, "answer_s": 0.75, "rest": memory},
        ],
        "under_load": {"elanus": memory},
    }
    head, missing, *parts = tables(result)
    assert head.startswith("1,000 passages, 10 queries, top-10 dense")
    assert missing == "Chroma is missing: not installed"
    rows = [part.splitlines()[2:] for part in parts]
    assert rows == [
        [
            "| elanus, own port | gRPC, generated messages | 0.970 | 1,234 | 0.50 | 2.00 | 25% |",
            "| Milvus Lite | pymilvus | it broke | - | - | - | - |",
        ],
        [
            "| elanus, own port | gRPC, generated messages | 0.970 | 1,234 | 0.50 | 2.00 | 25% | "
            "5 + 1,234 |",
        ],
        ["| elanus | gRPC, generated messages | 500 | 1,000 | - |"],
        ["| elanus | 500 | 750 | 2 | 1 | 2 | 1 | 3 |"],
    ]
