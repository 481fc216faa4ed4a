"""Tokens: who comes with one may do what it leaves of its user's rights, as long as it is valid."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

import elanus
from elanus.cli.main import build_parser
from elanus_server import Settings
from elanus_server.rest.all_routes import ROUTES
from elanus_server.rest.exchange import Route
from elanus_server.security.privileges import OPEN, READING, needed_privilege
from elanus_server.service.all_calls import METHODS
from elanus_server.service.registry import OWN_METHODS
from elanus_server.wire import SERVICE
from support.rest_client import RestClient, send
from support.running_server import Running
from support.secured import PASSWORD, header
from support.tokens import folder_with_tokens

WORTHLESS = ("expired", "revoked", "gone", "forged", "cut")
DENIED, OK = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.OK


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    path = str(tmp_path_factory.mktemp("tokens") / "kb")
    made = folder_with_tokens(path)
    settings = Settings(path, port=0, metrics_port=0, auth=True, root_password="not used any more")
    with Running(settings) as running:
        made["uri"] = f"http://127.0.0.1:{running.ports.grpc}"
        made["metrics"] = f"http://127.0.0.1:{running.ports.metrics}/metrics"
        root = MilvusClient(made["uri"], token=f"root:{PASSWORD}")
        root.create_collection("c", 2)
        root.close()
        yield made


def codes(uri: str, token: str) -> dict[str, grpc.StatusCode]:
    """Make every call with an empty message; return how gRPC says that each ended."""
    found = {}
    with grpc.insecure_channel(uri.removeprefix("http://")) as channel:
        for name in METHODS:
            call = channel.unary_unary(f"/{SERVICE.full_name}/{name}")
            try:
                call(b"", timeout=60, metadata=[header(token)])
                found[name] = OK
            except grpc.RpcError as error:
                found[name] = error.code()
    return found


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def body_of(route: Route) -> dict[str, Any]:
    """Return a body with what a route requires, which means nothing."""
    values: dict[str, Any] = {
        "string": "c",
        "integer": 1,
        "long": 1,
        "number": 1,
        "boolean": True,
        "object": {"x": 1},
        "array": [1],
        "strings": ["c"],
        "objects": [{"id": 1, "vector": [1, 2]}],
        "files": [["x"]],
        "any": "id > 0",
    }
    return {one.name: values[one.kind] for one in route.parameters if one.required}


def posted(uri: str, path: str, token: str) -> tuple[int, dict[str, Any]]:
    raw = json.dumps(body_of(ROUTES[path])).encode()
    status, told = send(
        f"{uri}/v2/vectordb/{path}", raw, Content_Type="application/json", **bearer(token)
    )
    return status, json.loads(told)


@pytest.mark.parametrize("kind", WORTHLESS)
def test_no_call_with_a_token_that_is_worth_nothing(tokens: dict[str, str], kind: str) -> None:
    found = codes(tokens["uri"], tokens[kind])
    assert found == dict.fromkeys(METHODS, grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize("kind", [*WORTHLESS, "none"])
def test_no_route_with_a_token_that_is_worth_nothing(tokens: dict[str, str], kind: str) -> None:
    for path in ROUTES:
        status, told = posted(tokens["uri"], path, tokens.get(kind, ""))
        assert (status, told["code"]) == (401, 1800), path


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("root"), bearer("root:wrong"), bearer(f"nobody:{PASSWORD}")],
    ids=["none", "empty", "half", "wrong", "nobody"],
)
def test_no_route_without_the_right_password(
    tokens: dict[str, str], headers: dict[str, str]
) -> None:
    for path in ROUTES:
        raw = json.dumps(body_of(ROUTES[path])).encode()
        url = f"{tokens['uri']}/v2/vectordb/{path}"
        status, told = send(url, raw, Content_Type="application/json", **headers)
        assert (status, json.loads(told)["code"]) == (401, 1800), path


@pytest.mark.parametrize("kind", ["weak", "narrow"])
def test_a_token_has_no_right_that_nobody_gave_it(tokens: dict[str, str], kind: str) -> None:
    """Of a user without a role, and of an administrator with none of the roles."""
    found = codes(tokens["uri"], tokens[kind])
    assert {name for name, code in found.items() if code is OK} == OPEN & set(METHODS)
    assert set(found.values()) == {OK, DENIED}


@pytest.mark.parametrize("kind", ["weak", "narrow"])
def test_no_route_of_who_has_no_right(tokens: dict[str, str], kind: str) -> None:
    refused = 0
    for path, route in ROUTES.items():
        status, told = posted(tokens["uri"], path, tokens[kind])
        is_known = route.call in METHODS or route.call in OWN_METHODS
        if route.call in OPEN or route.call == "ListTokens":
            # About one's own account, and what nobody keeps secret.
            assert told["code"] == 0, path
        else:
            # Some read the body of the walk first, and find that it means nothing.
            assert told["code"] != 0, path
            refused += is_known and status == 403
    assert refused > 70


def test_a_read_only_token_changes_nothing(tokens: dict[str, str]) -> None:
    found = codes(tokens["uri"], tokens["reader"])
    for name, method in METHODS.items():
        is_reading = name in OPEN or needed_privilege(name, method.request) in READING
        assert (found[name] is DENIED) == (not is_reading), name
    changing = {"Insert", "Upsert", "Delete", "CreateCollection", "DropCollection", "CreateRole"}
    assert changing <= {name for name, code in found.items() if code is DENIED}
    assert {"Search", "Query", "DescribeCollection"} <= {n for n, c in found.items() if c is OK}
    client = MilvusClient(tokens["uri"], token=tokens["reader"])
    assert client.query("c", filter="id > 0") == []
    with pytest.raises((MilvusException, grpc.RpcError), match="permission deny to root"):
        client.insert("c", [{"id": 1, "vector": [1, 2]}])
    client.close()


def test_tokens_are_made_shown_once_and_revoked(tokens: dict[str, str]) -> None:
    uri, rest = tokens["uri"], RestClient(tokens["uri"])
    weak = bearer("weak:weak-password")
    made = rest.post("tokens/create", weak, name="ci", expiresInSeconds=3600)["data"]
    text = made.pop("token")
    assert text.startswith(f"elanus_{made['id']}_")
    assert (made["user"], made["name"], made["readOnly"], made["roles"]) == (
        "weak",
        "ci",
        False,
        None,
    )
    assert made["expiresAt"] - made["createdAt"] == 3600
    assert rest.post("collections/list", bearer(text)) == {"code": 0, "data": []}
    listed = rest.post("tokens/list", weak)["data"]
    assert made in listed
    assert {one["user"] for one in listed} == {"weak"}
    assert text.rpartition("_")[2] not in json.dumps(listed)
    everybody = rest.post("tokens/list", bearer(f"root:{PASSWORD}"))["data"]
    assert {one["user"] for one in everybody} == {"root", "weak"}
    # A token makes no token: it would outlive it.
    for caller in (text, tokens["admin"]):
        status, _ = posted(uri, "tokens/create", caller)
        assert status == 403
    (own,) = [one["id"] for one in everybody if one["user"] == "root" and one["readOnly"]]
    told = rest.post("tokens/revoke", weak, id=own)
    assert "token not found" in told["message"]
    assert rest.post("tokens/revoke", weak, id=made["id"])["code"] == 0
    assert posted(uri, "collections/list", text)[0] == 401
    for wrong, message in (
        ({"roles": ["admin"]}, "has no role admin"),
        ({"expiresInSeconds": 0}, "expire in"),
        ({"expiresInSeconds": 1e12}, "expire in"),
        ({"name": "x" * 256}, "at most 255"),
    ):
        assert message in rest.post("tokens/create", weak, **wrong)["message"]
    who = {"userName": "root"}
    url = f"{uri}/v2/vectordb/tokens/create"
    status, _ = send(url, json.dumps(who).encode(), Content_Type="application/json", **weak)
    assert status == 403
    told = rest.post("tokens/create", bearer(f"root:{PASSWORD}"), userName="nobody")
    assert "user not found" in told["message"]
    given = rest.post("tokens/create", bearer(f"root:{PASSWORD}"), userName="weak")["data"]
    assert given["user"] == "weak"


def test_a_token_has_some_of_the_roles_of_its_user(tokens: dict[str, str]) -> None:
    root = MilvusClient(tokens["uri"], token=f"root:{PASSWORD}")
    root.create_user("both", "both-password")
    for role, privilege in (("reads", "Query"), ("writes", "Insert")):
        root.create_role(role)
        root.grant_privilege_v2(role, privilege, "c")
        root.grant_role("both", role)
    rest = RestClient(tokens["uri"])
    made = rest.post("tokens/create", bearer("both:both-password"), roles=["reads"])["data"]
    client = MilvusClient(tokens["uri"], token=made["token"])
    assert client.query("c", filter="id > 0") == []
    with pytest.raises((MilvusException, grpc.RpcError), match="permission deny to both"):
        client.insert("c", [{"id": 1, "vector": [1, 2]}])
    # What the user does not have any more, the token has not either.
    root.revoke_role("both", "reads")
    with pytest.raises((MilvusException, grpc.RpcError), match="permission deny to both"):
        client.query("c", filter="id > 0")
    root.drop_user("both")
    assert posted(tokens["uri"], "collections/list", made["token"])[0] == 401
    client.close()
    root.close()


def run(*arguments: str) -> str:
    out = io.StringIO()
    parsed = build_parser().parse_args(["token", *arguments])
    assert parsed.run(parsed, out) == 0
    return out.getvalue()


def test_the_command_manages_tokens_of_a_folder(tmp_path: Path) -> None:
    path = str(tmp_path / "kb")
    folder_with_tokens(path)
    text = run("create", path, "root", "--name", "nightly", "--expires-in", "90d", "--read-only")
    number = text.split("_")[1]
    (line,) = [one for one in run("list", path, "root").splitlines() if number in one]
    assert line.startswith(f"{number} root 'nightly': expires 20")
    assert line.endswith("UTC, read-only")
    assert "has expired" in run("list", path, "root") or "expired" not in run("list", path)
    settings = Settings(path, port=0, metrics_port=None, auth=True)
    with Running(settings) as running:
        uri = f"http://127.0.0.1:{running.ports.grpc}"
        assert posted(uri, "collections/list", text.strip())[0] == 200
        command = [str(Path(sys.executable).with_name("elanus")), "token", "revoke", path, number]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert other.returncode == 1
        assert "lock" in other.stderr or "open" in other.stderr
        assert number in run("list", path)
    run("revoke", path, number)
    assert number not in run("list", path)
    with pytest.raises(elanus.ElanusError, match=r"no token .*; elanus token list"):
        run("revoke", path, number)
    with pytest.raises(elanus.ElanusError):
        run("list", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(elanus.ElanusError, match=r"no user 'nobody'; there are: .*root"):
        run("create", path, "nobody")
    for file in (tmp_path / "kb").rglob("*"):
        assert not file.is_file() or text.strip().encode() not in file.read_bytes()
