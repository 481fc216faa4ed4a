"""Users, roles and grants over TLS, as an operator sets them up."""

from __future__ import annotations

import os

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

URI = os.environ["ELANUS_SECURED_URI"]
CERTIFICATE = os.environ["ELANUS_CERTIFICATE"]
PASSWORD = os.environ["ELANUS_ROOT_PASSWORD"]

# pymilvus hands on what gRPC says of those who may not call.
REFUSED = (MilvusException, grpc.RpcError)


def connected(user, password, **options):
    return MilvusClient(
        URI, user=user, password=password, server_pem_path=CERTIFICATE, secure=True, **options
    )


@pytest.fixture(scope="module")
def root():
    made = MilvusClient(URI, token=f"root:{PASSWORD}", server_pem_path=CERTIFICATE)
    made.create_collection("shelf", dimension=2)
    made.insert("shelf", [{"id": 1, "vector": [1, 0]}])
    yield made
    made.close()


@pytest.mark.parametrize(("user", "password"), [("root", "wrong"), ("nobody", "x"), ("", "")])
def test_nobody_comes_in_without_the_right_password(root, user, password):
    with pytest.raises(REFUSED, match=r"auth check failure|Fail connecting"):
        connected(user, password, timeout=2).list_collections()


def test_users_roles_and_grants(root, version):
    root.create_user("reader", "Secret-1")
    assert {"root", "reader"} <= set(root.list_users())
    root.create_role("reading")
    assert {"admin", "public", "reading"} <= set(root.list_roles())
    root.grant_role("reader", "reading")
    assert tuple(root.describe_user("reader")["roles"]) == ("reading",)
    reader = connected("reader", "Secret-1")
    with pytest.raises(REFUSED, match="permission deny"):
        reader.query("shelf", filter="id > 0")
    root.grant_privilege("reading", "Collection", "Query", "shelf")
    assert [row["id"] for row in reader.query("shelf", filter="id > 0")] == [1]
    with pytest.raises(REFUSED, match="permission deny"):
        reader.insert("shelf", [{"id": 2, "vector": [1, 0]}])
    (privilege,) = root.describe_role("reading")["privileges"]
    assert (privilege["object_name"], privilege["privilege"]) == ("shelf", "Query")
    root.grant_privilege_v2("reading", "CollectionReadOnly", "shelf", "default")
    (hits,) = reader.search("shelf", [[1, 0]], limit=1)
    assert hits[0]["id"] == 1
    root.revoke_privilege_v2("reading", "CollectionReadOnly", "shelf", "default")
    root.revoke_privilege("reading", "Collection", "Query", "shelf")
    with pytest.raises(REFUSED, match="permission deny"):
        reader.query("shelf", filter="id > 0")
    reader.update_password("reader", "Secret-1", "Secret-2")
    reader.close()
    with pytest.raises(REFUSED):
        connected("reader", "Secret-1", timeout=2).list_collections()
    connected("reader", "Secret-2").close()
    root.revoke_role("reader", "reading")
    root.drop_user("reader")
    root.drop_role("reading")
    assert "reader" not in root.list_users()
    assert "reading" not in root.list_roles()


def test_groups_of_privileges(root):
    root.create_privilege_group("writers")
    root.add_privileges_to_group("writers", ["Insert", "Upsert"])
    groups = {g["privilege_group"]: g["privileges"] for g in root.list_privilege_groups()}
    assert sorted(groups["writers"]) == ["Insert", "Upsert"]
    root.create_role("writing")
    root.create_user("writer", "Secret-1")
    root.grant_role("writer", "writing")
    root.grant_privilege_v2("writing", "writers", "shelf")
    writer = connected("writer", "Secret-1")
    assert writer.upsert("shelf", [{"id": 1, "vector": [1, 0]}])["upsert_count"] == 1
    with pytest.raises(REFUSED, match="permission deny"):
        writer.delete("shelf", ids=[1])
    writer.close()
    root.remove_privileges_from_group("writers", ["Upsert"])
    root.revoke_privilege_v2("writing", "writers", "shelf")
    root.drop_user("writer")
    root.drop_role("writing")
    root.drop_privilege_group("writers")
    assert "writers" not in {g["privilege_group"] for g in root.list_privilege_groups()}
