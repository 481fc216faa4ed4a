"""What a server promises of clients that it knows holds in each of its processes, at once."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import DataType, MilvusClient

from elanus_server import Settings
from elanus_server.wire import milvus
from support.certificates import certificate
from support.long_search import call as raw_call
from support.long_search import prepare_folder, request
from support.running_server import Running
from support.secured import PASSWORD, Caller, header
from support.server_process import ServerProcess, metric, until

WORKERS = 2
DENIED, UNKNOWN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
RATE_LIMIT = 8
OFTEN = 80
"""Calls after which a process answers those of a kind without a thread."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured")


@pytest.fixture(scope="module")
def papers(place: Path) -> dict[str, str]:
    """Certificates and their keys, by whose they are."""
    authority, _, signer = certificate(place, "authority")
    found = {"authority": authority}
    for name, by in (("server", signer), ("client", signer), ("stranger", None)):
        found[name], found[f"{name} key"], _ = certificate(place, name, by)
    return found


@pytest.fixture(scope="module")
def server(place: Path, papers: dict[str, str]) -> Iterator[ServerProcess]:
    prepare_folder(place / "kb")
    with ServerProcess(
        place / "kb",
        workers=WORKERS,
        auth=True,
        root_password=PASSWORD,
        tls_cert=papers["server"],
        tls_key=papers["server key"],
        tls_client_ca=papers["authority"],
        audit_log=str(place / "audit.log"),
        audit_every_call=True,
    ) as made:
        yield made


def secure_channel(port: int, papers: dict[str, str], client: str | None) -> grpc.Channel:
    chain, key = (
        None if client is None else Path(papers[name]).read_bytes()
        for name in (client, f"{client} key")
    )
    trusted = grpc.ssl_channel_credentials(Path(papers["authority"]).read_bytes(), key, chain)
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.secure_channel(f"localhost:{port}", trusted, options=options)


@pytest.fixture(scope="module")
def channels(server: ServerProcess, papers: dict[str, str]) -> Iterator[list[grpc.Channel]]:
    """A connection to each of the processes."""
    made = []
    for _ in range(WORKERS):
        made.append(secure_channel(server.ports.grpc, papers, "client"))
        grpc.channel_ready_future(made[-1]).result(60)
    yield made
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def roots(channels: list[grpc.Channel]) -> list[Caller]:
    return [Caller(one, f"root:{PASSWORD}") for one in channels]


@pytest.fixture(scope="module")
def admin(server: ServerProcess, papers: dict[str, str]) -> Iterator[MilvusClient]:
    client = MilvusClient(
        f"https://localhost:{server.ports.grpc}",
        token=f"root:{PASSWORD}",
        client_pem_path=papers["client"],
        client_key_path=papers["client key"],
        ca_pem_path=papers["authority"],
        server_name="localhost",
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def notes(admin: MilvusClient) -> str:
    """A collection of two tenants."""
    schema = admin.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=20)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    params = admin.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    admin.create_collection("notes", schema=schema, index_params=params)
    rows = [{"id": n, "tenant": "ab"[n % 2], "vector": [n, 0.0]} for n in range(6)]
    admin.insert("notes", rows)
    admin.create_role("reader")
    for privilege in ("Query", "Search"):
        admin.grant_privilege_v2("reader", privilege, "notes")
    return "notes"


@pytest.fixture
def user(admin: MilvusClient, notes: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Somebody who may read; returns their credentials."""
    name = request.node.name[:30]
    admin.create_user(name, f"{name}-password")
    admin.grant_role(name, "reader")
    yield f"{name}:{name}-password"
    admin.drop_user(name)


def ids(caller: Caller, expression: str = "id >= 0") -> list[int]:
    found = caller.done("Query", collection_name="notes", expr=expression, output_fields=["id"])
    return sorted(found.fields_data[0].scalars.long_data.data)


def code(caller: Caller) -> int | grpc.StatusCode:
    return caller.code("Query", collection_name="notes", expr="id >= 0", output_fields=["id"])


def post(server: ServerProcess, papers: dict[str, str], path: str, token: str, body: Any) -> Any:
    """Return what the RESTful API answers over TLS."""
    trusted = ssl.create_default_context(cafile=papers["authority"])
    trusted.load_cert_chain(papers["client"], papers["client key"])
    told = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    url = f"https://localhost:{server.ports.grpc}/v2/vectordb/{path}"
    asked = urllib.request.Request(url, json.dumps(body).encode(), told)
    with urllib.request.urlopen(asked, timeout=60, context=trusted) as response:
        return json.load(response)


def test_mutual_tls_ends_in_each_process(server, papers, channels, roots, notes):
    for root in roots:
        assert ids(root) == list(range(6))
    body = {"collectionName": "notes", "filter": "id >= 0", "limit": 10}
    for _ in range(2 * WORKERS):
        found = post(server, papers, "entities/query", f"root:{PASSWORD}", body)
        assert len(found["data"]) == 6
    for client in (None, "stranger"):
        with secure_channel(server.ports.grpc, papers, client) as channel:
            assert code(Caller(channel, f"root:{PASSWORD}")) is grpc.StatusCode.UNAVAILABLE
    with grpc.insecure_channel(server.target) as channel:
        assert code(Caller(channel, f"root:{PASSWORD}")) is grpc.StatusCode.UNAVAILABLE
    trusted = ssl.create_default_context(cafile=papers["authority"])
    with pytest.raises((ssl.SSLError, ConnectionError, urllib.error.URLError)):
        urllib.request.urlopen(f"https://localhost:{server.ports.grpc}/docs", context=trusted)


def test_one_way_tls(tmp_path, papers):
    settings = Settings(
        str(tmp_path / "kb"),
        port=0,
        metrics_port=None,
        workers=1,
        tls_cert=papers["server"],
        tls_key=papers["server key"],
    )
    large = "x" * 200_000  # more than a window and a record of TLS
    with Running(settings) as running:
        client = MilvusClient(
            f"https://localhost:{running.ports.grpc}",
            server_pem_path=papers["authority"],
            server_name="localhost",
        )
        client.create_collection("c", dimension=2)
        client.insert("c", [{"id": 1, "vector": [1.0, 0.0], "text": large}])
        (found,) = client.query("c", ids=[1], output_fields=["text"])
        assert found["text"] == large
        client.close()


def test_rights_go_at_once_also_of_calls_that_were_answered_often(channels, admin, user):
    callers = [Caller(one, user) for one in channels]
    name = user.partition(":")[0]
    for caller in callers:
        for _ in range(OFTEN):
            assert ids(caller) == list(range(6))
    admin.revoke_role(name, "reader")
    for caller in callers:
        assert code(caller) is DENIED
    admin.grant_role(name, "reader")
    for caller in callers:
        assert ids(caller) == list(range(6))
    admin.update_password(name, f"{name}-password", "another-Password")
    for caller in callers:
        assert code(caller) is UNKNOWN
    for channel in channels:
        assert ids(Caller(channel, f"{name}:another-Password")) == list(range(6))


def test_tokens_are_worth_nothing_once_they_are_revoked(server, papers, channels, user, admin):
    token = _made_token(server, papers, user)
    callers = [Caller(one, token["token"]) for one in channels]
    for caller in callers:
        for _ in range(OFTEN):
            assert ids(caller) == list(range(6))
        assert caller.code("Delete", collection_name="notes", expr="id == 1") is DENIED
    body = {"id": token["id"], "userName": user.partition(":")[0]}
    assert post(server, papers, "tokens/revoke", f"root:{PASSWORD}", body)["code"] == 0
    for caller in callers:
        assert code(caller) is UNKNOWN


def _made_token(server: ServerProcess, papers: dict[str, str], user: str) -> dict[str, str]:
    body = {"userName": user.partition(":")[0], "name": "of a test"}
    made = post(server, papers, "tokens/create", f"root:{PASSWORD}", body)
    assert made["code"] == 0, made
    found: dict[str, str] = made["data"]
    return found


def test_row_policies_hide_rows_in_each_process(channels, roots, user, notes):
    name = user.partition(":")[0]
    callers = [Caller(one, user) for one in channels]
    roots[0].done("AddUserTags", user_name=name, tags={"tenant": "a"})
    for caller in callers:
        assert ids(caller) == list(range(6))
    roots[1].done(
        "CreateRowPolicy",
        collection_name=notes,
        policy_name="own",
        actions=list(milvus.RowPolicyAction.values()),
        roles=["reader"],
        using_expr="tenant == $current_user_tags['tenant']",
    )
    try:
        for caller in callers:
            for _ in range(OFTEN):
                assert ids(caller, "tenant == 'b' or id >= 0") == [0, 2, 4]
        roots[0].done("AddUserTags", user_name=name, tags={"tenant": "b"})
        for caller in callers:
            assert ids(caller) == [1, 3, 5]
    finally:
        roots[0].done("DropRowPolicy", collection_name=notes, policy_name="own")
    for caller in callers:
        assert ids(caller) == list(range(6))


def test_limits_of_a_user_hold_in_each_process(server, papers, channels, user):
    name = user.partition(":")[0]
    callers = [Caller(one, user) for one in channels]
    for caller in callers:
        for _ in range(OFTEN):
            assert code(caller) == 0
    body = {"userName": name, "limits": {"dql.queryRate.max": 0.001}}
    post(server, papers, "users/set_limits", f"root:{PASSWORD}", body)
    for caller in callers:
        # A second's worth may have been left; then it takes a quarter of an hour.
        assert RATE_LIMIT in (code(caller), code(caller))
    body["limits"] = {"dql.queryRate.max": 1e9}
    post(server, papers, "users/set_limits", f"root:{PASSWORD}", body)
    for caller in callers:
        assert code(caller) == 0


def test_each_process_writes_down_what_it_answers(place, server, channels, user, roots):
    for channel in channels:
        assert code(Caller(channel, user)) == 0
        wrong = Caller(channel, user + "x")
        assert code(wrong) is UNKNOWN
    drop = milvus.DropCollectionRequest(collection_name="none of these").SerializeToString()
    # Nobody may say that they come from elsewhere.
    told = [header(f"root:{PASSWORD}"), ("elanus-client-address", "192.0.2.1")]
    raw_call(channels[0], "DropCollection")(drop, metadata=told)
    name = user.partition(":")[0]
    for number in range(1, WORKERS + 1):
        found = _recorded(place / f"audit.log.worker-{number}", name, 2)
        assert [(one["call"], one["code"]) for one in found] == [("Query", 0), ("Query", 1400)]
        assert found[0]["collection"] == "notes"
        assert found[0]["rows"] == 6
        assert {one["address"] for one in found} == {"127.0.0.1"}
    until(lambda: "DropCollection" in (place / "audit.log").read_text())
    *_, last = _recorded(place / "audit.log", "root", 1)
    assert last["call"] == "DropCollection"
    assert last["address"] == "127.0.0.1"


def _recorded(file: Path, user: str, count: int) -> list[dict[str, Any]]:
    """Return what is written down of a user, once there are so many lines."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        found[:] = [one for one in lines if one.get("user") == user]
        return len(found) >= count

    until(is_there)
    return found


def test_counts_of_calls_and_refusals_are_those_of_all_processes(server, channels, user):
    def counted(status: str) -> float:
        return metric(server.ports, "milvus_proxy_req_count", function_name="Query", status=status)

    before = counted("success"), counted("fail")
    for channel in channels:
        caller = Caller(channel, user)
        for _ in range(OFTEN):
            assert code(caller) == 0
        assert caller.code("Query", collection_name="none", expr="id >= 0") not in (0, None)
    assert counted("success") == before[0] + WORKERS * OFTEN


def test_a_search_that_nobody_waits_for_ends_in_each_process(server, channels):
    told = [header(f"root:{PASSWORD}")]
    long = request()

    def running() -> float:
        return metric(server.ports, "elanus_calls", state="running")

    for channel in channels:
        search = raw_call(channel, "Search").future(long, metadata=told)
        until(lambda: running() == 1)
        search.cancel()
        until(lambda: running() == 0)
        with pytest.raises(grpc.RpcError) as late:
            raw_call(channel, "Search")(long, metadata=told, timeout=0.5)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        until(lambda: running() == 0)
