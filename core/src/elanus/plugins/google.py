"""How does a request to Google Cloud prove who asks?

A short-lived token, which google-auth gets from wherever this machine has its identity: a file that
``GOOGLE_APPLICATION_CREDENTIALS`` names, the user's own log-in, or the machine itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from elanus.errors import ProviderError
from elanus.plugins.registry import require_package

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True)
class GoogleToken:
    """Makes the header of a request, with a token that is new when the last one has expired.

    Attributes:
        plugin: Who needs it, for messages.
        extra: What pip has to install for it.
    """

    plugin: str
    extra: str
    _known: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.plugin, self.extra)

    def __call__(
        self, method: str, url: str, payload: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers that prove who asks; they do not depend on the request.

        Raises:
            PluginNotInstalledError: google-auth is not installed.
            ProviderError: This machine has no identity, or got no token for it.
        """
        del method, url, payload, headers
        auth = require_package("google.auth", plugin=self.plugin, extra=self.extra)
        transport = require_package(
            "google.auth.transport.requests", plugin=self.plugin, extra=self.extra
        )
        with self._lock:
            try:
                if not self._known:
                    self._known.append(auth.default(scopes=[_SCOPE])[0])
                credentials = self._known[0]
                if not credentials.valid:
                    credentials.refresh(transport.Request())
            except auth.exceptions.GoogleAuthError as error:
                raise ProviderError(
                    f"{self.plugin}: no token: {error}. Set GOOGLE_OAUTH_ACCESS_TOKEN to one, as "
                    "'gcloud auth print-access-token' prints it, or GOOGLE_APPLICATION_CREDENTIALS "
                    "to the file of an account",
                    retryable=bool(getattr(error, "retryable", False)),
                ) from error
            return {"Authorization": f"Bearer {credentials.token}"}
