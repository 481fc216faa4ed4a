"""How is a server set up?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Literal

DEFAULT_PORT = 19530
"""Milvus' port."""
DEFAULT_METRICS_PORT = 9091
"""Milvus' port of health and metrics."""
DEFAULT_AUDIT_BYTES = 100 * 1024 * 1024
"""Size from which the audit log begins a new file."""
SHARED: Literal["shared"] = "shared"
"""In place of a port: that of gRPC."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with.

    Attributes:
        path: Folder of the database, or ``":memory:"``.
        host: Address to listen on.
        port: Port of gRPC; 0 takes a free one.
        rest_port: Port of the RESTful API; ``"shared"``: that of gRPC. None switches it off, 0
            takes a free one.
        metrics_port: Port of health and metrics. None switches them off, 0 takes a free one.
        threads: Calls that are answered at once, by each process.
        max_waiting: Calls that may wait for a thread; more are refused.
        max_waiting_bytes: Bytes of the requests of all calls under way, more are refused; and of
            answers that clients do not read, then a connection is ended.
        max_message_bytes: Largest message in either direction; Milvus' limit is 64 MB.
        max_vector_fields: Vector fields of a collection that a client of Milvus makes; in Milvus 4,
            and 10 at most.
        auth: Clients have to say who they are; the user ``root`` is made at the first start.
        root_password: Password of the user ``root``, when it is made; None makes one up.
        tls_cert: File of the server's certificate, PEM; with ``tls_key`` clients talk TLS.
        tls_key: File of its key, PEM.
        tls_client_ca: File of the certificates that clients' own must be signed by; None: clients
            need none.
        import_folder: Folder whose files clients may import, and use in analyzers; None: none.
        limits: What each user may ask for, by name (``security.limits``), unless they have limits
            of their own.
        audit_log: File in which calls are written down; None: nowhere.
        audit_every_call: Also calls that only read or write entities.
        audit_max_bytes: Size from which a new file is begun; five older ones are kept.
        tracing: Each call is a span of OpenTelemetry; the variables OTEL_* say where they go.
        grace_s: Seconds that calls under way have when the server stops.
        silence_s: Seconds after which a client that does not go on in the middle of what it has to
            say is not listened to any longer.
        workers: Processes that answer reads beside the one that writes; 0: that one does all.
    """

    path: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    rest_port: int | Literal["shared"] | None = SHARED
    metrics_port: int | None = DEFAULT_METRICS_PORT
    threads: int = 16
    max_waiting: int = 512
    max_waiting_bytes: int = 512 * 1024 * 1024
    max_message_bytes: int = 64 * 1024 * 1024
    max_vector_fields: int = 4
    auth: bool = False
    root_password: str | None = dataclass_field(default=None, repr=False)
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    import_folder: str | None = None
    limits: Mapping[str, float] = dataclass_field(default_factory=dict)
    audit_log: str | None = None
    audit_every_call: bool = False
    audit_max_bytes: int = DEFAULT_AUDIT_BYTES
    tracing: bool = False
    grace_s: float = 10.0
    silence_s: float = 20.0
    workers: int = 0

    @property
    def url_host(self) -> str:
        """The address to listen on as it stands in a URL, where IPv6 has brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host
