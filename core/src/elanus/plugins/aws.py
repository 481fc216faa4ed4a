"""How does a request to AWS prove who asks?

Signature Version 4: the secret key makes a key for one day, region and service, which signs a
digest of the request. The secret itself is never sent.

Source: AWS General Reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from elanus.errors import ProviderError

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
"""Environment variable that says which key signs."""
_KEYS: Final = (ACCESS_KEY, "AWS_SECRET_ACCESS_KEY")
_SESSION: Final = "AWS_SESSION_TOKEN"


@dataclass(frozen=True, slots=True)
class AwsSignature:
    """Signs requests with the keys that the environment holds at the moment of each.

    Attributes:
        service: Name of the service in signatures, such as ``"bedrock"``.
        region: Where it runs, such as ``"us-east-1"``.
    """

    service: str
    region: str

    def __call__(
        self,
        method: str,
        url: str,
        payload: bytes,
        headers: Mapping[str, str],
        *,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """Return the headers that a request needs besides ``headers``, which are signed as well.

        Args:
            method: Such as ``"POST"``.
            url: Where it goes, as it is sent.
            payload: What is sent.
            headers: Those it has already; Host and the date need not be among them.
            now: Moment of the request; None: now.

        Raises:
            ProviderError: The environment has no keys.
        """
        access, secret = (os.environ.get(name, "").strip() for name in _KEYS)
        if not access or not secret:
            raise ProviderError(
                f"{self.service}: no key: set the environment variables {' and '.join(_KEYS)}, "
                f"and {_SESSION} for keys that expire",
                retryable=False,
            )
        moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        added = {"X-Amz-Date": moment}
        session = os.environ.get(_SESSION, "").strip()
        if session:
            added["X-Amz-Security-Token"] = session
        parts = urllib.parse.urlsplit(url)
        signed = {"host": parts.netloc} | {k.lower(): v for k, v in {**headers, **added}.items()}
        names = ";".join(sorted(signed))
        request = _canonical(method, parts, signed, payload)
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        text = "\n".join([_ALGORITHM, moment, scope, _digest(request.encode())])
        signature = hmac.new(self._key(secret, moment[:8]), text.encode(), hashlib.sha256)
        added["Authorization"] = (
            f"{_ALGORITHM} Credential={access}/{scope}, SignedHeaders={names}, "
            f"Signature={signature.hexdigest()}"
        )
        return added

    def _key(self, secret: str, day: str) -> bytes:
        key = f"AWS4{secret}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def _canonical(
    method: str, url: urllib.parse.SplitResult, headers: Mapping[str, str], payload: bytes
) -> str:
    """Return a request in the one form that both sides sign."""
    # Services other than S3 sign the path as it is sent, encoded once more.
    path = urllib.parse.quote(url.path or "/", safe="/-_.~")
    query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in query)
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    names = ";".join(sorted(headers))
    return "\n".join([method, path, joined, *lines, "", names, _digest(payload)])


def _encoded(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.~")


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()
