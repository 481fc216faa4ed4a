"""How long does the demo take, from nothing to an answer, and the second time?

Runs ``python -m elanus_demo`` twice on a fresh store, without a terminal, with one question. The
corpus is the documentation of this Python.

Run: ``python -m benchmarks.macro.demo``
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import elanus
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result

QUESTION = "How do I parse an ISO 8601 date string?"


def run_demo(store: Path, docs: str | None) -> tuple[float, str]:
    """Return the wall time in seconds, and what the demo printed.

    Raises:
        subprocess.CalledProcessError: The demo failed.
    """
    command = [sys.executable, "-m", "elanus_demo", "--db", str(store)]
    command += ["--docs", docs] if docs else []
    environment = {**os.environ, "ASK": QUESTION, "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    started = time.perf_counter()
    done = subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return time.perf_counter() - started, done.stdout


def count_passages(store: Path) -> int:
    """Return the entities in all collections of a store."""
    with elanus.connect(store, read_only=True) as db:
        return sum(db.collection(name).count() for name in db.list_collections())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.macro.demo", description=__doc__)
    parser.add_argument("--docs", help="folder to index instead of this Python's documentation")
    docs = parser.parse_args().docs
    result: dict[str, Any] = {
        "benchmark": "demo",
        **describe_run("benchmarks.macro.demo"),
        "question": QUESTION,
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        for name in ("first", "second"):
            wall_s, output = run_demo(store, docs)
            passages = count_passages(store)
            run = {"run": name, "wall_s": wall_s, "passages": passages, "output": output}
            if name == "first":
                run["passages_per_s"] = passages / wall_s
            result["runs"].append(run)
    file = write_result("demo", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
