"""The other end of ``worker.py``: starts one and talks to it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.machine import ROOT

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
    "LANCE_CPU_THREADS",
)
"""What the libraries of the measured systems read to find out how many threads to start."""


def child_environment() -> dict[str, str]:
    """Return the environment of a measured process.

    Python may keep compiled modules, whatever holds for this process: a fresh process that compiles
    its libraries again would be measured slower than a user ever sees.
    """
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # LanceDB warns about every hybrid search otherwise.
    return {**inherited, "PYTHONPATH": str(ROOT), "LANCE_LOG": "error"}


class WorkerFailedError(Exception):
    """A system raised an error, or its process ended."""


class WorkerProcess:
    """A running worker. Use it in a ``with`` statement, or call ``stop``.

    Args:
        interpreter: Python of the system.
        adapter: Module name in ``benchmarks.macro.adapters``.
        bundle: Data set.
        core: Processor to keep to, with one thread; None: all processors and threads.
        log: What the worker prints goes here.
        module: What runs there; ``worker.serve`` answers in it.
        prefix: Command that runs the interpreter, such as a tracer.
    """

    def __init__(
        self,
        interpreter: str,
        adapter: str,
        bundle: Path,
        *,
        core: int | None,
        log: Path,
        module: str = "benchmarks.macro.worker",
        prefix: Sequence[str] = (),
    ) -> None:
        self._name = adapter
        self._log = log
        environment = child_environment()
        if core is not None:
            environment |= dict.fromkeys(THREAD_VARIABLES, "1")
        self.spawned_ns = time.monotonic_ns()
        place = "-" if core is None else str(core)
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [*prefix, interpreter, "-m", module, adapter, str(bundle), place],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )

    def call(self, operation: str, **arguments: Any) -> Any:
        """Run one operation of ``worker.Worker`` and return its answer.

        Raises:
            WorkerFailedError: It raised, or the process ended.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise WorkerFailedError(f"{self._name}: no pipes")
        try:
            self._process.stdin.write(json.dumps({"op": operation, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended(operation) from None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended(operation)
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailedError(f"{self._name} {operation}: {answer['error']}")
        return answer

    def _ended(self, operation: str) -> WorkerFailedError:
        status = self._process.wait()
        return WorkerFailedError(
            f"{self._name} {operation}: the process ended with status {status}; see {self._log}"
        )

    def stop(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
