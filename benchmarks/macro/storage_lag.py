"""How long after its acknowledgement does another process see a commit?

One process commits single rows, another asks for the next key without a pause until it finds it.
Both note the time on the clock that all processes of the machine share: the lag is from the return
of ``insert`` to the return of the first ``get`` that finds the row, at least 0. It holds what the
reader's last question took. Under load a second thread of the writing process inserts batches of
1,000 rows all the while, so that flushes and merges go on: ten of them each second, or one after
the other, which leaves the reader as many rows to take in as the writer can commit.

Run: ``python -m benchmarks storage_lag`` (``--help`` lists the options).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_run
from benchmarks.macro.storage_plan import clock, open_site
from benchmarks.macro.worker_process import child_environment
from benchmarks.report import render, write_result

LOADS = {"idle": 0.0, "10,000 rows/s": 0.1, "as many rows as it takes": 0.001}
"""Name of a load, and the seconds between its batches of 1,000 rows; 0 stands for none."""
_MODULE = "benchmarks.macro.storage_lag_process"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.macro.storage_lag",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--commits", type=int, default=3_000, help="commits of each load")
    parser.add_argument("--pause", type=float, default=0.005, help="seconds between commits")
    parser.add_argument("--quick", action="store_true", help="300 commits")
    parser.add_argument("--name", default="storage_lag", help="name of the result file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    commits = 300 if arguments.quick else arguments.commits
    say = clock()
    lags = []
    with open_site(()) as (site, _, _):
        for number, load in enumerate(LOADS):
            folder = site.folder / f"lag-{number}"
            lags.append(measure(folder, load, commits, arguments.pause))
            say(f"{load} is measured")
    result = {
        "benchmark": "storage_lag",
        **describe_run("benchmarks.macro.storage_lag"),
        "pause_s": arguments.pause,
        "lags": lags,
    }
    file = write_result(arguments.name, result)
    print(render(result))
    say(f"written to {file}")


def measure(folder: Path, load: str, commits: int, pause_s: float) -> dict[str, Any]:
    """Run a writer and a reader; return the distribution of the lag."""
    folder.mkdir(parents=True)
    writer = _start("write", folder, commits, pause_s, LOADS[load])
    _expect(writer, "created")
    reader = _start("read", folder, commits)
    _expect(reader, "opened")
    _tell(writer, "go")
    acknowledged = json.loads(_answer(writer))
    seen = json.loads(_answer(reader))
    for process in (writer, reader):
        process.wait()
    lag_ms = np.maximum(np.array(seen["seen_ns"]) - np.array(acknowledged["ns"]), 0) / 1e6
    p50, p99 = np.percentile(lag_ms, [50, 99])
    return {
        "load": load,
        "commits": commits,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "max_ms": float(lag_ms.max()),
        "poll_p50_ms": float(np.median(seen["poll_ns"])) / 1e6,
        "rows": acknowledged["rows"],
    }


def _start(role: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", _MODULE, role, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )


def _answer(process: subprocess.Popen[str]) -> str:
    line = "" if process.stdout is None else process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the benchmark ended with status {process.wait()}")
    return line


def _expect(process: subprocess.Popen[str], word: str) -> None:
    line = _answer(process)
    if line.strip() != word:
        raise RuntimeError(f"expected {word!r} from a process of the benchmark, got {line!r}")


def _tell(process: subprocess.Popen[str], word: str) -> None:
    if process.stdin is not None:
        process.stdin.write(word + "\n")
        process.stdin.flush()


if __name__ == "__main__":
    main()
