"""A server in a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from elanus_server import Settings, serve
from elanus_server.app import Ports
from support.rest_client import send

WAIT_S = 60.0


class ServerProcess:
    """A server over a folder.

    Args:
        path: The folder.
        **settings: Further ones; ports are free ones.
    """

    def __init__(self, path: Path | str, **settings: Any) -> None:
        given = {"port": 0, "metrics_port": 0, **settings}
        told = json.dumps(dataclasses.asdict(Settings(str(path), **given)))
        self._process = subprocess.Popen(
            [sys.executable, __file__, told],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server ended with status {self._process.wait()}"
        self.ports = Ports(**json.loads(line))

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.ports.grpc}"

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.ports.grpc}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the processes that it has started."""
        return children_of(self.pid)

    def kill(self) -> None:
        """End it as a power loss of the process would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def wait(self) -> int:
        """Return its status when it has ended."""
        return self._process.wait(WAIT_S)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()


def children_of(pid: int) -> list[int]:
    """Return the processes that one has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == pid:
                found.append(int(entry.name))
    return sorted(found)


def metric(ports: Ports, name: str, **labels: str) -> float:
    """Return the sum of a metric over all series that have some labels."""
    status, raw = send(f"http://127.0.0.1:{ports.metrics}/metrics")
    assert status == 200
    wanted = set(labels.items())
    return sum(
        sample.value
        for family in text_string_to_metric_families(raw.decode())
        for sample in family.samples
        if sample.name == name and wanted <= set(sample.labels.items())
    )


def until(is_true: Callable[[], bool]) -> None:
    """Return when something is true; fail when it does not become so in a long time."""
    ends = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < ends, "it did not become true"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be asked for its status is none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _tell(ports: Ports) -> None:
    sys.stdout.write(json.dumps(dataclasses.asdict(ports)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(Settings(**json.loads(sys.argv[1])), ready=_tell))
