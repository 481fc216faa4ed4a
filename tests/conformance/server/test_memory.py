"""More bytes than the server may have in memory come at once."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pymilvus.grpc_gen import milvus_pb2

from support import raw_http2 as raw
from support.raw_http2 import RawHttp2, call, frame, message
from support.server_process import ServerProcess, metric, until

MB = 1024 * 1024
SIZE = 63 * MB
MAX_BYTES = 2 * SIZE
# A request as it came in pieces and as a whole, as a message, and the text in that.
COPIES = 4


def _peak_bytes(server: ServerProcess) -> int:
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not say how much memory a process has had")


def _by_grpc(port: int) -> int:
    with RawHttp2(port) as client:
        client.send(frame(raw.HEADERS, raw.END_HEADERS, 1, call("HasCollection")))
        if client.upload(_MESSAGE):
            body, _ = client.answer(1)
            return milvus_pb2.BoolResponse.FromString(body[5:]).status.code
    return 8


def _by_rest(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(
            b"POST /v2/vectordb/collections/has HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % SIZE
        )
        for _ in range(SIZE // MB):
            client.sendall(_BLANK)
        told = b"".join(iter(lambda: client.recv(65_536), b""))
    code: int = json.loads(told.partition(b"\r\n\r\n")[2])["code"]
    return code


_BLANK = b" " * MB
_MESSAGE = message(
    milvus_pb2.HasCollectionRequest(collection_name="x" * (SIZE - 100)).SerializeToString()
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ask", "busy", "clients"),
    # Over HTTP/1.1 also what is refused is read to the end, which takes its time.
    [(_by_grpc, 8, 64), (_by_rest, 1807, 16)],
    ids=["gRPC", "RESTful API"],
)
def test_large_requests_of_many_clients_have_a_bound(
    tmp_path: Path, ask: Callable[[int], int], busy: int, clients: int
) -> None:
    with ServerProcess(tmp_path / "kb", max_waiting_bytes=MAX_BYTES) as server:
        before = _peak_bytes(server)
        with ThreadPoolExecutor(clients) as pool:
            codes = list(pool.map(ask, [server.ports.grpc] * clients))
        taken = _peak_bytes(server) - before
        until(lambda: metric(server.ports, "elanus_calls_bytes") == 0)
        # There is room again.
        assert ask(server.ports.grpc) != busy
    assert codes.count(busy) > 0
    assert len(codes) - codes.count(busy) > 0
    assert taken < COPIES * MAX_BYTES < clients * SIZE
