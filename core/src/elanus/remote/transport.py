"""How does a request reach a server, and what if it does not?

Connections are kept and used again, one by each thread at a time. A request that did not get an
answer is made again: at once, then after a while. A write carries a key by which the server knows
it, so that it is applied once however often it comes; where the server was started anew in
between, it no longer knows, and the caller is told that the outcome is not known.
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

from elanus.errors import (
    AuthenticationError,
    ClosedError,
    MessageTooLargeError,
    ServerBusyError,
    ServerConnectionError,
    ServerError,
    ServerTimeoutError,
)
from elanus.remote.address import Address
from elanus.remote.codec import decode, encode
from elanus.remote.methods import AGAIN_HEADER, PATH, TIMEOUT_HEADER, TYPE, Effect, effect_of
from elanus.remote.values import ANSWERS, error_from_json

ATTEMPTS = 5
_PAUSES_S = (0.0, 0.05, 0.2, 0.8)
"""Seconds before each attempt but the first."""
_IDLE_S = 4.0
"""Seconds after which a connection is not used again: servers close those that idle for longer."""
_MOST_HINT_S = 30.0
"""Seconds that a server can ask to wait before an attempt."""
_BUSY = (502, 503, 504)
"""What a server or something before it says that cannot answer now."""
_NO_TRUST = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted; tls_ca= names the file of the "
    "certificates that it must be signed by",
    "WRONG_VERSION_NUMBER": "it does not talk TLS there; write http:// or check the port",
}
"""What no further attempt can change: what it means, and the next step."""
_FAULTS = (OSError, http.client.HTTPException)


class _Connection(http.client.HTTPSConnection):
    """One connection; bytes go out at once."""

    def __init__(
        self, address: Address, timeout: float | None, context: ssl.SSLContext | None
    ) -> None:
        if context is None:
            # What HTTPSConnection adds is not wanted.
            http.client.HTTPConnection.__init__(self, address.host, address.port, timeout=timeout)
        else:
            super().__init__(address.host, address.port, timeout=timeout, context=context)
        self._secure = context
        self.used_s = 0.0

    def connect(self) -> None:
        if self._secure is None:
            http.client.HTTPConnection.connect(self)
        else:
            super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Transport:
    """Requests to one server. Safe from many threads.

    Args:
        address: Where it is.
        timeout: Seconds that an answer may take; None: as long as it takes.
        context: For TLS; None: without.
    """

    def __init__(
        self, address: Address, *, timeout: float | None, context: ssl.SSLContext | None
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.instance = ""
        """The server as it was when somebody first asked it; it is another one after a restart."""
        self.max_bytes = 0
        """Largest message that it takes; 0: not known yet."""
        self._context = context
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._pid = os.getpid()
        self._closed = False
        self._handles = 1

    def hold(self) -> None:
        """Count one more handle."""
        with self._lock:
            self._handles += 1

    def release(self) -> None:
        """Count one less; the last one closes the connections."""
        with self._lock:
            self._handles -= 1
            if self._handles:
                return
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()

    def call(self, name: str, document: Mapping[str, Any], *, timeout: float | None = None) -> Any:
        """Make a call and return what it was answered with.

        Args:
            name: Such as ``collection.search``.
            document: What goes with it.
            timeout: Seconds for this call; None: those of the connection.

        Raises:
            ElanusError: What the server says, or that it does not say anything.
        """
        effect = effect_of(name) or Effect.WRITE
        message = {**document, "call": name}
        # A batch of an iterator is asked for by its place.
        if effect is not Effect.READ and name != "held.next":
            message["key"] = uuid.uuid4().hex
        raw = encode(message, ANSWERS)
        if self.max_bytes and len(raw) > self.max_bytes:
            raise MessageTooLargeError(
                f"{name}: the request has {len(raw)} bytes, and the server takes "
                f"{self.max_bytes}; nothing was done. Give it in several calls, or take "
                f"import_data, which sends parts and still stores all or none",
                size=len(raw),
                limit=self.max_bytes,
            )
        status, told = self._sent(name, effect, raw, timeout or self.timeout)
        return self._read(name, status, told)

    def _sent(
        self, name: str, effect: Effect, raw: bytes, timeout: float | None
    ) -> tuple[int, bytes]:
        """Return status and body of the answer; try again where that is right."""
        deadline = None if timeout is None else time.monotonic() + timeout
        headers = {"Content-Type": TYPE}
        if self.address.authorization is not None:
            headers["Authorization"] = self.address.authorization
        was_sent, fault, hint_s = False, None, None
        for attempt in range(ATTEMPTS):
            left = self._wait(name, attempt, deadline, timeout, hint_s)
            hint_s = None
            if left is not None:
                headers[TIMEOUT_HEADER] = str(max(1, int(left * 1000)))
            if was_sent:
                headers[AGAIN_HEADER] = self.instance
            try:
                connection = self._taken(left)
            except _FAULTS as error:
                self._check_trust(error)
                fault = error
                continue
            try:
                status, told, announced = _exchange(connection, raw, headers)
            except TimeoutError as error:
                connection.close()
                self._late(name, effect, timeout, error)
            except _FAULTS as error:
                connection.close()
                was_sent, fault = True, error
                continue
            self._given_back(connection)
            if status in _BUSY and attempt + 1 < ATTEMPTS:
                hint_s = _hint_s(told, announced)
                if hint_s is None or deadline is None or time.monotonic() + hint_s < deadline:
                    continue
            return status, told
        self._unreachable(name, fault, is_unknown=was_sent and effect is Effect.WRITE)

    def _wait(
        self,
        name: str,
        attempt: int,
        deadline: float | None,
        timeout: float | None,
        hint_s: float | None,
    ) -> float | None:
        """Wait before an attempt, as long as the server says; return the seconds that are left."""
        # Not all clients of a server that comes back ask it at the same moment.
        if hint_s is not None:
            time.sleep(hint_s * random.uniform(1.0, 1.1))
        elif attempt:
            time.sleep(_PAUSES_S[attempt - 1] * random.uniform(0.5, 1.0))
        if deadline is None:
            return None
        left = deadline - time.monotonic()
        if left <= 0:
            self._late(name, Effect.READ, timeout, None)
        return left

    def _taken(self, timeout: float | None) -> _Connection:
        """Return a connection that is open."""
        with self._lock:
            if self._closed:
                raise ClosedError("the database is closed; connect again")
            if self._pid != os.getpid():
                # The parent's connections are in use there.
                self._idle, self._pid = [], os.getpid()
            stale = time.monotonic() - _IDLE_S
            old = [one for one in self._idle if one.used_s < stale]
            self._idle = [one for one in self._idle if one.used_s >= stale]
            found = self._idle.pop() if self._idle else None
        for one in old:
            one.close()
        if found is None:
            found = _Connection(self.address, timeout, self._context)
            found.connect()
        found.sock.settimeout(timeout)
        return found

    def _given_back(self, connection: _Connection) -> None:
        if connection.sock is None:  # the server closed it with its answer
            return
        connection.used_s = time.monotonic()
        with self._lock:
            if not self._closed and self._pid == os.getpid():
                self._idle.append(connection)
                return
        connection.close()

    def _read(self, name: str, status: int, told: bytes) -> Any:
        where = self.address.uri
        if not told.startswith(b"ELN1"):
            if status in _BUSY:
                raise ServerBusyError(f"{where} answers {status}: it is busy, or starts; try again")
            if status == 401:
                raise AuthenticationError(f"{where}: the server does not know the user")
            raise ServerError(
                f"{where} is no server of elanus, or an older one: it answers {status} to "
                f"{PATH}; check the URL and the port"
            )
        answer = decode(told, ANSWERS)
        self.instance = answer["instance"]
        if "error" in answer:
            raise error_from_json(answer["error"])
        return answer["value"]

    def _check_trust(self, fault: Exception) -> None:
        """Raise for what no further attempt can change."""
        reason = _NO_TRUST.get(fault.reason) if isinstance(fault, ssl.SSLError) else None
        if reason is None:
            return
        address = self.address
        raise ServerConnectionError(
            f"{address.uri}: {reason}",
            host=address.host,
            port=address.port,
            is_unknown=False,
        ) from fault

    def _unreachable(self, name: str, fault: Any, *, is_unknown: bool) -> NoReturn:
        address = self.address
        outcome = (
            " Whether it was applied is not known: read before you repeat it." if is_unknown else ""
        )
        raise ServerConnectionError(
            f"{name}: no answer from {address.host} port {address.port} in {ATTEMPTS} attempts: "
            f"{fault}. Is 'elanus serve' running there, is the port right, and does the URL say "
            f"https:// if and only if the server talks TLS?{outcome}",
            host=address.host,
            port=address.port,
            is_unknown=is_unknown,
        ) from fault

    def _late(self, name: str, effect: Effect, timeout: float | None, fault: Any) -> NoReturn:
        outcome = (
            "; whether it was applied is not known: read before you repeat it"
            if effect is Effect.WRITE
            else ""
        )
        raise ServerTimeoutError(
            f"{name}: {self.address.host} port {self.address.port} did not answer within "
            f"{timeout} seconds (timeout=){outcome}",
            timeout_s=timeout,
        ) from fault

    def __repr__(self) -> str:
        return f"Transport({self.address.uri!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a connection to a server cannot be pickled; connect again over there")


def _exchange(
    connection: _Connection, raw: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes, str]:
    """Return status and body of a response, and when to come again as its headers say."""
    connection.request("POST", PATH, body=raw, headers=dict(headers))
    response = connection.getresponse()
    return response.status, response.read(), response.getheader("Retry-After", "")


def _hint_s(told: bytes, announced: str) -> float | None:
    """Return the seconds after which a server that is busy wants to be asked again.

    Args:
        told: Its answer, if the server itself was reached.
        announced: The header ``Retry-After``, which also what stands before a server may send.
    """
    hint: Any = None
    if told.startswith(b"ELN1"):
        answer = decode(told, ANSWERS)
        hint = answer.get("error", {}).get("attributes", {}).get("retry_after_s")
    elif announced.isascii() and announced.isdigit() and len(announced) <= 3:
        hint = int(announced)
    return min(float(hint), _MOST_HINT_S) if isinstance(hint, int | float) else None
