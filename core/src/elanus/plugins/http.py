"""How is a model asked that runs behind HTTP, without the vendor's library?

One client for every service: connections that stay open, retries with the wait that the server asks
for, limits of rate and concurrency, and errors that say what to do. Keys come from environment
variables at the moment of a request; they are never kept, printed or pickled. Redirects are not
followed, so that a key reaches no other host than the one that was named.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import random
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from elanus.errors import InvalidArgumentError, ProviderError

# Timeouts, conflicts, limits and outages; 529 is "overloaded" at some services.
_RETRYABLE: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# A spent budget answers 429 as well, and waiting does not fill it.
_SPENT: Final = ("insufficient_quota", "insufficient balance")
_TOO_LARGE: Final = 413
_MAX_ANSWER_BYTES: Final = 1 << 30
_SHOWN_CHARACTERS: Final = 300
_FIRST_WAIT_S: Final = 0.5

Signer: TypeAlias = Callable[[str, str, bytes, Mapping[str, str]], Mapping[str, str]]
"""Method, address, body and headers of a request → further headers that prove who asks."""


class TooLargeError(ProviderError):
    """The service refuses a request for its size; a smaller one may pass."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Where a service is, and how it is asked.

    Attributes:
        base_url: Start of every address, such as ``"https://api.openai.com/v1"``.
        key_env: Environment variable with the key, or "" for a service without one.
        key_required: False to ask without a key when the variable is not set.
        key_header: Header that carries the key.
        key_prefix: What stands in front of the key in that header.
        headers: Further headers; never a key, since they are stored.
        sign: For services that want more than a key; a key in ``key_env`` goes before it.
        timeout_s: Seconds without a byte after which an attempt is given up.
        attempts: Attempts of one request in all, at least 1.
        longest_wait_s: Longest single wait before another attempt, in seconds. A server that asks
            for more gets an error instead.
        concurrency: Most requests at a time, over all threads.
        requests_per_minute: Limit that this client keeps by itself, or None.
        tokens_per_minute: Likewise, in estimated tokens.
    """

    base_url: str
    key_env: str = ""
    key_required: bool = True
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict)
    sign: Signer | None = None
    timeout_s: float = 60.0
    attempts: int = 6
    longest_wait_s: float = 60.0
    concurrency: int = 4
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        url = urllib.parse.urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.username:
            raise InvalidArgumentError(
                f"base_url: expected 'https://host/path' without a user name, got {self.base_url!r}"
            )
        for name in ("timeout_s", "attempts", "longest_wait_s", "concurrency"):
            if getattr(self, name) <= 0:
                raise InvalidArgumentError(f"{name} must be above 0, got {getattr(self, name)!r}")
        for name in ("requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise InvalidArgumentError(f"{name} must be above 0 or None, got {limit!r}")


class HttpClient:
    """Asks one service. Safe from many threads; can be pickled, without connections and counts.

    Args:
        service: Name of the service, for messages.
        options: Where it is, and how it is asked.
        clock: Seconds that only grow.
        sleep: Waits a number of seconds.
    """

    def __init__(
        self,
        service: str,
        options: HttpOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.options = options
        self._clock = clock
        self._sleep = sleep
        self._idle = _Connections(options)
        self._slots = threading.BoundedSemaphore(options.concurrency)
        self._requests = _Rate(options.requests_per_minute, clock)
        self._tokens = _Rate(options.tokens_per_minute, clock)
        self._lock = threading.Lock()
        self.requests = 0
        self.retries = 0

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.service, self.options)

    def close(self) -> None:
        """Close idle connections. The client can still be used."""
        self._idle.close()

    def post(self, path: str, body: object, *, tokens: int = 0) -> Any:
        """Send ``body`` as JSON and return the JSON of the answer.

        Args:
            path: Put behind ``base_url``, with its leading slash.
            body: Anything that ``json`` writes.
            tokens: Estimated tokens of the request, for ``tokens_per_minute``.

        Raises:
            ProviderError: The key is missing, the service refused the request, or every attempt
                failed; ``retryable`` tells whether the same call may succeed later.
            TooLargeError: The service refused the request for its size.
        """
        payload = json.dumps(body, allow_nan=False).encode("ascii")
        with self._slots:
            for attempt in range(1, self.options.attempts + 1):
                self._sleep_if(self._requests.take(1.0) + self._tokens.take(tokens))
                try:
                    return self._attempt(path, payload)
                except _RetryError as failure:
                    if attempt == self.options.attempts:
                        raise self._error(
                            f"{failure.reason}, in each of {attempt} attempts. Try again later, "
                            "lower concurrency, or set requests_per_minute",
                            retryable=True,
                        ) from failure
                    self._wait(failure, attempt)
        raise AssertionError("attempts is at least 1")

    def _wait(self, failure: _RetryError, attempt: int) -> None:
        wait_s = failure.wait_s
        if wait_s is None:
            # Full jitter: clients that failed together do not come back together.
            longest = min(self.options.longest_wait_s, _FIRST_WAIT_S * 2 ** (attempt - 1))
            wait_s = random.uniform(longest / 2, longest)
        elif wait_s > self.options.longest_wait_s:
            raise self._error(
                f"{failure.reason}, and asks to wait {wait_s:.0f} s, which is more than "
                f"longest_wait_s={self.options.longest_wait_s:.0f}: try again then, or raise "
                "longest_wait_s",
                retryable=True,
            ) from failure
        with self._lock:
            self.retries += 1
        self._sleep_if(wait_s)

    def _attempt(self, path: str, payload: bytes) -> Any:
        headers = self._headers(path, payload)
        with self._lock:
            self.requests += 1
        try:
            status, answered, raw = self._idle.exchange(path, payload, headers)
        except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLEOFError) as error:
            raise _RetryError(f"the connection failed ({type(error).__name__}: {error})") from error
        except OSError as error:
            # Name resolution, refused routes and certificates: another attempt seldom helps.
            raise self._error(
                f"cannot reach {self.options.base_url}: {error}. Check base_url, the network and "
                "that the service runs",
                retryable=True,
            ) from error
        if 200 <= status < 300:
            try:
                return json.loads(raw)
            except ValueError as error:
                shown = raw[:80].decode("utf-8", "replace")
                raise _RetryError(f"the answer is not JSON ({shown!r})") from error
        raise self._refusal(status, answered, raw)

    def _refusal(self, status: int, answered: Mapping[str, str], raw: bytes) -> Exception:
        said = self._without_key(_message(raw))
        reason = f"HTTP {status}: {said}"
        spent = any(word in raw[:4096].decode("utf-8", "replace").lower() for word in _SPENT)
        if status in _RETRYABLE and not (status in (402, 429) and spent):
            return _RetryError(reason, _retry_after_s(answered))
        if status == _TOO_LARGE:
            return TooLargeError(f"{self.service}: {reason}")
        key = self.options.key_env or "no key"
        hint = {
            401: f"check the key in the environment variable {key}",
            403: f"the key in {key} may not use this model or service",
            402: "the account has no credit left",
            429: "the account has no credit left; waiting does not help",
            404: f"check the model's name and base_url={self.options.base_url!r}",
        }.get(status, "")
        if 300 <= status < 400:
            hint = f"redirects are not followed: set base_url to {answered.get('location', '')!r}"
        return self._error(f"{reason}{'. To do: ' + hint if hint else ''}", retryable=False)

    def _headers(self, path: str, payload: bytes) -> dict[str, str]:
        options = self.options
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers.update(options.headers)
        key = os.environ.get(options.key_env, "").strip() if options.key_env else ""
        if key:
            if any(ord(c) < 33 or ord(c) > 126 for c in key):
                raise self._error(
                    f"the value of {options.key_env} is not a key: it has a character that no "
                    "header can carry",
                    retryable=False,
                )
            headers[options.key_header] = options.key_prefix + key
        elif options.sign is not None:
            url = options.base_url.rstrip("/") + path
            headers.update(options.sign("POST", url, payload, headers))
        elif options.key_env and options.key_required:
            raise self._error(
                f"no key: set the environment variable {options.key_env}, or name another one "
                "with key_env=",
                retryable=False,
            )
        return headers

    def _without_key(self, text: str) -> str:
        key = os.environ.get(self.options.key_env, "").strip() if self.options.key_env else ""
        return text.replace(key, "***") if key else text

    def _error(self, text: str, *, retryable: bool) -> ProviderError:
        return ProviderError(f"{self.service}: {text}", retryable=retryable)

    def _sleep_if(self, wait_s: float) -> None:
        if wait_s > 0:
            self._sleep(wait_s)


class _RetryError(Exception):
    """An attempt failed in a way that another one may not.

    Attributes:
        reason: What happened.
        wait_s: Seconds that the server asks to wait, or None.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class _Connections:
    """Open connections to one host that nobody uses at the moment."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._url = urllib.parse.urlsplit(options.base_url)
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def exchange(
        self, path: str, payload: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request; return status, headers by lower-case name, and body."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._exchange(kept, path, payload, headers)
            except (http.client.RemoteDisconnected, ConnectionError):
                # A server closes idle connections when it likes; that is no failed attempt.
                pass
        return self._exchange(self._connect(), path, payload, headers)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        payload: bytes,
        headers: Mapping[str, str],
    ) -> tuple[int, dict[str, str], bytes]:
        reusable = False
        try:
            connection.request("POST", self._target(path), body=payload, headers=dict(headers))
            answer = connection.getresponse()
            raw = answer.read(_MAX_ANSWER_BYTES)
            if answer.length:
                # read() with a bound does not notice by itself that the rest never came.
                raise http.client.IncompleteRead(raw, answer.length)
            reusable = not answer.will_close
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, raw
        finally:
            if reusable:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def _target(self, path: str) -> str:
        target = self._url.path.rstrip("/") + path
        proxied = self._url.scheme == "http" and self._proxy() is not None
        return f"{self._url.scheme}://{self._url.netloc}{target}" if proxied else target

    def _connect(self) -> http.client.HTTPConnection:
        url, timeout = self._url, self._options.timeout_s
        proxy = self._proxy()
        host, port = (proxy.hostname, proxy.port or 80) if proxy else (url.hostname, url.port)
        if url.scheme == "http":
            return http.client.HTTPConnection(str(host), port, timeout=timeout)
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
        secure = http.client.HTTPSConnection(str(host), port, timeout=timeout, context=self._tls)
        if proxy:
            secure.set_tunnel(str(url.hostname), url.port or 443)
        return secure

    def _proxy(self) -> urllib.parse.SplitResult | None:
        """Return the proxy that the environment names for this host, or None."""
        address = urllib.request.getproxies().get(self._url.scheme)
        if not address or urllib.request.proxy_bypass(str(self._url.hostname)):
            return None
        return urllib.parse.urlsplit(address if "://" in address else f"http://{address}")


class _Rate:
    """A bucket that fills evenly over a minute and may be overdrawn, which callers wait out."""

    def __init__(self, per_minute: float | None, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._level = per_minute or 0.0
        self._seen = clock()

    def take(self, amount: float) -> float:
        """Take ``amount`` and return the seconds to wait before using it."""
        if self._per_minute is None:
            return 0.0
        with self._lock:
            now = self._clock()
            filled = self._level + (now - self._seen) * self._per_minute / 60.0
            self._level = min(self._per_minute, filled) - amount
            self._seen = now
            return max(0.0, -self._level * 60.0 / self._per_minute)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After``, as a number or a date (RFC 9110), or None."""
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.isdigit():
        return int(milliseconds) / 1000.0
    given = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())


def _message(raw: bytes) -> str:
    """Return what an answer says is wrong, on one line: services put it in different places."""
    text = raw[:8192].decode("utf-8", "replace").strip()
    try:
        found = json.loads(raw)
    except ValueError:
        found = text
    for key in ("error", "message", "detail"):
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict) and key in found:
            found = found[key]
    said = found if isinstance(found, str) else json.dumps(found)
    said = " ".join(said.split())
    return said[:_SHOWN_CHARACTERS] or "no message"
