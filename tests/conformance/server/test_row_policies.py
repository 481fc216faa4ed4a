"""What row policies hide exists for nobody whom they bind, whichever call asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import AnnSearchRequest, DataType, MilvusClient, MilvusException, RRFRanker

import elanus
from elanus_server import Settings
from elanus_server.security.policies import OF_BOUND_USERS
from elanus_server.service.all_calls import METHODS
from elanus_server.wire import milvus
from support.rest_client import RestClient
from support.running_server import Running
from support.secured import PASSWORD, Caller

ACTIONS = list(milvus.RowPolicyAction.values())
SECRET = "classified"
DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = str(tmp_path_factory.mktemp("policies") / "kb")
    with Running(
        Settings(path, port=0, metrics_port=None, auth=True, root_password=PASSWORD)
    ) as found:
        yield found


@pytest.fixture(scope="module")
def uri(running: Running) -> str:
    return f"http://127.0.0.1:{running.ports.grpc}"


@pytest.fixture(scope="module")
def channel(uri: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(uri.removeprefix("http://")) as made:
        yield made


@pytest.fixture(scope="module")
def root(channel: grpc.Channel) -> Caller:
    return Caller(channel, f"root:{PASSWORD}")


@pytest.fixture(scope="module")
def admin(uri: str) -> Iterator[MilvusClient]:
    client = MilvusClient(uri, token=f"root:{PASSWORD}")
    for user in ("ann", "bob", "eve"):
        client.create_user(user, f"{user}-password")
    client.create_role("staff")
    for group in ("CollectionAdmin", "DatabaseAdmin", "ClusterReadOnly"):
        client.grant_privilege_v2("staff", group, "*", db_name="*")
    for user in ("ann", "bob", "eve"):
        client.grant_role(user, "staff")
    yield client
    client.close()


def client_of(uri: str, user: str) -> MilvusClient:
    return MilvusClient(uri, token=f"{user}:{user}-password")


def entity(key: int, tenant: str) -> dict[str, Any]:
    text = f"{SECRET} paper" if tenant == "b" else "open paper"
    return {"id": key, "tenant": tenant, "text": text, "vector": [float(key), 0.0]}


@pytest.fixture
def notes(admin: MilvusClient, root: Caller) -> Iterator[str]:
    schema = admin.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=20)
    schema.add_field("text", DataType.VARCHAR, max_length=200)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    params = admin.prepare_index_params()
    params.add_index("vector", metric_type="L2")
    admin.create_collection("notes", schema=schema, index_params=params)
    admin.insert("notes", [entity(key, "a" if key < 4 else "b") for key in range(1, 7)])
    for user, tenant in (("ann", "a"), ("bob", "b")):
        root.done("AddUserTags", user_name=user, tags={"tenant": tenant})
    root.done(
        "CreateRowPolicy",
        collection_name="notes",
        policy_name="own",
        actions=ACTIONS,
        roles=["staff"],
        using_expr="tenant == $current_user_tags['tenant']",
    )
    yield "notes"
    for alias in admin.list_aliases("notes")["aliases"]:
        admin.drop_alias(alias)
    admin.drop_collection("notes")


def keys(found: Any) -> list[int]:
    return sorted(one["id"] for one in found)


@pytest.mark.parametrize(
    "asked", ["id >= 0", "tenant == 'b' or id > 0", "(tenant == 'a') or (1 == 1)", "true or true"]
)
def test_every_kind_of_read_is_bound(uri: str, notes: str, asked: str) -> None:
    ann, bob = client_of(uri, "ann"), client_of(uri, "bob")
    for client, own in ((ann, [1, 2, 3]), (bob, [4, 5, 6])):
        everything = [1, 2, 3, 4, 5, 6]
        assert keys(client.query(notes, filter=asked)) == own
        assert keys(client.get(notes, everything)) == own
        (hits,) = client.search(notes, [[0.0, 0.0]], filter=asked, limit=10)
        assert keys(hits) == own
        legs = [AnnSearchRequest([[0.0, 0.0]], "vector", {}, 9, asked) for _ in range(2)]
        assert keys(client.hybrid_search(notes, legs, RRFRanker(), limit=9)[0]) == own
        (grouped,) = client.search(
            notes, [[0.0, 0.0]], filter=asked, limit=9, group_by_field="tenant", group_size=9
        )
        assert keys(grouped) == own
        assert client.query(notes, filter=asked, output_fields=["count(*)"]) == [{"count(*)": 3}]
        assert client.get_collection_stats(notes)["row_count"] == 3
        assert client.get_partition_stats(notes, "_default")["row_count"] == 3
        assert client.describe_index(notes, "vector")["total_rows"] == 3
        batches = client.query_iterator(notes, batch_size=2, filter=asked)
        found = []
        while batch := batches.next():
            found += batch
        assert keys(found) == own
        paged = client.search_iterator(notes, [[0.0, 0.0]], batch_size=2, filter=asked, limit=9)
        found = []
        while batch := paged.next():
            found += batch
        assert keys(found) == own
    with pytest.raises(MilvusException, match=r"no entity|not found"):
        ann.search(notes, ids=[5], limit=3)
    ann.close()
    bob.close()


def test_rest_is_bound_as_well(uri: str, notes: str) -> None:
    rest = RestClient(uri)
    ann = {"Authorization": "Bearer ann:ann-password"}

    def data(path: str, **body: Any) -> Any:
        told = rest.post(path, ann, collectionName=notes, **body)
        assert told["code"] == 0, told
        return told["data"]

    assert keys(data("entities/query", filter="id > 0 or true")) == [1, 2, 3]
    assert keys(data("entities/get", id=[1, 5])) == [1]
    assert keys(data("entities/search", data=[[0, 0]], annsField="vector")) == [1, 2, 3]
    assert data("collections/get_stats")["rowCount"] == 3
    told = rest.post("entities/upsert", ann, collectionName=notes, data=[entity(5, "a")])
    assert told["code"] == 1401
    assert SECRET not in told["message"]
    assert data("entities/delete", filter="id > 0 or true")["deleteCount"] == 3


def test_writes_are_bound(uri: str, admin: MilvusClient, notes: str) -> None:
    ann = client_of(uri, "ann")
    for call in (
        lambda: ann.insert(notes, [entity(9, "b")]),
        lambda: ann.insert(notes, [entity(5, "a")]),
        lambda: ann.upsert(notes, [entity(2, "a"), entity(5, "a")]),
        lambda: ann.upsert(notes, [entity(2, "b")]),
        lambda: ann.upsert(notes, [{"id": 5, "tenant": "a"}], partial_update=True),
        lambda: ann.upsert(notes, [{"id": 2, "tenant": "b"}], partial_update=True),
    ):
        with pytest.raises(MilvusException, match="restricted handle") as raised:
            call()
        assert raised.value.code == 1401
    ann.insert(notes, [entity(9, "a")])
    ann.upsert(notes, [entity(2, "a")])
    assert ann.delete(notes, ids=[1, 4, 5])["delete_count"] == 1
    assert ann.delete(notes, filter="id > 0 or tenant == 'b'")["delete_count"] == 3
    assert keys(admin.query(notes, filter="id > 0")) == [4, 5, 6]
    ann.close()


def test_tokens_of_iterators_are_of_one_user(
    channel: grpc.Channel, admin: MilvusClient, notes: str
) -> None:
    from pymilvus.client.prepare import Prepare

    def batch(user: Caller, token: str = "") -> Any:
        request = Prepare.search_requests_with_expr(
            collection_name=notes,
            data=[[0.0, 0.0]],
            anns_field="vector",
            param={"metric_type": "L2", "params": {}},
            limit=2,
            search_iter_v2=True,
            search_iter_batch_size=2,
            search_iter_id=token,
            iterator=True,
        )
        fields = {field.name: value for field, value in request.ListFields()}
        return user.ask("Search", **fields)

    bob, ann = Caller(channel, "bob:bob-password"), Caller(channel, "ann:ann-password")
    begun = batch(bob)
    token = begun.results.search_iterator_v2_results.token
    assert list(begun.results.ids.int_id.data) == [4, 5]
    assert "not known any more" in batch(ann, token).status.reason
    assert list(batch(bob, token).results.ids.int_id.data) == [6]


def test_who_has_no_policy_or_no_tag_sees_nothing(
    uri: str, root: Caller, admin: MilvusClient, notes: str
) -> None:
    eve = client_of(uri, "eve")
    assert eve.query(notes, filter="id > 0") == []
    root.done("AddUserTags", user_name="eve", tags={"tenant": "b' or true or '"})
    assert eve.query(notes, filter="id > 0") == []
    root.done("AddUserTags", user_name="eve", tags={"tenant": "b"})
    assert len(eve.query(notes, filter="id > 0")) == 3
    admin.revoke_role("eve", "staff")
    admin.create_role("others")
    admin.grant_privilege_v2("others", "CollectionReadWrite", "*")
    admin.grant_role("eve", "others")
    assert eve.query(notes, filter="id > 0") == []
    fields = {"collection_name": notes, "actions": ACTIONS[:1]}
    root.done(
        "CreateRowPolicy",
        policy_name="all read one",
        roles=["PUBLIC"],
        using_expr="id == 1 or tenant == $current_user_name",
        **fields,
    )
    assert keys(eve.query(notes, filter="id > 0")) == [1]
    assert eve.search(notes, [[0.0, 0.0]], limit=9) == [[]]
    assert eve.delete(notes, filter="id > 0")["delete_count"] == 0
    root.done("DropRowPolicy", collection_name=notes, policy_name="all read one")
    admin.revoke_role("eve", "others")
    admin.grant_role("eve", "staff")
    admin.drop_role("others", force_drop=True)
    root.done("DeleteUserTags", user_name="eve", tag_keys=["tenant"])
    eve.close()


def test_nobody_frees_themselves(
    uri: str, channel: grpc.Channel, admin: MilvusClient, notes: str, tmp_path: Path
) -> None:
    """A bound user may not change what binds them, with every privilege of a collection."""
    ann, client = Caller(channel, "ann:ann-password"), client_of(uri, "ann")
    asked = {"collection_name": notes, "policy_name": "own"}
    assert ann.code("DropRowPolicy", **asked) is DENIED
    assert ann.code("AddUserTags", user_name="ann", tags={"tenant": "b"}) is DENIED
    assert ann.code("DeleteUserTags", user_name="ann", tag_keys=["tenant"]) is DENIED
    assert ann.done("GetUserTags", user_name="ann").tags == {"tenant": "a"}
    for call in (
        lambda: client.alter_collection_properties(notes, {"elanus.row_policies": "[]"}),
        lambda: client.drop_collection_properties(notes, ["elanus.row_policies"]),
        lambda: client.rename_collection(notes, "mine"),
        lambda: client.truncate_collection(notes),
        lambda: client.drop_collection(notes),
        lambda: client.compact(notes),
        lambda: client.create_alias(notes, "mine"),
        lambda: client.drop_index(notes, "vector"),
    ):
        with pytest.raises((MilvusException, grpc.RpcError), match="permission deny"):
            call()
    # Also administrators set what binds by its own calls only.
    with pytest.raises(MilvusException, match="belongs to the server"):
        admin.alter_collection_properties(notes, {"elanus.row_policies": "[]"})
    with pytest.raises(MilvusException, match="belongs to the server"):
        admin.create_collection("other", 2, properties={"elanus.row_policies": "[]"})
    # An alias, and another name, are the same collection.
    admin.create_alias(notes, "alias")
    assert keys(client.query("alias", filter="id > 0")) == [1, 2, 3]
    admin.drop_alias("alias")
    admin.rename_collection(notes, "renamed")
    assert keys(client.query("renamed", filter="id > 0")) == [1, 2, 3]
    admin.rename_collection("renamed", notes)
    assert "elanus.row_policies" not in client.describe_collection(notes)["properties"]
    client.flush(notes)
    client.load_collection(notes)
    client.close()


def test_every_other_call_that_names_the_collection_is_for_administrators(
    channel: grpc.Channel, admin: MilvusClient, notes: str
) -> None:
    """The walk goes over all calls, so that a new one has to be thought about."""
    ann = Caller(channel, "ann:ann-password")
    walked = 0
    for name, method in METHODS.items():
        if name in OF_BOUND_USERS:
            continue
        for field in ("collection_name", "collectionName", "oldName"):
            described = method.request.DESCRIPTOR.fields_by_name.get(field)
            if described is not None:
                walked += 1
                given = [notes] if described.is_repeated else notes
                assert ann.code(name, **{field: given}) is DENIED, name
    assert walked > 20


def test_policies_and_tags_are_checked_and_listed(
    uri: str, root: Caller, admin: MilvusClient, notes: str
) -> None:
    fields = {"collection_name": notes, "policy_name": "p", "actions": ACTIONS[:1]}
    for wrong, text in (
        ({"roles": ["staff"]}, "expected using_expr"),
        ({"roles": ["nobody"], "using_expr": "id > 0"}, "there is no role nobody"),
        ({"using_expr": "id > 0"}, "at least one role"),
        ({"roles": ["staff"], "using_expr": "owner == 1"}, "owner"),
        ({"roles": ["staff"], "using_expr": "id > 0) or (true"}, "expected"),
        ({"roles": ["staff"], "using_expr": "id == {x}"}, "unknown parameter"),
        ({"roles": ["staff"], "using_expr": "$current_user_id == 1"}, "expected"),
        ({"roles": ["staff"], "using_expr": "random_sample(0.5)"}, "random_sample"),
    ):
        status = root.ask("CreateRowPolicy", **fields, **wrong)
        assert status.code == 1100, wrong
        assert text in status.reason, wrong
    same = {**fields, "policy_name": "own", "roles": ["staff"], "using_expr": "id > 0"}
    assert "already exists" in root.ask("CreateRowPolicy", **same).reason
    gone = root.ask("DropRowPolicy", collection_name=notes, policy_name="none")
    assert "row policy not found" in gone.reason
    (listed,) = root.done("ListRowPolicies", collection_name=notes).policies
    assert (listed.policy_name, list(listed.actions), list(listed.roles)) == (
        "own",
        ACTIONS,
        ["staff"],
    )
    assert root.done("ListUsersWithTag", tag_key="tenant").user_names == ["ann", "bob"]
    assert root.done("ListUsersWithTag", tag_key="tenant", tag_value="b").user_names == ["bob"]
    assert root.code("AddUserTags", user_name="none", tags={"a": "b"}) == 1100
    assert root.code("AddUserTags", user_name="ann", tags={"a'": "b"}) == 1100
    rest, who = RestClient(uri), {"Authorization": f"Bearer root:{PASSWORD}"}
    made = {
        "collectionName": notes,
        "policyName": "texts",
        "actions": ["query", "Insert"],
        "roles": ["staff"],
        "usingExpr": "text == 'not $current_user_name' or text == $current_user_name",
    }
    assert rest.post("row_policies/create", who, **made) == {"code": 0, "data": {}}
    found = rest.post("row_policies/list", who, collectionName=notes)["data"]
    assert found[1]["actions"] == ["Query", "Insert"]
    assert found[1]["usingExpr"] == made["usingExpr"]
    assert rest.post("row_policies/create", who, **{**made, "actions": ["x"]})["code"] == 1801
    assert rest.post("users/list_tags", who, userName="bob")["data"] == {"tenant": "b"}
    assert rest.post("users/list_with_tag", who, key="tenant")["data"] == ["ann", "bob"]
    for path, body in (
        ("users/add_tags", {"userName": "bob", "tags": {"x": "y"}}),
        ("users/delete_tags", {"userName": "bob", "keys": ["x"]}),
        ("row_policies/drop", {"collectionName": notes, "policyName": "texts"}),
    ):
        assert rest.post(path, who, **body)["code"] == 0


def test_what_may_be_written_may_be_said_apart(
    uri: str, root: Caller, admin: MilvusClient, notes: str
) -> None:
    root.done("DropRowPolicy", collection_name=notes, policy_name="own")
    for name, actions, expressions in (
        ("read", [0, 1], {"using_expr": "tenant == 'a'"}),
        ("add", [2], {"check_expr": "id > 100 and tenant == $current_user_tags['tenant']"}),
    ):
        root.done(
            "CreateRowPolicy",
            collection_name=notes,
            policy_name=name,
            actions=actions,
            roles=["staff"],
            **expressions,
        )
    bob = client_of(uri, "bob")
    assert keys(bob.query(notes, filter="id > 0")) == [1, 2, 3]
    bob.insert(notes, [entity(101, "b")])
    for wrong in (entity(7, "b"), entity(102, "a"), entity(1, "b"), entity(101, "b")):
        with pytest.raises(MilvusException, match="restricted handle"):
            bob.insert(notes, [wrong])
    with pytest.raises(MilvusException, match="restricted handle"):
        bob.upsert(notes, [entity(103, "b")])
    assert bob.delete(notes, filter="id > 0")["delete_count"] == 0
    bob.close()


def test_a_field_that_is_gone_shows_nothing_and_says_nothing(
    channel: grpc.Channel, uri: str, admin: MilvusClient, notes: str
) -> None:
    admin.drop_collection_field(notes, "tenant")
    ann = client_of(uri, "ann")
    for call in (
        lambda: ann.query(notes, filter="id > 0"),
        lambda: ann.search(notes, [[0.0, 0.0]]),
        lambda: ann.delete(notes, ids=[5]),
    ):
        with pytest.raises(MilvusException) as raised:
            call()
        assert raised.value.code in (1401, 1100)
        assert "'a'" not in str(raised.value)
    ann.close()


def test_the_native_client_is_bound_as_well(uri: str, root: Caller, notes: str) -> None:
    with elanus.connect(uri, token="ann:ann-password") as db:
        ann = db.collection(notes)
        own = [1, 2, 3]
        assert [one["id"] for one in ann.query("id > 0 or true")] == own
        assert [hit.id for hit in ann.search([0.0, 0.0], "vector", 9)] == own
        assert ann.count() == len(ann) == 3
        assert ann.get([5]) == []
        assert [one["id"] for batch in ann.query_iterator(batch_size=2) for one in batch] == own
        assert ann.facets("tenant") == {"tenant": [("a", 3)]}
        assert ann.why_not(5, [0.0, 0.0], "vector").cause == "unknown_key"
        assert ann.to_arrow(output=["id"]).num_rows == 3
        for call in (
            lambda: ann.upsert([entity(5, "a")]),
            lambda: ann.upsert([entity(2, "b")]),
            ann.drop,
            ann.truncate,
            ann.stats,
            ann.compact,
            lambda: ann.drop_field("tenant"),
            lambda: ann.alter_properties({"elanus.row_policies": None}),
            lambda: ann.drop_properties("elanus.row_policies"),
            lambda: ann.import_data([entity(9, "a")]),
            lambda: db.rename_collection(notes, "mine"),
            lambda: db.drop_collection(notes),
            lambda: ann.restricted("id > 0"),
        ):
            with pytest.raises(PermissionError) as raised:
                call()
            assert SECRET not in str(raised.value)
        assert "elanus.row_policies" not in ann.properties
        assert "elanus.row_policies" not in ann.describe().properties
        assert ann.delete([1, 5]) == 1
        assert ann.delete("id > 0 or true") == 2
    with elanus.connect(uri, token=f"root:{PASSWORD}") as db:
        assert [one["id"] for one in db.collection(notes).query()] == [4, 5, 6]


def test_a_copy_of_a_snapshot_is_bound_as_its_collection_is(
    uri: str, channel: grpc.Channel, root: Caller, admin: MilvusClient, notes: str
) -> None:
    (policy,) = root.done("ListRowPolicies", collection_name=notes).policies
    root.done("DropRowPolicy", collection_name=notes, policy_name="own")
    root.done("CreateSnapshot", collection_name=notes, name="before")
    root.done(
        "CreateRowPolicy",
        collection_name=notes,
        policy_name="own",
        actions=ACTIONS,
        roles=["staff"],
        using_expr=policy.using_expr,
    )
    ann = Caller(channel, "ann:ann-password")
    asked = {"collection_name": notes, "name": "before", "target_collection_name": "copy"}
    assert ann.code("RestoreSnapshot", **asked) is DENIED
    job = root.done("RestoreSnapshot", **asked).job_id
    for _ in range(10_000):
        state = root.done("GetRestoreSnapshotState", job_id=job).info.state
        if milvus.RestoreSnapshotState.Name(state) == "RestoreSnapshotCompleted":
            break
    admin.load_collection("copy")
    client = client_of(uri, "ann")
    assert keys(client.query("copy", filter="id > 0")) == [1, 2, 3]
    client.close()
    root.done("DropSnapshot", collection_name=notes, name="before")
    admin.drop_collection("copy")
