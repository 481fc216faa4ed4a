"""A client for the RESTful API that adds nothing of its own."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def send(url: str, raw: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Return status and body of a request; headers are named with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, raw, named)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class RestClient:
    """Posts to the routes of a server."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def post(self, path: str, _headers: dict[str, str] | None = None, /, **body: Any) -> Any:
        """Return the body of the response."""
        headers = {"Content-Type": "application/json", **(_headers or {})}
        raw = json.dumps(body).encode()
        status, told = send(f"{self.uri}/v2/vectordb/{path}", raw, **headers)
        assert status == 200, told
        return json.loads(told)

    def data(self, path: str, **body: Any) -> Any:
        """Return the data of a response that tells no error."""
        told = self.post(path, **body)
        assert told["code"] == 0, told
        return told["data"]

    def refusal(self, path: str, **body: Any) -> tuple[int, str]:
        """Return code and message of a response that tells an error."""
        told = self.post(path, **body)
        assert told["code"] != 0, told
        return told["code"], told["message"]
