"""The client's protocol lets nobody do what nothing allows."""

from __future__ import annotations

import contextlib
import logging

import numpy as np
import pytest
from pymilvus import MilvusClient

import elanus
from elanus.errors import (
    AccessError,
    AuthenticationError,
    ClosedError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ServerConnectionError,
)
from elanus.remote import COLLECTION_CALLS, DATABASE_CALLS, HELD_CALLS
from elanus.remote.address import Address
from elanus.remote.collection import Place, RemoteCollection
from elanus.remote.database import Connection, RemoteDatabase
from elanus.remote.transport import Transport
from elanus_server import Settings
from elanus_server.kept import RESERVED_DATABASE
from elanus_server.native.privileges import COLLECTION, DATABASE
from support.certificates import certificate
from support.running_server import Running, shared_server

PASSWORD = "root-Password"
# What everybody who is known may ask; the lists hold only what the user may use.
OPEN = {"database.hello", "database.list_collections", "database.list_databases"}
OPEN_WITH_ARGUMENTS = {"database.use_database"}
SCHEMA = elanus.Schema(
    [
        elanus.Field("id", elanus.INT64, primary=True),
        elanus.Field("v", elanus.FLOAT_VECTOR, dim=2, metric="L2"),
    ]
)
EVERYTHING = {
    *(f"collection.{name}" for name in COLLECTION_CALLS),
    *(f"database.{name}" for name in DATABASE_CALLS),
    *(f"held.{name}" for name in HELD_CALLS),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("secure") / "kb")
    with shared_server(path, auth=True, root_password=PASSWORD) as found:
        yield found


@pytest.fixture
def root(address):
    with elanus.connect(address, token=f"root:{PASSWORD}") as database:
        yield database
        for alias in database.list_aliases():
            database.drop_alias(alias)
        for name in database.list_collections():
            database.drop_collection(name)


@pytest.fixture
def accounts(address):
    client = MilvusClient(address, token=f"root:{PASSWORD}")
    yield client
    for user in client.list_users():
        if user != "root":
            client.drop_user(user)
    for role in client.list_roles():
        if role not in ("admin", "public"):
            client.drop_role(role, force_drop=True)
    client.close()


def user(accounts, name: str, *grants: tuple[str, str], database: str | None = None) -> str:
    """Make a user with privileges on collections; return the token."""
    accounts.create_user(name, f"{name}-Password")
    if grants:
        accounts.create_role(f"role_{name}")
        for privilege, collection in grants:
            where = database or ("*" if collection == "*" else "default")
            accounts.grant_privilege_v2(f"role_{name}", privilege, collection, db_name=where)
        accounts.grant_role(name, f"role_{name}")
    return f"{name}:{name}-Password"


def filled(database, name: str):
    made = database.create_collection(name, SCHEMA)
    made.insert({"id": [1, 2], "v": np.eye(2, dtype=np.float32)})
    return made


def arguments(call: str) -> tuple:
    """Return arguments that a call on a database takes: what is checked first are names."""
    return {
        "alter_alias": ("x", "secret"),
        "alter_database_properties": ("default", {}),
        "backup": ("/tmp/x",),
        "collection": ("secret",),
        "create_alias": ("x", "secret"),
        "create_collection": ("new", SCHEMA),
        "create_database": ("new",),
        "describe_snapshot": ("x", "secret"),
        "drop_alias": ("x",),
        "drop_collection": ("secret",),
        "drop_database": ("other",),
        "drop_database_properties": ("default", "x"),
        "drop_snapshot": ("x",),
        "restore_snapshot": ("x", "secret", "new"),
        "has_collection": ("secret",),
        "rename_collection": ("secret", "mine"),
        "snapshot": ("x",),
        "use_database": ("other",),
    }.get(call, ())


def outcome(address: str, token: str | None, call: str, place: Place, *args):
    """Make a call, whatever stands in its way; return the class of the error, or None."""
    transport = Transport(Address.parse(address, token), timeout=30, context=None)
    connection = Connection(transport, read_only=False)
    kwargs = {"protocol": 1} if call == "database.hello" else {}
    owner, _, name = call.partition(".")
    given = args or (arguments(name) if owner == "database" else ())
    try:
        connection.call(call, place, given, kwargs)
    except Exception as error:  # noqa: BLE001 - that is what is asked
        return type(error)
    finally:
        transport.release()
    return None


@pytest.mark.parametrize(
    "token",
    [None, "", "no colon", "root:wrong", f"nobody:{PASSWORD}", ":", "\u00fc:\u00fc"],
    ids=["none", "empty", "token", "wrong", "nobody", "blank", "not ascii"],
)
def test_no_call_without_the_right_credentials(address, root, token):
    secret = filled(root, "secret")
    place = Place("default", "secret", secret.identifier)
    assert len(EVERYTHING) > 90
    found = {call: outcome(address, token, call, place) for call in sorted(EVERYTHING)}
    assert found == dict.fromkeys(EVERYTHING, AuthenticationError)
    assert outcome(address, token, "collection.nothing", place) is AuthenticationError
    with pytest.raises(AuthenticationError, match="token='user:password'"):
        elanus.connect(address, token=token)


def test_no_call_of_a_user_without_a_role(address, root, accounts):
    secret = filled(root, "secret")
    root.create_database("other")
    token = user(accounts, "weak")
    place = Place("default", "secret", secret.identifier)
    found = {call: outcome(address, token, call, place) for call in sorted(EVERYTHING)}
    assert {call for call, kind in found.items() if kind is None} == OPEN | {"held.close"}
    # What is not there, or what nobody shows.
    unknown = {call for call, kind in found.items() if kind is NotFoundError}
    assert unknown == OPEN_WITH_ARGUMENTS | {f"held.{n}" for n in HELD_CALLS if n != "close"}
    others = set(found.values()) - {None, NotFoundError}
    assert others == {PermissionDeniedError}
    with elanus.connect(address, token=token) as database:
        assert database.list_collections() == []
        assert database.list_databases() == []
    assert secret.count() == 2
    root.drop_database("other")


def test_every_call_is_like_one_of_milvus_or_for_administrators():
    administrators = {"backup", "stats"}
    assert set(DATABASE_CALLS) - set(DATABASE) == administrators
    assert set(COLLECTION_CALLS) == set(COLLECTION)


def test_what_was_granted_and_no_more(address, root, accounts):
    filled(root, "one")
    secret = filled(root, "secret")
    token = user(accounts, "reader", ("Search", "one"))
    with elanus.connect(address, token=token) as database:
        one = database.collection("one")
        assert [hit.id for hit in one.search([1.0, 0.0], "v")] == [1, 2]
        assert len(next(one.search_iterator([1.0, 0.0], "v"))) == 2
        assert one.schema == SCHEMA
        assert database.list_collections() == ["one"]
        for action in (
            one.query,
            one.count,
            lambda: list(one.query_iterator()),
            one.to_arrow,
            lambda: one.insert([{"id": 3, "v": [0, 1]}]),
            lambda: one.import_data([{"id": 3, "v": [0, 1]}], progress=False),
            one.drop,
            lambda: one.alter_properties({"a": 1}),
            lambda: database.collection("secret"),
            lambda: database.drop_collection("one"),
            lambda: database.rename_collection("one", "two"),
            lambda: database.create_collection("mine", SCHEMA),
            lambda: database.create_database("mine"),
            lambda: database.backup("/tmp/backup"),
            database.stats,
            lambda: database.snapshot("x"),
            database.list_snapshots,
            lambda: database.snapshot("x", collection="one"),
            lambda: database.restore_snapshot("x", "one", "copy"),
        ):
            with pytest.raises(PermissionDeniedError, match="permission deny to reader"):
                action()
        # Neither an alias nor the identifier of another collection is a way round.
        root.create_alias("alias_of_secret", "secret")
        root.create_alias("alias_of_one", "one")
        with pytest.raises(PermissionDeniedError):
            database.collection("alias_of_secret")
        assert database.collection("alias_of_one") == one
        forged = RemoteCollection(
            database._connection,
            Place("default", "one", secret.identifier),
            SCHEMA,
        )
        with pytest.raises(PermissionDeniedError):
            forged.search([1.0, 0.0], "v")
        # What a collection is called now counts.
        root.rename_collection("one", "renamed")
        with pytest.raises(PermissionDeniedError):
            one.search([1.0, 0.0], "v")
    with pytest.raises(AccessError):
        elanus.connect(address, token="reader:other")


def test_a_grant_of_one_database_holds_in_no_other(address, root, accounts):
    filled(root, "one")
    root.create_database("other")
    with root.use_database("other") as other:
        filled(other, "one")
    token = user(accounts, "local", ("CollectionAdmin", "*"), database="other")
    with elanus.connect(address, token=token, database="other") as database:
        assert database.collection("one").count() == 2
        assert database.list_databases() == ["other"]
        with pytest.raises(PermissionDeniedError):
            database.rename_collection("one", "moved", database="default")
    with (
        elanus.connect(address, token=token) as outside,
        pytest.raises(PermissionDeniedError),
    ):
        outside.collection("one")
    with root.use_database("other") as other:
        other.drop_collection("one")
    root.drop_database("other")


def test_what_is_kept_is_its_users_alone(address, root, accounts):
    made = filled(root, "one")
    iterator = root.collection("one").query_iterator(batch_size=1)
    assert next(iterator) == [{"id": 1}]
    token = user(accounts, "other", ("CollectionReadWrite", "one"))
    number = iterator._number
    place = Place("default", "one", made.identifier)
    assert outcome(address, token, "held.next", place, number) is NotFoundError
    assert outcome(address, token, "held.close", place, number) is None
    assert next(iterator) == [{"id": 2}]
    # A privilege that was taken away is missed at once.
    with elanus.connect(address, token=token) as database:
        mine = database.collection("one").query_iterator(batch_size=1)
        next(mine)
        accounts.revoke_privilege_v2("role_other", "CollectionReadWrite", "one", db_name="default")
        with pytest.raises(PermissionDeniedError):
            next(mine)


def test_the_accounts_are_out_of_reach(address, root):
    with pytest.raises(NotFoundError):
        elanus.connect(address, token=f"root:{PASSWORD}", database=RESERVED_DATABASE)
    assert RESERVED_DATABASE not in root.list_databases()
    one = filled(root, "one")
    for action in (
        lambda: root.use_database(RESERVED_DATABASE),
        lambda: root.drop_database(RESERVED_DATABASE),
        lambda: root.database_properties(RESERVED_DATABASE),
        lambda: root.rename_collection("one", "x", database=RESERVED_DATABASE),
    ):
        with pytest.raises(NotFoundError):
            action()
    forged = RemoteDatabase(root._connection, RESERVED_DATABASE)
    with pytest.raises(NotFoundError):
        forged.list_collections()
    with pytest.raises(NotFoundError):
        root.collection(f"{RESERVED_DATABASE}/x")
    assert not [name for name in root.stats().collections if name.startswith(RESERVED_DATABASE)]
    one.drop()
    with pytest.raises(ClosedError):
        one.count()


def test_credentials_are_shown_nowhere(address, root, caplog):
    caplog.set_level(logging.DEBUG)
    with elanus.connect(address, token=f"root:{PASSWORD}") as database:
        made = filled(database, "one")
        with contextlib.suppress(elanus.ElanusError):
            made.query("nonsense >")
        shown = repr(database) + repr(made) + repr(database._connection.transport)
        shown += repr(database._connection.transport.address)
    with pytest.raises(InvalidArgumentError, match="token='user:password'") as caught:
        elanus.connect("http://root:secret-word@127.0.0.1:1")
    assert PASSWORD not in shown + caplog.text
    assert "secret-word" not in str(caught.value) + repr(caught.value)
    with pytest.raises(AuthenticationError) as refused:
        elanus.connect(address, token="root:secret-word")
    assert "secret-word" not in str(refused.value)


def test_tls(tmp_path):
    authority, _, signer = certificate(tmp_path, "authority")
    cert, key, _ = certificate(tmp_path, "server", signer)
    own, own_key, _ = certificate(tmp_path, "client", signer)
    settings = Settings(
        ":memory:",
        port=0,
        metrics_port=None,
        tls_cert=cert,
        tls_key=key,
        tls_client_ca=authority,
    )
    with Running(settings) as server:
        port = server.ports.grpc
        for scheme in ("https", "grpcs"):
            with elanus.connect(
                f"{scheme}://localhost:{port}", tls_ca=authority, tls_cert=own, tls_key=own_key
            ) as database:
                assert database.list_collections() == []
        with pytest.raises(ServerConnectionError, match="certificate is not trusted; tls_ca="):
            elanus.connect(f"https://localhost:{port}")
        with pytest.raises(ServerConnectionError):
            elanus.connect(f"https://localhost:{port}", tls_ca=authority)
        with pytest.raises(ServerConnectionError, match="if and only if the server talks TLS"):
            elanus.connect(f"http://localhost:{port}")
    with pytest.raises(InvalidArgumentError, match="TLS: cannot use"):
        elanus.connect("https://localhost:1", tls_ca=str(tmp_path / "none.pem"))
