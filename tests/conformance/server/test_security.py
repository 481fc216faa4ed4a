"""Nobody does what nothing allows: credentials, roles, TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

import elanus
from elanus.errors import AuthenticationError, InvalidArgumentError
from elanus_server import Settings, serve, serve_local
from elanus_server.security.privileges import OPEN
from elanus_server.service.all_calls import METHODS
from elanus_server.wire import SERVICE
from support.certificates import certificate
from support.running_server import Running

PASSWORD = "root-Password"


@contextlib.contextmanager
def served(**options):
    """A server in a thread; yields its port."""
    with Running(Settings(port=0, metrics_port=None, **options)) as running:
        yield running.ports.grpc


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("secure") / "kb")
    with served(path=path, auth=True, root_password=PASSWORD) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def root(address):
    client = MilvusClient(f"http://{address}", token=f"root:{PASSWORD}")
    yield client
    for name in client.list_collections():
        for alias in client.list_aliases(name)["aliases"]:
            client.drop_alias(alias)
        client.drop_collection(name)
    for user in client.list_users():
        if user != "root":
            client.drop_user(user)
    for role in client.list_roles():
        if role not in ("admin", "public"):
            client.drop_role(role, force_drop=True)
    for group in client.list_privilege_groups():
        with contextlib.suppress(MilvusException):
            client.drop_privilege_group(group["privilege_group"])


def header(user: str, password: str):
    return ("authorization", base64.b64encode(f"{user}:{password}".encode()).decode())


def statuses_of(address: str, names, metadata) -> dict[str, grpc.StatusCode]:
    """Make calls with empty messages; return how gRPC says that each ended."""
    found = {}
    with grpc.insecure_channel(address) as channel:
        for name in names:
            call = channel.unary_unary(f"/{SERVICE.full_name}/{name}")
            try:
                call(b"", timeout=60, metadata=metadata)
                found[name] = grpc.StatusCode.OK
            except grpc.RpcError as error:
                found[name] = error.code()
    return found


def status_of(address: str, name: str, metadata) -> grpc.StatusCode:
    return statuses_of(address, [name], metadata)[name]


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "")],
        [("authorization", "not base64 at all")],
        [header("root", "wrong")],
        [header("nobody", PASSWORD)],
        [header("", "")],
        [("authorization", base64.b64encode(b"\xff\xfe:x").decode())],
    ],
    ids=["none", "empty", "garbage", "wrong", "nobody", "blank", "bytes"],
)
def test_no_call_without_the_right_credentials(address, metadata):
    refused = grpc.StatusCode.UNAUTHENTICATED
    names = sorted(METHODS)
    assert len(names) > 80
    assert statuses_of(address, names, metadata) == dict.fromkeys(names, refused)


def test_no_call_of_a_user_without_a_role(address, root):
    """What is open shows nothing that the user may not use."""
    root.create_user("weak", "weak-password")
    metadata = [header("weak", "weak-password")]
    found = statuses_of(address, METHODS, metadata)
    # Own account: the message is empty, so it names nobody.
    allowed = {name for name, code in found.items() if code is grpc.StatusCode.OK}
    assert allowed == OPEN & set(METHODS)
    assert set(found.values()) == {grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED}
    root.create_collection("secret", 4)
    weak = MilvusClient(f"http://{address}", token="weak:weak-password")
    assert weak.list_collections() == []
    assert weak.list_databases() == []


def collection(root: MilvusClient, name: str) -> None:
    schema = root.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    params = root.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    root.create_collection(name, schema=schema, index_params=params)
    root.insert(name, [{"id": 1, "vector": [1, 2]}])


def denied(action) -> None:
    with pytest.raises((MilvusException, grpc.RpcError), match="permission deny"):
        action()


def test_a_role_may_do_what_was_granted_and_no_more(address, root):
    collection(root, "one")
    collection(root, "two")
    root.create_user("reader", "reader-password")
    root.create_role("read_one")
    root.grant_privilege_v2("read_one", "Search", "one")
    root.grant_role("reader", "read_one")
    reader = MilvusClient(f"http://{address}", token="reader:reader-password")
    assert len(reader.search("one", [[1, 2]])[0]) == 1
    assert reader.describe_collection("one")["collection_name"] == "one"
    assert reader.list_collections() == ["one"]
    denied(lambda: reader.query("one", filter="id > 0"))
    denied(lambda: reader.insert("one", [{"id": 2, "vector": [1, 2]}]))
    denied(lambda: reader.search("two", [[1, 2]]))
    denied(lambda: reader.drop_collection("one"))
    denied(lambda: reader.create_user("other", "other-password"))
    denied(lambda: reader.grant_privilege_v2("read_one", "Insert", "one"))
    # An alias is no way round.
    root.create_alias("two", "alias_of_two")
    denied(lambda: reader.search("alias_of_two", [[1, 2]]))
    root.create_alias("one", "alias_of_one")
    assert len(reader.search("alias_of_one", [[1, 2]])[0]) == 1
    denied(lambda: reader.alter_alias("two", "alias_of_one"))
    root.revoke_privilege_v2("read_one", "Search", "one")
    denied(lambda: reader.search("one", [[1, 2]]))


def test_groups_of_privileges(address, root):
    collection(root, "one")
    collection(root, "two")
    root.create_user("writer", "writer-password")
    root.create_role("writes")
    root.grant_role("writer", "writes")
    root.grant_privilege_v2("writes", "CollectionReadWrite", "one", db_name="default")
    writer = MilvusClient(f"http://{address}", token="writer:writer-password")
    assert writer.insert("one", [{"id": 2, "vector": [1, 2]}])["insert_count"] == 1
    assert len(writer.query("one", filter="id > 0")) == 2
    denied(lambda: writer.insert("two", [{"id": 2, "vector": [1, 2]}]))
    denied(lambda: writer.drop_collection("one"))
    root.create_privilege_group("mine")
    root.add_privileges_to_group("mine", ["Query", "Insert"])
    root.grant_privilege_v2("writes", "mine", "*")
    assert len(writer.query("two", filter="id > 0")) == 1
    denied(lambda: writer.search("two", [[1, 2]]))
    root.remove_privileges_from_group("mine", ["Query"])
    denied(lambda: writer.query("two", filter="id > 0"))
    with pytest.raises(MilvusException, match="is used by role"):
        root.drop_privilege_group("mine")
    assert writer.insert("two", [{"id": 2, "vector": [1, 2]}])["insert_count"] == 1
    groups = {g["privilege_group"]: g["privileges"] for g in root.list_privilege_groups()}
    assert list(groups["mine"]) == ["Insert"]
    assert "Search" in groups["CollectionReadOnly"]
    root.revoke_privilege_v2("writes", "mine", "*")


def test_a_grant_of_one_database_holds_in_no_other(address, root):
    collection(root, "one")
    root.create_database("other")
    elsewhere = MilvusClient(f"http://{address}", token=f"root:{PASSWORD}", db_name="other")
    collection(elsewhere, "one")
    root.create_user("local", "local-password")
    root.create_role("in_other")
    root.grant_role("local", "in_other")
    root.grant_privilege_v2("in_other", "CollectionAdmin", "*", db_name="other")
    inside = MilvusClient(f"http://{address}", token="local:local-password", db_name="other")
    assert len(inside.query("one", filter="id > 0")) == 1
    assert inside.list_databases() == ["other"]
    outside = MilvusClient(f"http://{address}", token="local:local-password")
    denied(lambda: outside.query("one", filter="id > 0"))
    denied(lambda: outside.use_database("default"))
    outside.use_database("other")
    assert len(outside.query("one", filter="id > 0")) == 1
    denied(lambda: inside.rename_collection("one", "moved", target_db="default"))
    elsewhere.drop_collection("one")
    root.drop_database("other")


def test_grants_are_listed(root):
    collection(root, "one")
    root.create_role("lists", description="for tests")
    root.grant_privilege("lists", "Collection", "Insert", "one")
    root.grant_privilege_v2("lists", "COLL_RO", "one")
    described = root.describe_role("lists")
    assert described["role"] == "lists"
    kept = {(p["object_type"], p["object_name"], p["privilege"]) for p in described["privileges"]}
    assert kept == {("Collection", "one", "Insert"), ("Global", "one", "CollectionReadOnly")}
    root.grant_privilege_v2("lists", "CollectionAdmin", "one", "other")
    everywhere = root._get_connection().select_grant_for_one_role("lists", "*")
    assert sorted(grant.db_name for grant in everywhere.groups) == ["default", "default", "other"]
    root.revoke_privilege_v2("lists", "CollectionAdmin", "one", "other")
    with pytest.raises(MilvusException, match="it has privileges"):
        root.drop_role("lists")
    root.revoke_privilege("lists", "Collection", "Insert", "one")
    root.revoke_privilege_v2("lists", "CollectionReadOnly", "one")
    root.drop_role("lists")
    assert "lists" not in root.list_roles()
    root.create_role("again")
    with pytest.raises(MilvusException, match="privilege name"):
        root.grant_privilege_v2("again", "Fly", "one")


def test_users_change_their_own_password(address, root):
    root.create_user("ann", "first-password")
    root.create_user("bob", "bobs-password")
    assert root.list_users() == ["ann", "bob", "root"]
    with pytest.raises(MilvusException, match="user already exists"):
        root.create_user("ann", "first-password")
    with pytest.raises(MilvusException, match="invalid password length"):
        root.create_user("carl", "short")
    ann = MilvusClient(f"http://{address}", token="ann:first-password")
    with pytest.raises(MilvusException, match="old password not correct"):
        ann.update_password("ann", "wrong-password", "second-password")
    denied(lambda: ann.update_password("bob", "bobs-password", "mine-now"))
    ann.update_password("ann", "first-password", "second-password")
    assert status_of(address, "Connect", [header("ann", "first-password")]) is (
        grpc.StatusCode.UNAUTHENTICATED
    )
    assert status_of(address, "Connect", [header("ann", "second-password")]) is grpc.StatusCode.OK
    root.grant_role("ann", "admin")
    assert root.describe_user("ann")["roles"] == ("admin",)
    # Who is an administrator need not know the passwords of others.
    root.update_password("bob", "", "set-by-root")
    assert status_of(address, "Connect", [header("bob", "set-by-root")]) is grpc.StatusCode.OK
    root.drop_user("ann")
    assert status_of(address, "Connect", [header("ann", "second-password")]) is (
        grpc.StatusCode.UNAUTHENTICATED
    )
    with pytest.raises(MilvusException, match="root user cannot be deleted"):
        root.drop_user("root")


def test_accounts_outlive_the_server_and_are_not_shown(tmp_path):
    path = str(tmp_path / "kb")
    with served(path=path, auth=True, root_password=PASSWORD) as port:
        root = MilvusClient(f"http://127.0.0.1:{port}", token=f"root:{PASSWORD}")
        root.create_user("kept", "kept-password")
        assert root.list_databases() == ["default"]
        for action in (
            lambda: root.describe_database("_elanus_server"),
            lambda: root.drop_database("_elanus_server"),
            lambda: root.create_database("_elanus_server"),
            lambda: root.alter_database_properties("_elanus_server", {"accounts": "{}"}),
        ):
            with pytest.raises(MilvusException):
                action()
    with served(path=path, auth=True, root_password="ignored-later") as port:
        address = f"127.0.0.1:{port}"
        assert status_of(address, "Connect", [header("kept", "kept-password")]) is (
            grpc.StatusCode.OK
        )
        assert status_of(address, "Connect", [header("root", PASSWORD)]) is grpc.StatusCode.OK
        assert status_of(address, "Connect", [header("root", "ignored-later")]) is (
            grpc.StatusCode.UNAUTHENTICATED
        )
    for file in (tmp_path / "kb").rglob("*"):
        if file.is_file():
            assert b"kept-password" not in file.read_bytes()


def test_a_password_is_made_up_and_printed_once(tmp_path):
    path = str(tmp_path / "kb")
    command = [sys.executable, "-m", "elanus_server", path, "--port", "0", "--auth"]
    command += ["--metrics-port", "none"]
    environment = {"PATH": "/usr/bin:/bin"}
    outputs = []
    for _ in range(2):
        program = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1
        )
        lines = []
        while "Ctrl-C" not in (line := program.stdout.readline()):
            lines.append(line)
        program.terminate()
        assert program.wait(30) == 0
        outputs.append("".join(lines))
    assert "The user root was made with the password" in outputs[0]
    assert "The user root" not in outputs[1]


def test_tls_one_way_and_mutual(tmp_path):
    authority, _, signer = certificate(tmp_path, "authority")
    cert, key, _ = certificate(tmp_path, "server", signer)
    own, own_key, _ = certificate(tmp_path, "client", signer)
    stranger, stranger_key, _ = certificate(tmp_path, "stranger")
    with served(path=":memory:", tls_cert=cert, tls_key=key) as port:
        client = MilvusClient(
            f"https://localhost:{port}", server_pem_path=authority, server_name="localhost"
        )
        client.create_collection("c", 2)
        assert client.list_collections() == ["c"]
        assert status_of(f"127.0.0.1:{port}", "Connect", []) is grpc.StatusCode.UNAVAILABLE
    with served(path=":memory:", tls_cert=cert, tls_key=key, tls_client_ca=authority) as port:
        client = MilvusClient(
            f"https://localhost:{port}",
            client_pem_path=own,
            client_key_path=own_key,
            ca_pem_path=authority,
            server_name="localhost",
        )
        assert client.list_collections() == []
        for pair in ((None, None), (stranger, stranger_key)):
            chain, private = (Path(file).read_bytes() if file else None for file in pair)
            trusted = grpc.ssl_channel_credentials(Path(authority).read_bytes(), private, chain)
            with grpc.secure_channel(f"localhost:{port}", trusted) as channel:
                call = channel.unary_unary(f"/{SERVICE.full_name}/Connect")
                with pytest.raises(grpc.RpcError) as raised:
                    call(b"", timeout=5)
                assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tls_cert": "/none.pem"}, "expected both tls_cert and tls_key"),
        ({"tls_cert": "/none.pem", "tls_key": "/none.key"}, "cannot read /none.key"),
        ({"tls_client_ca": "/none.pem"}, "needs tls_cert and tls_key"),
    ],
)
def test_wrong_certificates_say_so(options, text):
    with pytest.raises(elanus.errors.InvalidArgumentError, match=text):
        asyncio.run(
            serve(Settings(":memory:", port=0, metrics_port=None, **options), stop=asyncio.Event())
        )


def test_snapshots_imports_and_stored_vectors_need_their_privileges(address, root):
    collection(root, "one")
    collection(root, "two")
    root.create_database("elsewhere")
    root.create_user("keeper", "keeper-password")
    root.create_role("keeps")
    root.grant_role("keeper", "keeps")
    root.grant_privilege_v2("keeps", "Search", "one")
    keeper = MilvusClient(f"http://{address}", token="keeper:keeper-password")
    handler = keeper._get_connection()
    denied(lambda: keeper.create_snapshot("s", "one"))
    denied(lambda: handler.do_bulk_insert("one", "", ["x.json"]))
    denied(lambda: keeper.create_resource_group("group"))
    denied(lambda: keeper.add_file_resource("name", "x.txt"))
    denied(lambda: keeper.add_collection_function("one", embedding()))
    for privilege in ("CreateSnapshot", "ListSnapshots", "RestoreSnapshot", "Import"):
        root.grant_privilege_v2("keeps", privilege, "one", db_name="default")
    keeper.create_snapshot("s", "one")
    root.create_snapshot("hidden", "two")
    assert keeper.list_snapshots("one") == ["s"]
    denied(lambda: keeper.list_snapshots("two"))
    denied(lambda: keeper.restore_snapshot("hidden", "two", "copy"))
    # Nobody gets a collection into a database in which nothing was granted.
    denied(lambda: keeper.restore_snapshot("s", "one", "copy", target_db_name="elsewhere"))
    with pytest.raises(MilvusException, match="without --import-folder"):
        handler.do_bulk_insert("one", "", ["x.json"])
    ids = schema_pb2.IDs(int_id=schema_pb2.LongArray(data=[1]))
    for name in ("one", "two"):
        given = milvus_pb2.VectorIDs(collection_name=name, field_name="vector", id_array=ids)
        side = milvus_pb2.VectorsArray(id_array=given)
        request = milvus_pb2.CalcDistanceRequest(op_left=side, op_right=side)
        denied(lambda request=request: ask(handler, "CalcDistance", request))
    root.grant_privilege_v2("keeps", "Query", "one", db_name="default")
    request.op_left.id_array.collection_name = "one"
    denied(lambda: ask(handler, "CalcDistance", request))
    request.op_right.id_array.collection_name = "one"
    assert list(ask(handler, "CalcDistance", request).float_dist.data) == [0.0]
    root.drop_snapshot("hidden", "two")
    root.drop_database("elsewhere")


def ask(handler, name, request):
    return getattr(handler._stub, name)(request)


def embedding():
    return Function("f", FunctionType.TEXTEMBEDDING, ["text"], ["vector"])


def test_a_server_of_a_notebook_takes_every_setting():
    with serve_local(":memory:", auth=True, root_password=PASSWORD, workers=0) as uri:
        with elanus.connect(uri, token=f"root:{PASSWORD}") as database:
            assert database.list_collections() == []
        with pytest.raises(AuthenticationError, match="give token="):
            elanus.connect(uri)
    with pytest.raises(InvalidArgumentError, match="auth=True needs root_password="):
        serve_local(":memory:", auth=True).__enter__()
    with pytest.raises(TypeError, match="'prot'"):
        serve_local(":memory:", prot=1).__enter__()
