"""Users and TLS through the RESTful API, on the port of gRPC and on one of its own."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from elanus_server import Settings
from support.certificates import certificate
from support.rest_client import RestClient, send
from support.running_server import Running


def _bearer(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {user}:{password}"}


def test_users_and_roles_are_those_of_the_client(tmp_path: Path) -> None:
    settings = Settings(
        str(tmp_path / "kb"), port=0, metrics_port=0, auth=True, root_password="a-b:c-d-e"
    )
    with Running(settings) as running:
        uri = f"http://127.0.0.1:{running.ports.grpc}"
        rest = RestClient(uri)
        root = _bearer("root", "a-b:c-d-e")

        def data(path: str, who: dict[str, str], **body: Any) -> Any:
            told = rest.post(path, who, **body)
            assert told["code"] == 0, told
            return told["data"]

        url = f"{uri}/v2/vectordb/collections/list"
        for who in ({}, _bearer("root", "wrong"), {"Authorization": "Bearer x"}):
            status, told = send(url, b"{}", Content_Type="application/json", **who)
            assert (status, told) == (401, b'{"code":1800,"message":"user hasn\'t authenticated"}')
        data("collections/create", root, collectionName="c", dimension=2)
        data("users/create", root, userName="ann", password="p1-p1-p1")
        assert sorted(data("users/list", root)) == ["ann", "root"]
        data("roles/create", root, roleName="reader", description="who reads")
        data(
            "roles/grant_privilege_v2",
            root,
            roleName="reader",
            privilege="Query",
            collectionName="c",
            dbName="default",
        )
        data("users/grant_role", root, userName="ann", roleName="reader")
        assert data("users/describe", root, userName="ann") == ["reader"]
        (grant,) = data("roles/describe", root, roleName="reader")
        assert (grant["privilege"], grant["objectName"]) == ("Query", "c")
        ann = _bearer("ann", "p1-p1-p1")
        assert data("entities/query", ann, collectionName="c", filter="id > 0") == []
        url = f"{uri}/v2/vectordb/entities/insert"
        raw = b'{"collectionName": "c", "data": [{"id": 1, "vector": [1, 2]}]}'
        status, told = send(url, raw, Content_Type="application/json", **ann)
        assert status == 403
        assert b"permission deny to ann" in told
        new = "p2-p2-p2"
        data("users/update_password", root, userName="ann", password="p1-p1-p1", newPassword=new)
        client = MilvusClient(uri, user="ann", password=new)
        assert client.query("c", filter="id > 0") == []
        client.close()
        data("users/update_password", root, userName="ann", description="on leave")
        told = rest.post("users/update_password", root, userName="ann", password=new)
        assert (told["code"], "'newPassword' is required" in told["message"]) == (1802, True)
        newest = "p3-p3-p3"
        data("users/update_password", root, userName="ann", newPassword=newest)
        client = MilvusClient(uri, user="root", password="a-b:c-d-e")
        assert client.describe_user("ann")["description"] == "on leave"
        assert client.describe_role("reader")["description"] == "who reads"
        client.close()
        assert data("entities/query", _bearer("ann", newest), collectionName="c", filter="") == []
        data("users/revoke_role", root, userName="ann", roleName="reader")
        data("users/drop", root, userName="ann")
        told = send(f"http://127.0.0.1:{running.ports.metrics}/metrics")[1]
        assert b"_elanus_server" not in told


@pytest.mark.parametrize("rest_port", ["shared", 0])
def test_both_protocols_talk_tls(rest_port: Any, tmp_path: Path) -> None:
    cert, key, _ = certificate(tmp_path, "server")
    settings = Settings(
        ":memory:", port=0, rest_port=rest_port, metrics_port=None, tls_cert=cert, tls_key=key
    )
    with Running(settings) as running:
        context = ssl.create_default_context(cafile=cert)
        url = f"https://localhost:{running.ports.rest}/v2/vectordb/collections/create"
        request = urllib.request.Request(
            url, b'{"collectionName": "c", "dimension": 2}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=context, timeout=30) as response:
            assert response.read() == b'{"code":0,"data":{}}'
        client = MilvusClient(
            f"https://localhost:{running.ports.grpc}", server_pem_path=cert, server_name="localhost"
        )
        assert client.list_collections() == ["c"]
        client.close()
