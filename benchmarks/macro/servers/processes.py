"""Which servers are measured, and how does one start?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.macro.environments import interpreter_for
from benchmarks.macro.memory import busy_seconds_of_process_tree, memory_of_process_tree
from benchmarks.macro.worker_process import child_environment

Command = Callable[[str, str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Server:
    """One way to serve a system.

    Attributes:
        name: Of the way.
        system: As ``benchmarks/peers`` calls it.
        command: Starts it, from the folder of its interpreter's programs, its database and a port.
        loads: Kinds of clients that insert; the first one loads what is searched.
        asks: Kinds of clients that search.
    """

    name: str
    system: str
    command: Command
    loads: tuple[str, ...]
    asks: tuple[str, ...]


def _elanus(*options: str) -> Command:
    def command(programs: str, folder: str, port: int) -> Sequence[str]:
        shared = ["--port", str(port), "--metrics-port", "none", *options]
        return [f"{programs}/python", "-m", "elanus_server", folder, *shared]

    return command


def _milvus_lite(programs: str, folder: str, port: int) -> Sequence[str]:
    where = ["--data-dir", folder, "--host", "127.0.0.1", "--port", str(port)]
    return [f"{programs}/milvus-lite", "server", *where]


def _chroma(programs: str, folder: str, port: int) -> Sequence[str]:
    return [
        f"{programs}/chroma",
        "run",
        "--path",
        folder,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def servers(workers: Sequence[int] = ()) -> list[Server]:
    """Return the servers, in the order in which they take turns.

    Args:
        workers: Serve by so many processes, too.
    """
    kinds = ("stub", "pymilvus", "rest", "elanus")
    found = [
        Server("elanus", "elanus", _elanus(), ("stub", "pymilvus", "rest"), kinds),
        Server("elanus, own port", "elanus", _elanus("--rest-port", "none"), (), ("stub",)),
    ]
    for count in workers:
        command = _elanus("--workers", str(count))
        name = f"elanus, {count} worker{'s' * (count > 1)}"
        found.append(Server(name, "elanus", command, (), ("stub", "rest", "elanus")))
    both = ("stub", "pymilvus")
    found.append(Server("milvus_lite", "milvus_lite", _milvus_lite, both, both))
    found.append(Server("chroma", "chroma", _chroma, ("chromadb",), ("chroma_http", "chromadb")))
    return found


def interpreter_of(system: str) -> str:
    """Return the interpreter of a system.

    Raises:
        EnvironmentMissingError: It could not be installed.
    """
    return sys.executable if system == "elanus" else interpreter_for(system)


class ServerProcess:
    """A running server.

    Args:
        server: Which.
        interpreter: Of its system.
        folder: Of its database.
        cores: That it keeps to; None: to all.
        log: What it prints goes here.

    Attributes:
        uri: Where it listens.
        spawned_ns: ``time.monotonic_ns()`` when the process was started.
    """

    def __init__(
        self,
        server: Server,
        interpreter: str,
        folder: Path,
        *,
        cores: Sequence[int] | None,
        log: Path,
    ) -> None:
        port = _free_port()
        self.uri = f"http://127.0.0.1:{port}"
        # The link in an environment's folder: what it points at has no programs beside it.
        programs = str(Path(interpreter).parent)
        pinned = [] if cores is None else ["taskset", "-c", ",".join(map(str, cores))]
        command = [*pinned, *server.command(programs, str(folder), port)]
        self.spawned_ns = time.monotonic_ns()
        with log.open("a") as told:
            self._process = subprocess.Popen(
                command, stdout=told, stderr=told, env=child_environment()
            )

    def memory(self) -> dict[str, int]:
        """Return what it holds."""
        return memory_of_process_tree(self._process.pid)

    def busy(self) -> dict[int, float]:
        """Return the seconds of a processor that each of its processes has taken."""
        return busy_seconds_of_process_tree(self._process.pid)

    def stop(self) -> None:
        """End it as an operator would."""
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def cores_of_run(*, is_shared: bool) -> tuple[list[int] | None, int | None]:
    """Return the processors of servers, and that of clients; None where both use all.

    With a single processor there is nothing to divide.
    """
    cores = sorted(os.sched_getaffinity(0))
    if is_shared or len(cores) == 1:
        return None, None
    return cores[:-1], cores[-1]
