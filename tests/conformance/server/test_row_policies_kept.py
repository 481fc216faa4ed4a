"""Row policies outlive the server, and bind the processes that read as the one that writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import elanus
from elanus_server import Settings
from support.rest_client import RestClient, send
from support.running_server import Running
from support.secured import PASSWORD


def keys(found: Any) -> list[int]:
    return sorted(one["id"] for one in found)


def test_policies_outlive_the_server_and_bind_the_library_not(tmp_path: Path) -> None:
    path = str(tmp_path / "kb")
    settings = Settings(path, port=0, metrics_port=None, auth=True, root_password=PASSWORD)
    with Running(settings) as running:
        uri = f"http://127.0.0.1:{running.ports.grpc}"
        rest, who = RestClient(uri), {"Authorization": f"Bearer root:{PASSWORD}"}
        for path_, body in (
            ("collections/create", {"collectionName": "c", "dimension": 2}),
            ("entities/insert", {"collectionName": "c", "data": [{"id": 1, "vector": [1, 2]}]}),
            ("users/create", {"userName": "ann", "password": "ann-password"}),
            ("roles/create", {"roleName": "r"}),
            ("roles/grant_privilege_v2", {"roleName": "r", "privilege": "COLL_RW"}),
            ("users/grant_role", {"userName": "ann", "roleName": "r"}),
            (
                "row_policies/create",
                {
                    "collectionName": "c",
                    "policyName": "none",
                    "actions": ["Query"],
                    "roles": ["public"],
                    "usingExpr": "id > 1",
                },
            ),
        ):
            told = rest.post(path_, who, **body)
            assert told["code"] == 0, (path_, told)
    with elanus.connect(path) as db:
        assert db.collection("c").count() == 1
    with Running(settings) as running:
        url = f"http://127.0.0.1:{running.ports.grpc}/v2/vectordb/entities/query"
        body = json.dumps({"collectionName": "c", "filter": "id > 0"}).encode()
        told = send(
            url, body, Content_Type="application/json", Authorization="Bearer ann:ann-password"
        )
        assert told == (200, b'{"code":0,"cost":0,"data":[]}')


def test_processes_that_read_are_bound_as_well(tmp_path: Path) -> None:
    settings = Settings(
        str(tmp_path / "kb"),
        port=0,
        metrics_port=None,
        auth=True,
        root_password=PASSWORD,
        workers=1,
        audit_log=str(tmp_path / "audit.log"),
    )
    with Running(settings) as running:
        rest = RestClient(f"http://127.0.0.1:{running.ports.grpc}")
        who = {"Authorization": f"Bearer root:{PASSWORD}"}

        def done(path: str, **body: Any) -> Any:
            told = rest.post(path, who, **body)
            assert told["code"] == 0, (path, told)
            return told["data"]

        done("collections/create", collectionName="c", dimension=2)
        rows = [{"id": i, "vector": [1, 2], "tenant": "ab"[i % 2]} for i in range(6)]
        done("entities/insert", collectionName="c", data=rows)
        done("users/create", userName="ann", password="ann-password")
        done("roles/create", roleName="r")
        done("roles/grant_privilege_v2", roleName="r", privilege="COLL_RO")
        done("users/grant_role", userName="ann", roleName="r")
        token = done("tokens/create", userName="ann")
        ann = {"Authorization": f"Bearer {token['token']}"}

        def seen() -> list[int]:
            body = {"collectionName": "c", "filter": "id >= 0 or true"}
            return keys(rest.post("entities/query", ann, **body)["data"])

        assert seen() == [0, 1, 2, 3, 4, 5]
        policy = {"collectionName": "c", "policyName": "own", "roles": ["r"]}
        using = "tenant == $current_user_tags['tenant']"
        done("row_policies/create", **policy, actions=["Query"], usingExpr=using)
        assert seen() == []
        done("users/add_tags", userName="ann", tags={"tenant": "b"})
        assert seen() == [1, 3, 5]
        done("tokens/revoke", id=token["id"])
        url = f"{rest.uri}/v2/vectordb/entities/query"
        body = json.dumps({"collectionName": "c", "filter": "id >= 0"}).encode()
        assert send(url, body, Content_Type="application/json", **ann)[0] == 401
    assert "1400" in (tmp_path / "audit.log.worker-1").read_text()
