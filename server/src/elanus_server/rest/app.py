"""The RESTful API as an application: headers and bodies around the routes."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as Path
from starlette.types import Receive, Scope, Send

from elanus import Cancellation
from elanus_server.admission import Admission, Room, TooBusyError, TooLateError, kind_of
from elanus_server.calls import call_of
from elanus_server.failures import TOO_LARGE, UNEXPECTED, MilvusError
from elanus_server.request_body import TooLongError, read_body
from elanus_server.rest.all_routes import ROUTES
from elanus_server.rest.bodies import error_body, read_json, write_json
from elanus_server.rest.exchange import PREFIX, Exchange, Reply, Route
from elanus_server.rest.openapi import document
from elanus_server.rest.page import PAGE
from elanus_server.rest.parameters import not_json, read_all
from elanus_server.security.guard import NotAuthenticatedError, NotPermittedError
from elanus_server.service.context import Host
from elanus_server.threads import Told
from elanus_server.ui.page import page_routes

_log = logging.getLogger(__name__)
_TIMEOUT = 10001
_UNKNOWN_USER = 1800
_JSON = "application/json"
_JSON_BYTES = _JSON.encode()
_UNWATCHED_S = 0.02
"""Seconds after which somebody looks whether the client is still there."""
_READ_OUT = 4
"""How many times the longest body is read of one that is too long."""


class RestApp:
    """Answers the routes.

    Args:
        host: What is served.
        admission: Gives requests a thread.
        max_body_bytes: Longest body that is read.
    """

    def __init__(self, host: Host, admission: Admission, *, max_body_bytes: int) -> None:
        self._host = host
        self._admission = admission
        self._max_body_bytes = max_body_bytes

        self._others = Starlette(
            routes=[
                Path("/openapi.json", self._document),
                Path("/docs", self._page),
                *page_routes(),
            ],
            exception_handlers={HTTPException: _refused},
        )

    async def _document(self, request: Request) -> Response:
        return Response(write_json(document()), media_type=_JSON)

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI wants it."""
        is_call = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        if not is_call:
            await self._others(scope, receive, send)
            return
        began = time.perf_counter()
        path = scope["path"][len(PREFIX) :]
        request = _Request(scope, receive)
        status, told, received = await self._handle(path, request)
        if path in ROUTES:
            seconds = time.perf_counter() - began
            self._host.metrics.count_rest(PREFIX + path, seconds, received, len(told))
        headers = [(b"content-type", _JSON_BYTES), (b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    async def _handle(self, path: str, request: _Request) -> tuple[int, bytes, int]:
        """Return status and body of the response, and how many bytes of a body have come."""
        limit = self._max_body_bytes
        try:
            # Also where there is no route: a client that still writes hears nothing.
            raw, room = await read_body(
                request.receive,
                request.headers.get("content-length", ""),
                self._admission,
                limit=limit,
                read_out=_READ_OUT * limit,
            )
        except TooLongError:
            too_large = MilvusError(TOO_LARGE, f"request body larger than {limit} bytes")
            return 413, write_json(error_body(too_large)), 0
        except TooBusyError as error:
            return 200, write_json(error_body(error)), 0
        try:
            route = ROUTES.get(path)
            if route is None:
                told = f"there is nothing at {PREFIX}{path}; /docs lists the routes"
                return 404, write_json({"code": 404, "message": told}), len(raw)
            if request.method != "POST":
                told = f"{PREFIX}{path} takes POST; /docs lists the routes"
                return 405, write_json({"code": 405, "message": told}), len(raw)
            status, answer = await self._answered(request, route, raw, room)
            return status, answer, len(raw)
        finally:
            room.give_up()

    async def _answered(
        self, request: _Request, route: Route, raw: bytes, room: Room
    ) -> tuple[int, bytes]:
        """Return status and body of the response; nobody has to wait for one that is not waited
        for."""
        limit_s = _seconds(request.headers)

        def answer(cancellation: Cancellation) -> tuple[int, bytes]:
            return _answer(self._host, route, request, raw, cancellation)

        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[tuple[int, bytes] | None] = loop.create_future()
        try:
            kind = kind_of(request.path, request.headers.get("authorization", ""), raw)
            call = self._admission.begin(
                answer, _into(waiting), room=room, timeout_s=limit_s, kind=kind
            )
        except TooBusyError as error:
            return 200, write_json(error_body(error))
        timers = [loop.call_later(_UNWATCHED_S, request.watch, waiting)]
        if limit_s is not None:
            timers.append(loop.call_later(limit_s, _settle, waiting))
        found = None
        try:
            found = await waiting
            if found is None:
                # What a thread has begun ends soon, or is written to the end.
                call.cancel()
        except asyncio.CancelledError:
            call.cancel()
            raise
        except TooLateError:
            pass
        finally:
            for timer in timers:
                timer.cancel()
            request.watch_no_more()
        return found or (408, write_json(error_body(MilvusError(_TIMEOUT, "request timeout"))))


class _Request:
    """What is known of a request beside its body.

    Attributes:
        method: Of HTTP.
        path: That is asked for.
        headers: By their names in small letters; of those that come twice the first.
        address: Of the client.
        receive: Of the application.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method = str(scope["method"])
        self.path = str(scope["path"])
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            self.headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        self.address = str((scope.get("client") or ("",))[0])
        self.receive = receive
        self._watch: asyncio.Task[None] | None = None

    def watch(self, waiting: asyncio.Future[Any]) -> None:
        """Let somebody wait no longer when the client is gone."""

        async def gone() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass
            _settle(waiting)

        self._watch = asyncio.ensure_future(gone())

    def watch_no_more(self) -> None:
        if self._watch is not None:
            self._watch.cancel()


def _into(waiting: asyncio.Future[Any]) -> Told:
    def told(found: Any, error: BaseException | None) -> None:
        if waiting.done():
            return
        if error is None:
            waiting.set_result(found)
        else:
            waiting.set_exception(error)

    return told


def _settle(waiting: asyncio.Future[Any]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def _refused(request: Request, error: Exception) -> Response:
    """Tell what HTTP itself refuses, such as unknown paths, in the form of all errors."""
    if not isinstance(error, HTTPException):
        raise error
    status, path = error.status_code, request.url.path
    headers = error.headers or {}
    told = {
        "Not Found": f"there is nothing at {path}; /docs lists the routes, /ui/ is for people",
        "Method Not Allowed": f"{path} takes {headers.get('Allow')}; /docs lists the routes",
    }.get(error.detail, error.detail)
    body = write_json({"code": status, "message": told})
    return Response(body, status, headers=headers, media_type=_JSON)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long the client waits; None: for as long as it takes."""
    text = headers.get("request-timeout", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not int(text):
        return None
    return float(text)


def _answer(
    host: Host, route: Route, request: _Request, raw: bytes, cancellation: Cancellation
) -> tuple[int, bytes]:
    """Answer a request, in a thread; return the status and the body."""
    try:
        return 200, write_json(_answered(host, route, request, raw, cancellation))
    except NotAuthenticatedError:
        unknown = MilvusError(_UNKNOWN_USER, "user hasn't authenticated")
        return 401, write_json(error_body(unknown))
    except NotPermittedError as error:
        return 403, write_json(error_body(error))
    except MilvusError as error:
        return 200, write_json(error_body(error))
    except Exception as error:  # noqa: BLE001 - the edge of the process
        _log.exception("%s failed", route.path)
        told = f"{route.path}: {type(error).__name__}: {error}"
        return 500, write_json({"code": UNEXPECTED, "message": told})


def _answered(
    host: Host, route: Route, request: _Request, raw: bytes, cancellation: Cancellation
) -> dict[str, Any]:
    headers = request.headers
    _check_type(headers)
    given = _authorization(headers.get("authorization", ""))
    call = call_of(host, given, call=PREFIX + route.path, address=request.address)
    values = read_all(route.parameters, read_json(raw))
    database = values.get("dbName") or headers.get("db-name") or call.database
    allow_int64 = headers.get("accept-type-allow-int64", "").lower() not in ("false", "f", "0")
    call = replace(
        call, database=database, method=route.call, cancellation=cancellation, headers=headers
    )
    found = route.answer(Exchange(route, call, values, allow_int64, raw))
    if isinstance(found, Reply):
        return {"code": 0, **found.extra, "data": found.data}
    return {"code": 0, "data": found}


def _authorization(header: str) -> str:
    """Return the header as gRPC has it: ``Bearer user:password`` comes in base64 there."""
    scheme, _, rest = header.partition(" ")
    token = rest if scheme.lower() in ("bearer", "basic") else header
    return base64.b64encode(token.encode()).decode() if ":" in token else token


def _check_type(headers: Mapping[str, str]) -> None:
    """Refuse bodies of another type than JSON.

    A page of any web site can send a form or a text to a server on this machine without being
    asked; JSON it cannot. Programs other than browsers may leave the type out.
    """
    given = headers.get("content-type")
    kind = (given or "").partition(";")[0].strip().lower()
    is_json = kind == _JSON or (kind.startswith("application/") and kind.endswith("+json"))
    if is_json or (given is None and "origin" not in headers):
        return
    raise not_json(f"expected the header Content-Type: {_JSON}, got {given!r}")
