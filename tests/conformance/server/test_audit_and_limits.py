"""What is written down of calls, what is refused for being too much, and no secret gets out."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import MilvusClient, MilvusException

import elanus
from elanus import Field
from elanus.errors import ServerBusyError
from elanus_server import Settings
from elanus_server.security.accounts import AccountStore
from elanus_server.security.guard import Guard
from support.rest_client import RestClient, send
from support.running_server import Running
from support.secured import PASSWORD, Caller

ROOT = {"Authorization": f"Bearer root:{PASSWORD}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audited")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    settings = Settings(
        str(folder / "kb"),
        port=0,
        rest_port=0,
        metrics_port=0,
        auth=True,
        root_password=PASSWORD,
        audit_log=str(folder / "audit.log"),
        limits={"dql.queryRate.max": 1000},
    )
    with Running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def rest(running: Running) -> RestClient:
    return RestClient(f"http://127.0.0.1:{running.ports.rest}")


def metrics(running: Running) -> dict[str, float]:
    told = send(f"http://127.0.0.1:{running.ports.metrics}/metrics")[1].decode()
    lines = [line for line in told.splitlines() if line.startswith("elanus_")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def recorded(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


def test_limits_of_a_user(running: Running, rest: RestClient) -> None:
    def data(path: str, **body: Any) -> Any:
        told = rest.post(path, ROOT, **body)
        assert told["code"] == 0, told
        return told["data"]

    data("collections/create", collectionName="c", dimension=2)
    data("users/create", userName="slow", password="slow-password")
    data("users/grant_role", userName="slow", roleName="admin")
    few = {"dql.searchRate.max": 2, "dml.rowRate.max": 3, "ddl.rate.max": 1}
    held = data("users/set_limits", userName="slow", limits={**few, "limits.maxOutputSize": 300})
    assert held == {"dql.queryRate.max": 1000, **few, "limits.maxOutputSize": 300}
    assert data("users/list_limits", userName="slow") == held
    told = rest.post("users/set_limits", ROOT, userName="slow", limits={"x": 1})
    assert told["code"] == 1100
    with grpc.insecure_channel(f"127.0.0.1:{running.ports.grpc}") as channel:
        slow = Caller(channel, "slow:slow-password")
        response = slow.ask("Search", collection_name="c", nq=3)
        # More than a second's worth passes once, when nothing was asked before.
        assert response.status.code != 8
        response = slow.ask("Search", collection_name="c", nq=1)
        assert (response.status.code, response.status.error_code) == (8, 49)
        assert response.status.retriable
        assert "rate limit exceeded[rate=2]" in response.status.reason
        assert slow.code("DescribeCollection", collection_name="c") == 0
    slow_rest = {"Authorization": "Bearer slow:slow-password"}
    rows = [{"id": i, "vector": [1, 2], "text": "x" * 100} for i in range(3)]
    for code in (0, 1807):
        told = rest.post("entities/insert", slow_rest, collectionName="c", data=rows)
        assert told["code"] == code, told
    told = rest.post("entities/query", slow_rest, collectionName="c", filter="id >= 0")
    assert told["code"] == 1102
    assert "maxOutputSize" in told["message"]
    assert len(data("entities/query", collectionName="c", filter="id >= 0")) == 3
    counted = metrics(running)
    assert counted['elanus_refused_count{function_name="Search",reason="rate_limit"}'] == 1
    assert counted['elanus_refused_count{function_name="Insert",reason="rate_limit"}'] == 1
    assert counted['elanus_refused_count{function_name="Query",reason="too_large"}'] == 1
    cleared = data("users/set_limits", userName="slow", limits=dict.fromkeys(held))
    assert cleared == {"dql.queryRate.max": 1000}


def test_limits_of_a_user_of_our_own_client(running: Running, rest: RestClient) -> None:
    uri = f"http://127.0.0.1:{running.ports.rest}"
    fields = [Field("id", elanus.INT64, primary=True), Field("v", elanus.FLOAT_VECTOR, dim=2)]
    rest.post("users/create", ROOT, userName="even", password="even-password")
    rest.post("users/grant_role", ROOT, userName="even", roleName="admin")
    limits = {"dml.rowRate.max": 4}
    rest.post("users/set_limits", ROOT, userName="even", limits=limits)
    with elanus.connect(uri, token="even:even-password") as database:
        made = database.create_collection("even", elanus.Schema(fields))
        columns = {"id": np.arange(4), "v": np.ones((4, 2), np.float32)}
        made.insert(columns)
        # The client waits as long as the server says, and the same write is then done once.
        made.insert([{"id": 4, "v": [1.0, 2.0]}])
        assert made.count() == 5
        made.upsert({"id": np.arange(8), "v": np.ones((8, 2), np.float32)})
        with elanus.connect(uri, token="even:even-password", timeout=0.5) as hurried:
            with pytest.raises(ServerBusyError, match=r"\[limit=dml.rowRate.max\]") as raised:
                hurried.collection("even").upsert(columns)
            assert raised.value.retry_after_s > 0.5
        assert made.delete(filter="id >= 0") == 8
        rest.post("users/set_limits", ROOT, userName="even", limits={"dml.rowRate.max": None})
        made.drop()


def test_rows_of_imports_count(running: Running, rest: RestClient, tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{running.ports.rest}"
    fields = [Field("id", elanus.INT64, primary=True), Field("v", elanus.FLOAT_VECTOR, dim=2)]
    rest.post("users/create", ROOT, userName="bulk", password="bulk-password")
    rest.post("users/grant_role", ROOT, userName="bulk", roleName="admin")
    rest.post("users/set_limits", ROOT, userName="bulk", limits={"dml.rowRate.max": 0.01})
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"id": {i}, "v": [1, 2]}}\n' for i in range(9)))
    with elanus.connect(uri, token="bulk:bulk-password", timeout=30) as database:
        made = database.create_collection("bulk", elanus.Schema(fields))
        made.import_data(rows)  # a full bucket lets anything through once
        with pytest.raises(ServerBusyError):
            made.import_data(rows, on_conflict="replace")
        assert made.count() == 9
        made.drop()


def test_records_say_who_did_what(running: Running, rest: RestClient, folder: Path) -> None:
    uri = f"http://127.0.0.1:{running.ports.grpc}"
    root = MilvusClient(uri, token=f"root:{PASSWORD}")
    root.create_collection("audited", 2)
    root.insert("audited", [{"id": 1, "vector": [0.25, 0.75]}])
    root.create_user("weak", "weak-password")
    weak = MilvusClient(uri, token="weak:weak-password")
    with pytest.raises((MilvusException, grpc.RpcError)):
        weak.drop_collection("audited")
    weak.close()
    token = rest.post("tokens/create", ROOT, userName="weak")["data"]
    url = f"{rest.uri}/v2/vectordb/collections/drop"
    for credentials in (token["token"], "root:wrong-password", "nobody:x", token["token"] + "x"):
        body = json.dumps({"collectionName": "audited"}).encode()
        bearer = {"Authorization": f"Bearer {credentials}"}
        assert send(url, body, Content_Type="application/json", **bearer)[0] in (401, 403)
    root.drop_collection("audited")
    root.close()
    # Whatever is asked afterwards is written after it.
    rest.post("users/create", ROOT, userName="last", password="last-password")
    found: list[dict[str, Any]] = []
    for _ in range(100_000):
        found = recorded(folder)
        if len(found) >= 8 and found[-1]["call"] == "CreateCredential":
            break
    about = [one for one in found if one.get("collection") == "audited"]
    assert [(one["user"], one["call"], one["code"]) for one in about] == [
        ("root", "CreateCollection", 0),
        ("root", "CreateIndex", 0),
        ("weak", "DropCollection", 1401),
        ("weak", "DropCollection", 1401),
        ("root", "DropCollection", 0),
    ]
    assert [one.get("token") for one in about[2:4]] == [None, token["id"]]
    refused = [one for one in found if one["code"] == 1400]
    assert [one.get("user") for one in refused] == ["root", None, None]
    assert {one["call"] for one in refused} == {"/v2/vectordb/collections/drop"}
    assert {one["address"] for one in found} == {"127.0.0.1"}
    assert metrics(running)['elanus_audit_count{outcome="written"}'] >= len(found)


def test_every_call_can_be_recorded_with_its_address_behind_the_shared_port(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    settings = Settings(
        ":memory:", port=0, metrics_port=None, audit_log=str(path), audit_every_call=True
    )
    with Running(settings) as running:
        client = MilvusClient(f"http://127.0.0.1:{running.ports.grpc}")
        client.create_collection("c", 2)
        client.insert("c", [{"id": i, "vector": [1, i]} for i in range(7)])
        client.search("c", [[1, 2]] * 2, limit=3)
        client.query("c", filter="id >= 4", output_fields=["id"])
        client.delete("c", ids=[1, 2])
        client.close()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    rows = {one["call"]: one.get("rows") for one in found}
    assert (rows["Insert"], rows["Search"], rows["Query"], rows["Delete"]) == (7, 6, 3, 2)
    assert {one["address"] for one in found} == {"127.0.0.1"}
    assert not any("id >= 4" in json.dumps(one) for one in found)


PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from elanus_server.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_no_secret_is_told(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A session with right and wrong credentials; everything that comes out of it is searched."""
    path, log = str(tmp_path / "kb"), tmp_path / "audit.log"
    secrets = [
        "root-Secret-1",
        "ann-Secret-2",
        "ann-Secret-3",
        "wrong-Secret-4",
        "short",
    ]
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics_port = free.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, path, "--auth", "--port", "0"]
    command += ["--metrics-port", str(metrics_port)]
    command += ["--audit-log", str(log), "--audit-every-call"]
    environment = {**os.environ, "ELANUS_ROOT_PASSWORD": secrets[0]}
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    request.addfinalizer(program.kill)
    assert program.stdout is not None
    told = [program.stdout.readline()]
    while "Ctrl-C" not in told[-1]:
        told.append(program.stdout.readline())
    uri = told[0].split()[-1]
    rest = RestClient(uri)
    replies = []

    def post(path: str, credentials: str, **body: Any) -> Any:
        raw = json.dumps(body).encode()
        bearer = {"Authorization": f"Bearer {credentials}"}
        url = f"{rest.uri}/v2/vectordb/{path}"
        status, reply = send(url, raw, Content_Type="application/json", **bearer)
        replies.append(reply.decode())
        return status, json.loads(reply)

    root = f"root:{secrets[0]}"
    post("users/create", root, userName="ann", password=secrets[1])
    post("users/create", root, userName="bob", password=secrets[4])
    post("users/create", root, userName="ann", password=secrets[1])
    update = {"userName": "ann", "newPassword": secrets[2]}
    post("users/update_password", f"ann:{secrets[1]}", **update, password=secrets[3])
    post("users/update_password", f"ann:{secrets[1]}", **update, password=secrets[1])
    post("users/list", f"root:{secrets[3]}")
    post("users/list", f"{secrets[3]}:{secrets[3]}")
    _, made = post("tokens/create", f"ann:{secrets[2]}", name="ci")
    token = made["data"]["token"]
    replies.pop()
    for credentials in (token, token[:-1], f"Bearer {token}"):
        post("collections/list", credentials)
        post("collections/drop", credentials, collectionName="none")
        post("tokens/list", credentials)
    post("tokens/revoke", f"ann:{secrets[2]}", id=token)
    replies.pop()
    client = MilvusClient(uri, token=root)
    client.create_user("carl", secrets[1])
    client.update_password("carl", "", secrets[2])
    replies.append(repr(client.describe_user("carl")))
    for credentials in (f"root:{secrets[3]}", token, "x" + token):
        with pytest.raises((MilvusException, grpc.RpcError)) as raised:
            MilvusClient(uri, token=credentials).create_user("x", secrets[3])
        replies.append(str(raised.value))
    client.close()
    counted = send(f"http://127.0.0.1:{metrics_port}/metrics")[1].decode()
    program.terminate()
    out, err = program.communicate(timeout=60)
    assert program.returncode == 0
    settings = Settings(path, root_password=secrets[0])
    kept = [repr(settings), str(settings), *_reprs(path)]
    secrets += [token.rpartition("_")[2], token.split("_", 2)[2]]
    everything = {
        "printed": "".join(told) + out,
        "logged": err,
        "audit": log.read_text(),
        "metrics": counted,
        "replies": "\n".join(replies),
        "repr": "\n".join(kept),
    }
    assert all(everything.values())
    for secret in secrets:
        forms = {secret, base64.b64encode(secret.encode()).decode(), repr(secret)[1:-1]}
        for form in forms - {"short"}:
            for where, text in everything.items():
                assert form not in text, (where, secret)
    for file in (tmp_path / "kb").rglob("*"):
        raw = file.read_bytes() if file.is_file() else b""
        assert not any(secret.encode() in raw for secret in secrets if secret != "short"), file


def _reprs(path: str) -> list[str]:
    import elanus

    with elanus.connect(path) as database:
        store = AccountStore(database)
        guard = Guard(store, is_on=True)
        token = next(iter(store.accounts.tokens.values()))
        assert token.digest not in repr(store.accounts)
        return [repr(one) for one in (store, store.accounts, guard, token)]


def test_the_last_resort_logs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is logged whole: where it happened, not what was asked."""
    settings = Settings(":memory:", port=0, metrics_port=None, auth=True, root_password=PASSWORD)
    with caplog.at_level(logging.DEBUG), Running(settings) as running:
        rest = RestClient(f"http://127.0.0.1:{running.ports.rest}")
        rest.post(
            "users/create", ROOT, userName="ann", password="ann-Secret-9", description="\ud800"
        )
    assert "ann-Secret-9" not in caplog.text
    assert PASSWORD not in caplog.text
