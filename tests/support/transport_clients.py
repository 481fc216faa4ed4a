"""Clients over gRPC's libraries for Go, Java and C++, built where these are.

They come with Debian: ``golang-go``, ``golang-google-grpc-dev``, ``protoc-gen-go-1-3`` and
``protobuf-compiler`` for Go; ``libgrpc-java``, ``libguava-java``, ``libnetty-java``,
``libperfmark-java`` and ``default-jdk-headless`` for Java; ``libgrpc++-dev``, ``g++`` and
``pkg-config`` for C++.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pymilvus.grpc_gen import common_pb2

from support.client_environments import HERE, UnavailableError
from support.protocol_subset import files, subset

_SOURCES = HERE / "transports"
_GO_LIBRARIES = Path("/usr/share/gocode")
_JARS = Path("/usr/share/java")
_OF_JAVA = (
    *("grpc-api", "grpc-context", "grpc-core", "grpc-netty", "grpc-stub"),
    *("guava", "perfmark-api"),
    *(f"netty-{part}" for part in ("buffer", "codec", "codec-http", "codec-http2", "common")),
    *(f"netty-{part}" for part in ("handler", "resolver", "transport")),
    "netty-transport-native-unix-common",
)
_CALLS = (
    *("AddCollectionField", "Connect", "CreateCollection", "CreateDatabase", "CreateIndex"),
    *("Delete", "DescribeCollection", "DescribeIndex", "DropCollection", "Flush"),
    *("GetFlushState", "GetLoadState", "GetLoadingProgress", "GetVersion", "HasCollection"),
    *("HybridSearch", "Insert", "LoadCollection", "Query", "Search", "Upsert"),
)


def go_client() -> list[str]:
    """Return the command of a client in Go that asks what Milvus' own asks.

    Raises:
        UnavailableError: Something that builds it is not there.
    """
    _need_tools("go", "protoc", "protoc-gen-go")
    _need(_GO_LIBRARIES / "src" / "google.golang.org" / "grpc")
    messages = subset(_CALLS, [common_pb2.PlaceholderGroup.DESCRIPTOR])
    return [str(_built("go", messages, lambda place: _build_go(place, messages)))]


def java_client() -> list[str]:
    """Return the command of a client in Java that sends what was encoded elsewhere.

    Raises:
        UnavailableError: Something that builds it is not there.
    """
    _need_tools("java", "javac")
    jars = [_JARS / f"{name}.jar" for name in _OF_JAVA]
    for jar in jars:
        _need(jar)
    path = ":".join(map(str, jars))
    javac = ["javac", "-Werror", "-cp", path, *map(str, _sources("java"))]

    def build(place: Path) -> Path:
        _run([*javac, "-d", str(place / "classes")], {})
        return place / "classes"

    return ["java", "-cp", f"{_built('java', b'', build)}:{path}", "Client"]


def cpp_client() -> list[str]:
    """Return the command of the same client in C++.

    Raises:
        UnavailableError: Something that builds it is not there.
    """
    _need_tools("g++", "pkg-config")
    flags = ["pkg-config", "--cflags", "--libs", "grpc++"]
    found = subprocess.run(flags, capture_output=True, text=True, check=False)
    if found.returncode:
        raise UnavailableError(found.stderr.strip())
    compiler = ["g++", "-std=c++17", "-Wall", *map(str, _sources("cpp"))]

    def build(place: Path) -> Path:
        _run([*compiler, "-o", str(place / "client"), *found.stdout.split()], {})
        return place / "client"

    return [str(_built("cpp", b"", build))]


def _sources(language: str) -> list[Path]:
    return sorted(path for path in (_SOURCES / language).iterdir() if path.is_file())


def _built(language: str, messages: bytes, build: Callable[[Path], Path]) -> Path:
    """Return a program; it is built once for its sources and messages."""
    whole = messages + b"".join(path.read_bytes() for path in _sources(language))
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elanus-clients"
    program = base / f"{language}-{hashlib.sha256(whole).hexdigest()[:12]}"
    if not program.exists():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as place:
            build(Path(place)).rename(program)
    return program


def _build_go(place: Path, messages: bytes) -> Path:
    descriptors, sources = place / "messages.desc", place / "src"
    descriptors.write_bytes(messages)
    (sources / "elanus" / "client").mkdir(parents=True)
    for path in _sources("go"):
        shutil.copy(path, sources / "elanus" / "client")
    protoc = ["protoc", f"--descriptor_set_in={descriptors}", f"--go_out={sources}"]
    _run([*protoc, *files(messages)], {})
    # What grpc-go was compiled to is kept beside the program.
    settings = {"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": f"{place}:{_GO_LIBRARIES}"}
    settings["GOCACHE"] = str(place.parent / "go-cache")
    _run(["go", "build", "-o", str(place / "client"), "elanus/client"], settings)
    return place / "client"


def _need_tools(*names: str) -> None:
    for tool in names:
        if shutil.which(tool) is None:
            raise UnavailableError(f"{tool} is not on PATH")


def _need(path: Path) -> None:
    if not path.exists():
        raise UnavailableError(f"{path} is not there")


def _run(command: Sequence[str], settings: Mapping[str, str]) -> None:
    environment = {**os.environ, **settings}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2_000:]}"
