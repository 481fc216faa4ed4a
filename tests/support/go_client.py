"""A client over grpc-go that asks what the Milvus client in Go asks, built where there is Go.

It needs the packages ``golang-go``, ``golang-google-grpc-dev`` and ``protoc-gen-go-1-3`` of Debian,
whose sources lie in ``/usr/share/gocode``, and ``protobuf-compiler``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pymilvus.grpc_gen import common_pb2

from support.client_environments import HERE, UnavailableError
from support.protocol_subset import files, subset

SOURCE = HERE / "transports" / "go" / "main.go"
_LIBRARIES = Path("/usr/share/gocode")
_CALLS = (
    *("AddCollectionField", "Connect", "CreateCollection", "CreateDatabase", "CreateIndex"),
    *("Delete", "DescribeCollection", "DescribeIndex", "DropCollection", "Flush"),
    *("GetFlushState", "GetLoadState", "GetLoadingProgress", "GetVersion", "HasCollection"),
    *("HybridSearch", "Insert", "LoadCollection", "Query", "Search", "Upsert"),
)


def go_client() -> Path:
    """Return the program; it is built once for its source and messages.

    Raises:
        UnavailableError: Something that builds it is not there.
    """
    for tool in ("go", "protoc", "protoc-gen-go"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"{tool} is not on PATH")
    if not (_LIBRARIES / "src" / "google.golang.org" / "grpc").exists():
        raise UnavailableError(f"grpc-go is not in {_LIBRARIES}")
    messages = subset(_CALLS, [common_pb2.PlaceholderGroup.DESCRIPTOR])
    made_of = hashlib.sha256(messages + SOURCE.read_bytes()).hexdigest()[:12]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elanus-clients"
    program = base / f"go-{made_of}"
    if not program.exists():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as place:
            _build(Path(place), messages).rename(program)
    return program


def _build(place: Path, messages: bytes) -> Path:
    descriptors, sources = place / "messages.desc", place / "src"
    descriptors.write_bytes(messages)
    (sources / "elanus" / "client").mkdir(parents=True)
    shutil.copy(SOURCE, sources / "elanus" / "client")
    protoc = ["protoc", f"--descriptor_set_in={descriptors}", f"--go_out={sources}"]
    _run([*protoc, *files(messages)], {})
    # What grpc-go was compiled to is kept beside the program.
    settings = {"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": f"{place}:{_LIBRARIES}"}
    settings["GOCACHE"] = str(place.parent / "go-cache")
    _run(["go", "build", "-o", str(place / "client"), "elanus/client"], settings)
    return place / "client"


def _run(command: Sequence[str], settings: Mapping[str, str]) -> None:
    environment = {**os.environ, **settings}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2_000:]}"
