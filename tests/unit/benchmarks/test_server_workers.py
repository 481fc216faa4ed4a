"""The client that takes next to nothing asks for what the others find."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.macro.server_workers import Case, answer_of, asked, body_of, fill, parse
from benchmarks.server_report import workers as tables
from elanus_server import serve_local

VECTORS = np.random.default_rng(7).standard_normal((40, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
QUERY = VECTORS[11]
BEST = np.argsort(-(VECTORS @ QUERY))[:10].tolist()
CASES = [Case(kind, search) for kind in ("stub", "rest") for search in ("plain", "exact")]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("filled") / "kb"
    fill(folder, VECTORS)
    with serve_local(str(folder)) as address:
        yield address


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_search_that_is_sent_finds_the_nearest_rows(case: Case, uri: str) -> None:
    assert answer_of(uri, case, QUERY) == BEST


@pytest.mark.skipif(shutil.which("h2load") is None, reason="needs h2load of nghttp2-client")
@pytest.mark.parametrize("case", CASES[::2], ids=str)
def test_every_answer_is_counted_and_refusals_are_told(
    case: Case, uri: str, tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_bytes(body_of(uri, case, QUERY))
    found = asked(uri, case, body, seconds=1, clients=2)
    assert min(found) > 0
    with pytest.raises(OSError, match="h2load was not answered"):
        asked(f"{uri}/none", case, body, seconds=1, clients=1)


def test_figures_read_as_tables() -> None:
    row = {"search": "plain", "client": "stub", "p50_ms": 1.0, "p99_ms": 2.5}
    row |= {"client_cpu_share": 0.125, "queries_per_s": 1234.5, "growth": 1.5}
    searches = [
        {**row, "server": "elanus", "server_cpu_us": [300.4]},
        {**row, "server": "elanus, 2 workers", "server_cpu_us": [0.2, 150.0, 151.0]},
        {**row, "server": "elanus", "search": "exact", "client": "rest", "server_cpu_us": [9.0]},
    ]
    chosen = parse(["--rows", "1000", "--workers", "2"])
    assert chosen.workers == [2]
    head, plain, exact = tables({**vars(chosen), "searches": searches})
    assert head.startswith("1,000 passages, top-10 dense, keys returned; 8 clients, 5 turns of 2 s")
    assert plain.splitlines()[0].startswith("| gRPC | queries/s | to none |")
    assert plain.splitlines()[2:] == [
        "| elanus | 1,234 | 1.50 | 1.00 | 2.50 | 12% | 300 | 300 |",
        "| elanus, 2 workers | 1,234 | 1.50 | 1.00 | 2.50 | 12% | 0 + 150 + 151 | 301 |",
    ]
    assert exact.splitlines()[0].startswith("| RESTful API, exact searches |")
