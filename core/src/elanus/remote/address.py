"""Where is a server, and how is it talked to?"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from urllib.parse import urlsplit

from elanus.errors import InvalidArgumentError

SCHEMES = {"http": False, "tcp": False, "grpc": False, "https": True, "grpcs": True}
"""Schemes of URLs of servers, and whether each means TLS: all mean the same port."""
DEFAULT_PORT = 19530
"""Milvus' port."""


def tls_context(ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    """Return what connections with TLS are opened with.

    Args:
        ca: File of the certificates that the server's own must be signed by, PEM; None: those of
            the system.
        cert: File of the client's certificate, PEM, for servers that ask for one.
        key: File of its key, PEM; None: it is in ``cert``.

    Raises:
        InvalidArgumentError: A file cannot be read, or holds something else.
    """
    try:
        made = ssl.create_default_context(cafile=ca)
        if cert is not None:
            made.load_cert_chain(cert, key)
    except OSError as error:  # also what ssl raises
        raise InvalidArgumentError(
            f"TLS: cannot use tls_ca={ca!r}, tls_cert={cert!r}, tls_key={key!r}: {error}"
        ) from None
    return made


@dataclass(frozen=True, slots=True)
class Address:
    """A server.

    Attributes:
        host: Its name or number.
        port: Its port.
        is_secure: Whether connections are made with TLS.
        token: Credentials: ``user:password``, or a token; never shown.
        database: That the URL names, or None.
    """

    host: str
    port: int
    is_secure: bool = False
    token: str | None = dataclass_field(default=None, repr=False)
    database: str | None = None

    @classmethod
    def parse(cls, uri: str, token: str | None) -> Address:
        """Read a URL such as ``http://localhost:19530`` or ``https://example.org/database``.

        Raises:
            InvalidArgumentError: It is none of a server.
        """
        parts = urlsplit(uri)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in SCHEMES or not parts.hostname or port == -1:
            # What stands before an @ may be a password.
            shown = uri.rpartition("@")[2]
            raise InvalidArgumentError(
                f"expected the URL of a server, such as http://localhost:{DEFAULT_PORT}, got "
                f"{shown!r}"
            )
        if "@" in parts.netloc:
            # URLs are shown and stored; credentials are not.
            raise InvalidArgumentError(
                f"a URL with credentials in it: give token='user:password' beside "
                f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            )
        return cls(
            parts.hostname,
            port or DEFAULT_PORT,
            SCHEMES[parts.scheme],
            token or None,
            parts.path.strip("/") or None,
        )

    @property
    def uri(self) -> str:
        """The URL, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The header of that name; None without credentials."""
        if self.token is None:
            return None
        if ":" in self.token:
            return "Basic " + base64.b64encode(self.token.encode()).decode("ascii")
        return f"Bearer {self.token}"
