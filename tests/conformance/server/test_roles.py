"""Users, roles, privileges and groups of privileges answer as Milvus' own tests expect."""

from __future__ import annotations

import pytest
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.grpc_gen import milvus_pb2

import elanus
from elanus_server import Settings
from support.rest_client import RestClient
from support.running_server import Running

PASSWORD = "root-Password"
ROLE_NOT_FOUND = "not found the role, maybe the role isn't existed or internal system error"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("roles") / "kb")
    settings = Settings(path, port=0, metrics_port=None, auth=True, root_password=PASSWORD)
    with Running(settings) as running:
        yield f"http://127.0.0.1:{running.ports.grpc}"


@pytest.fixture(scope="module")
def root(uri):
    client = MilvusClient(uri, token=f"root:{PASSWORD}")
    yield client
    client.close()


@pytest.fixture
def role(root):
    root.create_role("r")
    yield "r"
    root.drop_role("r", force_drop=True)


@pytest.fixture(scope="module")
def user(uri, root):
    """A user; what its role ``r`` may do is what a test grants."""
    root.create_user("ann", "anns-password")
    client = MilvusClient(uri, token="ann:anns-password")
    yield client
    client.close()


@pytest.fixture
def collections(root):
    made = []

    def make(name: str, client: MilvusClient = root) -> str:
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
        params = client.prepare_index_params()
        params.add_index("v", metric_type="L2")
        client.create_collection(name, schema=schema, index_params=params)
        made.append(name)
        return name

    yield make
    for alias in root.list_aliases()["aliases"]:
        root.drop_alias(alias)
    for name in root.list_collections():
        root.drop_collection(name)


def refused(code: int, text: str, action) -> None:
    with pytest.raises(MilvusException) as raised:
        action()
    assert (raised.value.code, text in raised.value.message) == (code, True), raised.value


def granted(root, role) -> list:
    return root.describe_role(role, db_name="*")["privileges"]


def denied(action) -> None:
    with pytest.raises(Exception, match="permission deny"):
        action()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "username must be not empty"),
        ("0", "invalid user name 0, the first character must be a letter, but got 0"),
        ("_a", "the first character must be a letter"),
        ("n@me", "username must contain only numbers, letters and underscores, but got @"),
        ("h h", "invalid user name h h"),
        ("a" * 33, "the length of username must be less than 32"),
        ("root", "user already exists: root"),
    ],
)
def test_names_of_users(root, name, text):
    refused(1100, text, lambda: root.create_user(name, "some-password"))


def test_passwords(uri, root, user):
    for given in ("", "0", "h h", "1+1=2", "p" * 73):
        refused(1100, "invalid password length", lambda given=given: root.create_user("x", given))
        refused(
            1100,
            "out of range 6 <= value <= 72",
            lambda given=given: root.update_password("ann", "anns-password", given),
        )
    # Whoever names an old password has to name the right one, root too.
    for name, old in (("ann", "anns-passwordkk"), ("nobody", "anns-password"), ("nobody", "")):
        told = f"old password not correct for {name}: not authenticated"
        refused(1400, told, lambda n=name, o=old: root.update_password(n, o, "new-password"))
    root.update_password("ann", "anns-password", "anns-password")
    rest, bearer = RestClient(uri), {"Authorization": f"Bearer root:{PASSWORD}"}
    named = {"userName": "ben", "description": "first"}
    rest.post("users/create", bearer, **named, password="bens-password")
    told = rest.post("users/describe", bearer, userName="ben")
    assert (told["data"], told["description"]) == ([], "first")
    changed = {"password": "bens-password", "newPassword": "other-password"}
    named["description"] = "second"
    assert rest.post("users/update_password", bearer, **named, **changed)["code"] == 0
    assert rest.post("users/describe", bearer, userName="ben")["description"] == "second"
    told = rest.post("users/create", bearer, userName="ben", password="bens-password")
    assert (told["code"], "user already exists" in told["message"]) == (1100, True)
    root.drop_user("ben")
    root.drop_user("ben")
    refused(1401, "root user cannot be deleted", lambda: root.drop_user("root"))
    assert root.describe_user("ben") == {}


def test_names_of_roles(root, role):
    for name, text in (
        (" ", "role name should be not empty"),
        ("0", "the first character of role name must be an underscore or letter"),
        ("n@", "role name can only contain numbers, letters, dollars and underscores"),
        ("a" * 256, "the length of role name must be not greater than limit"),
    ):
        refused(1100, text, lambda name=name: root.create_role(name))
    for name in (role, "admin", "public"):
        told = f'role [name:"{name}"] already exists'
        refused(65535, told, lambda name=name: root.create_role(name))
    root.create_role("a$b")
    root.drop_role("a$b")


def test_roles_that_are_not_there_and_those_that_always_are(root, role, user):
    for action in (
        lambda: root.drop_role("none"),
        lambda: root.describe_role("none"),
        lambda: root.grant_role("ann", "none"),
        lambda: root.revoke_role("ann", "none"),
        lambda: root.grant_privilege("none", "Collection", "Insert", "*"),
        lambda: root.revoke_privilege_v2("none", "CollectionAdmin", "*"),
    ):
        refused(65535, ROLE_NOT_FOUND, action)
    told = "not found the user, maybe the user isn't existed or internal system error"
    refused(65535, told, lambda: root.grant_role("nobody", role))
    root.revoke_role("nobody", role)
    for name in ("admin", "public"):
        told = f"the role[{name}] is a default role, which can't be dropped"
        refused(1401, told, lambda name=name: root.drop_role(name))
        told = f"the role[{name}] is a builtin role, which can't be altered"
        refused(1401, told, lambda name=name: root.alter_role(name, "other"))
        root.grant_role("ann", name)
        assert name in root.describe_user("ann")["roles"]
        root.revoke_role("ann", name)
        assert root.describe_user("ann")["roles"] == ()
        # Root stays an administrator.
        root.revoke_role("root", name)
    assert root.describe_user("root")["roles"] == ("admin",)


def test_descriptions_of_roles_over_http(uri, root):
    rest, bearer = RestClient(uri), {"Authorization": f"Bearer root:{PASSWORD}"}
    rest.post("roles/create", bearer, roleName="told", description="of a role")
    grant = {"objectType": "Global", "objectName": "*", "privilege": "CreateCollection"}
    assert rest.post("roles/grant_privilege", bearer, roleName="told", **grant)["code"] == 0
    told = rest.post("roles/describe", bearer, roleName="told")
    assert told["description"] == "of a role"
    assert [one["privilege"] for one in told["data"]] == ["CreateCollection"]
    assert rest.post("roles/revoke_privilege", bearer, roleName="told", **grant)["code"] == 0
    assert rest.post("roles/drop", bearer, roleName="told")["code"] == 0


def test_a_privilege_goes_with_its_kind_of_object(root, role):
    nil = "the object entity in the request is nil or invalid"
    for change in (root.grant_privilege, root.revoke_privilege):
        for kind in ("aaa", "Database"):
            refused(65535, nil, lambda c=change, k=kind: c(role, k, "Insert", "*"))
        for kind, privilege in (("Collection", "aaa"), ("Global", "Insert"), ("User", "Search")):
            told = f"not found the privilege name[{privilege}] in object[{kind}]"
            refused(65535, told, lambda c=change, k=kind, p=privilege: c(role, k, p, "*"))
        told = "can not operate the built-in privilege group [DatabaseAdmin]"
        refused(65535, told, lambda c=change: c(role, "Global", "DatabaseAdmin", "*"))
    told = "not found the privilege name[aaa]"
    refused(65535, told, lambda: root.revoke_privilege_v2(role, "aaa", "*"))
    told = "database name can only contain"
    refused(802, told, lambda: root.grant_privilege_v2(role, "Insert", "*", "n%$#@!"))


def test_groups_are_granted_at_their_level(root, role):
    told = "dbName and collectionName should be * for the cluster level privilege: ClusterAdmin"
    for place in (("*", ""), ("*", "default"), ("c", "*")):
        refused(1100, told, lambda p=place: root.grant_privilege_v2(role, "ClusterAdmin", *p))
    told = "collectionName should be * for the database level privilege: DatabaseReadOnly"
    refused(1100, told, lambda: root.grant_privilege_v2(role, "DatabaseReadOnly", "c", "default"))
    told = "please specify database name for the collection level privilege: CollectionAdmin"
    refused(1100, told, lambda: root.grant_privilege_v2(role, "CollectionAdmin", "c", "*"))
    for privilege, database in (("DatabaseAdmin", ""), ("ClusterAdmin", "*"), ("ReadOnly", "db")):
        root.grant_privilege_v2(role, privilege, "*", database)
    shown = root.describe_role(role)["privileges"]
    assert [(p["object_type"], p["privilege"], p["db_name"]) for p in shown] == [
        ("Global", "ClusterAdmin", "*"),
        ("Global", "DatabaseAdmin", "default"),
    ]
    shown = root.describe_role(role, db_name="db")["privileges"]
    assert [p["privilege"] for p in shown] == ["ReadOnly", "ClusterAdmin"]
    assert len(root.describe_role(role, db_name="*")["privileges"]) == 3


def test_groups_of_ones_own(root, role):
    word = "can only contain numbers, letters and underscores: invalid parameter"
    for name in ("n%$#@!", "test-role", "ff ff"):
        told = f"privilege group name {name} {word}"
        refused(1100, told, lambda n=name: root.create_privilege_group(n))
        refused(1100, told, lambda n=name: root.add_privileges_to_group(n, ["Insert"]))
    told = "is defined by built in privileges or privilege groups in system"
    for name in ("Insert", "ClusterReadOnly"):
        refused(1100, told, lambda n=name: root.create_privilege_group(n))
    told = "there is no privilege group name [none] defined in system"
    refused(1100, told, lambda: root.add_privileges_to_group("none", ["Insert"]))
    root.create_privilege_group("own")
    told = "privilege group name [own] is defined by users"
    refused(1100, told, lambda: root.create_privilege_group("own"))
    told = "there is no privilege name or privilege group name [aaa] defined in system"
    refused(1100, told, lambda: root.add_privileges_to_group("own", ["aaa"]))
    refused(
        1100, "cannot be part of a group", lambda: root.add_privileges_to_group("own", ["Admin"])
    )
    root.add_privileges_to_group("own", ["All"])
    told = "not found the privilege level"
    refused(65535, told, lambda: root.grant_privilege_v2(role, "own", "*", "*"))
    root.remove_privileges_from_group("own", ["All"])
    root.add_privileges_to_group("own", ["CreateDatabase"])
    told = "privileges are not the same privilege level"
    refused(1100, told, lambda: root.add_privileges_to_group("own", ["Insert"]))
    told = "dbName and collectionName should be * for the cluster level privilege: own"
    refused(1100, told, lambda: root.grant_privilege_v2(role, "own", "*"))
    root.grant_privilege_v2(role, "own", "*", "*")
    told = "can not operate the custom privilege group [own]"
    refused(65535, told, lambda: root.grant_privilege(role, "Global", "own", "*"))
    refused(1100, "is used by role [r]", lambda: root.drop_privilege_group("own"))
    root.revoke_privilege_v2(role, "own", "*", "*")
    root.drop_privilege_group("own")
    root.drop_privilege_group("own")


def test_snapshots_are_rights_of_databases(root):
    groups = {g["privilege_group"]: set(g["privileges"]) for g in root.list_privilege_groups()}
    levels = ("DatabaseReadOnly", "DatabaseReadWrite", "DatabaseAdmin")
    for place, verb in enumerate(("List", "Create", "Restore")):
        names = {f"{verb}Snapshot", f"{verb}Snapshots"}
        assert [bool(names & groups[level]) for level in levels] == [n >= place for n in range(3)]
        assert not names & (groups["CollectionAdmin"] | groups["ClusterAdmin"])


def test_stars_are_of_a_kind(root, role, user, collections):
    """``*`` of collections gives nothing else, and ``All`` everything."""
    collections("c")
    root.grant_role("ann", role)
    root.grant_privilege(role, "Collection", "*", "c")
    assert len(user.search("c", [[1, 2]])) == 1
    user.flush("c")
    denied(lambda: user.drop_collection("c"))
    denied(lambda: user.create_role("more"))
    root.grant_privilege(role, "Collection", "*", "*")
    denied(lambda: user.create_role("more"))
    root.grant_privilege(role, "Global", "All", "*")
    shown = root.describe_role(role)["privileges"]
    assert [(p["object_type"], p["object_name"], p["privilege"]) for p in shown] == [
        ("Collection", "*", "*"),
        ("Collection", "c", "*"),
        ("Global", "*", "All"),
    ]
    user.create_role("more")
    user.drop_role("more")
    user.drop_collection("c")


def test_waiting_needs_no_privilege_of_its_own(root, role, user, collections):
    collections("c")
    root.grant_role("ann", role)
    root.grant_privilege(role, "Collection", "Flush", "c")
    user.flush("c")
    root.grant_privilege(role, "Collection", "Load", "c")
    user.load_collection("c")
    denied(lambda: user.release_collection("c"))
    root.create_user("ben", "bens-password")
    denied(lambda: user.update_password("ben", "bens-password", "new-password"))
    root.grant_privilege_v2(role, "UpdateUser", "*", "*")
    user.update_password("ben", "bens-password", "new-password")
    root.drop_user("ben")


def test_grants_follow_their_collection(uri, root, role, user, collections):
    """Another name changes nothing; the next collection of a name begins without rights."""
    collections("one")
    root.create_alias("one", "other")
    root.grant_role("ann", role)
    root.grant_privilege(role, "Collection", "Search", "other")
    told = "collection not found"
    for name, database in (("none", ""), ("one", "nowhere")):
        refused(100, told, lambda n=name, d=database: root.grant_privilege_v2(role, "Query", n, d))
    root.revoke_privilege_v2(role, "Query", "none")
    assert [p["object_name"] for p in root.describe_role(role)["privileges"]] == ["one"]
    user.search("other", [[1, 2]])
    root.drop_alias("other")
    with elanus.connect(uri, token=f"root:{PASSWORD}") as database:
        database.rename_collection("one", "two")
    user.search("two", [[1, 2]])
    collections("one")
    denied(lambda: user.search("one", [[1, 2]]))
    root.create_alias("one", "other")
    denied(lambda: user.search("other", [[1, 2]]))
    root.create_database("elsewhere")
    root.rename_collection("two", "two", target_db="elsewhere")
    assert [p["db_name"] for p in granted(root, role)] == ["elsewhere"]
    with elanus.connect(uri, token=f"root:{PASSWORD}", database="elsewhere") as database:
        database.collection("two").drop()
        assert granted(root, role) == []
        root.grant_privilege_v2(role, "CollectionReadOnly", "three", "elsewhere")
        key = elanus.Field("id", elanus.INT64, primary=True)
        database.create_collection("three", elanus.Schema([key]))
        database.drop_collection("three")
    root.drop_database("elsewhere")
    root.grant_privilege(role, "Collection", "Search", "one")
    root.drop_alias("other")
    root.drop_collection("one")
    assert granted(root, role) == []


def test_a_backup_of_accounts_is_whole_or_nothing(root, role, collections):
    collections("c")
    root.create_privilege_group("own")
    root.add_privileges_to_group("own", ["Insert"])
    root.create_user("ben", "bens-password")
    root.grant_role("ben", role)
    root.grant_privilege_v2(role, "own", "c")
    handler = root._get_connection()
    meta = handler._stub.BackupRBAC(milvus_pb2.BackupRBACMetaRequest()).RBAC_meta
    assert "root" not in {one.user for one in meta.users}
    assert {one.name for one in meta.roles} == {role}

    def restore() -> str:
        request = milvus_pb2.RestoreRBACMetaRequest(RBAC_meta=meta)
        return handler._stub.RestoreRBAC(request).reason

    assert "role [r] already exists" in restore()
    root.drop_role(role, force_drop=True)
    assert "privilege group [own] already exists" in restore()
    root.drop_privilege_group("own")
    assert "user [ann] already exists" in restore() or "user [ben] already exists" in restore()
    for name in {one.user for one in meta.users}:
        root.drop_user(name)
    meta.grants[0].grantor.privilege.name = "aaa"
    assert "privilege [aaa] does not exist" in restore()
    assert root.list_users() == ["root"]
    meta.grants[0].grantor.privilege.name = "own"
    assert restore() == ""
    assert root.describe_user("ben")["roles"] == (role,)
    assert [p["privilege"] for p in root.describe_role(role)["privileges"]] == ["own"]
    root.drop_role(role, force_drop=True)
    root.drop_privilege_group("own")
    root.create_role(role)
