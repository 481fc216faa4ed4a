"""What proves to a service who asks."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from elanus.errors import ProviderError
from elanus.plugins.aws import AwsSignature
from elanus.plugins.google import GoogleToken

# The keys, the moment and the signatures of the test suite that AWS published.
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MOMENT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = "https://example.amazonaws.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("method", "url", "payload", "headers", "signature"),
    [
        ("GET", "/", b"", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", b"", {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            *("POST", "/", b"Param1=value1", FORM),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            *("GET", "/?Param2=value2&Param1=value1", b"", {}),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            *("GET", "/\u1234", b"", {}),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "post-form", "get-query-order", "get-utf8"],
)
def test_signatures_are_those_of_the_published_suite(
    method: str, url: str, payload: bytes, headers: dict[str, str], signature: str
) -> None:
    signed = AwsSignature("service", "us-east-1")(method, HOST + url, payload, headers, now=MOMENT)
    names = ";".join(sorted({"host", "x-amz-date", *(name.lower() for name in headers)}))
    assert signed == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            f"SignedHeaders={names}, Signature={signature}"
        ),
    }


@pytest.mark.usefixtures("keys")
def test_a_path_is_encoded_again_and_a_session_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    # What botocore 1.44 makes of the same request.
    monkeypatch.setenv("AWS_SESSION_TOKEN", "tok/en+x==")
    signed = AwsSignature("bedrock", "eu-west-1")(
        "POST",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke",
        b'{"a":1}',
        {"Content-Type": "application/json", "Accept": "application/json"},
        now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert signed["X-Amz-Security-Token"] == "tok/en+x=="
    assert signed["Authorization"].endswith(
        "SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token, "
        "Signature=80947ffe20e038bbdfacfe7264687d993c3c4ae78359b3594837567ef97779f8"
    )


@pytest.mark.usefixtures("keys")
def test_without_keys_their_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ProviderError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        AwsSignature("bedrock", "eu-west-1")("POST", HOST, b"", {})


# --- Google --------------------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the bodies that reach the token service of an account whose file is in the tests."""
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            lives_s = 3600 if len(bodies) > 1 else 1
            answer = {"access_token": f"token-{len(bodies)}", "expires_in": lives_s}
            payload = json.dumps(answer | {"token_type": "Bearer"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "client_email": "tests@my-project.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "private_key_id": "1",
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    try:
        yield bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_is_kept_until_it_expires(asked: list[str]) -> None:
    pytest.importorskip("google.auth")
    token = GoogleToken("vertex", "google-auth[requests]")
    given = [token("POST", HOST, b"", {})["Authorization"] for _ in range(3)]
    # The first token is as good as expired.
    assert given == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]
    assert len(asked) == 2
    assert "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in asked[0]
    assert b"token-" not in pickle.dumps(token)


def test_a_machine_without_an_identity_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(ProviderError, match="Set GOOGLE_OAUTH_ACCESS_TOKEN"):
        GoogleToken("vertex", "google-auth[requests]")("POST", HOST, b"", {})
