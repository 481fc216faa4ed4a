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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as Path

from elanus import Cancellation
from elanus_server.admission import Admission, TooBusyError, TooLateError
from elanus_server.calls import call_of
from elanus_server.failures import RATE_LIMIT, TOO_LARGE, UNEXPECTED, MilvusError
from elanus_server.rest.all_routes import ROUTES
from elanus_server.rest.bodies import read_body, write_body
from elanus_server.rest.exchange import PREFIX, Exchange, Reply, Route
from elanus_server.rest.openapi import document
from elanus_server.rest.page import PAGE
from elanus_server.rest.parameters import not_json, read_all
from elanus_server.security.guard import NotAuthenticatedError, NotPermittedError
from elanus_server.service.context import Host
from elanus_server.ui.page import page_routes

_log = logging.getLogger(__name__)
_TIMEOUT = 10001
_UNKNOWN_USER = 1800
_TOO_BUSY = 1807
_CODES = {RATE_LIMIT: _TOO_BUSY}
"""Numbers that the RESTful API has of its own."""
_JSON = "application/json"
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

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Path(PREFIX + "{path:path}", self._handle, methods=["POST"]),
                Path("/openapi.json", self._document),
                Path("/docs", self._page),
                *page_routes(),
            ],
            exception_handlers={HTTPException: _refused},
        )

    async def _document(self, request: Request) -> Response:
        return Response(write_body(document()), media_type=_JSON)

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def _handle(self, request: Request) -> Response:
        began = time.perf_counter()
        path = request.path_params["path"]
        route = ROUTES.get(path)
        if route is None:
            raise HTTPException(404, f"there is no route {PREFIX}{path}; /docs lists them")
        try:
            raw = await self._body(request)
        except MilvusError as error:
            return Response(write_body(_error(error)), 413, media_type=_JSON)
        status, told = await self._answered(request, route, raw)
        seconds = time.perf_counter() - began
        self._host.metrics.count_rest(PREFIX + path, seconds, len(raw), len(told))
        return Response(told, status, media_type=_JSON)

    async def _answered(self, request: Request, route: Route, raw: bytes) -> tuple[int, bytes]:
        """Return status and body of the response; nobody has to wait for one that is not waited
        for."""
        limit_s = _seconds(request.headers)

        def answer(cancellation: Cancellation) -> tuple[int, bytes]:
            address = _address(request)
            return _answer(self._host, route, request.headers, raw, cancellation, address)

        work = asyncio.ensure_future(self._admission.run(answer, size=len(raw), timeout_s=limit_s))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((work, gone), timeout=limit_s, return_when="FIRST_COMPLETED")
            if work.done():
                return work.result()
        except TooBusyError as error:
            return 200, write_body(_error(error))
        except TooLateError:
            pass
        finally:
            # What a thread has begun ends soon, or is written to the end.
            work.cancel()
            gone.cancel()
        return 408, write_body(_error(MilvusError(_TIMEOUT, "request timeout")))

    async def _body(self, request: Request) -> bytes:
        """Return the body.

        Raises:
            MilvusError: It is too long.
        """
        limit = self._max_body_bytes
        announced = request.headers.get("content-length", "")
        is_too_long = announced.isdecimal() and int(announced[:20]) > limit
        parts: list[bytes] = []
        size = 0
        try:
            # What is too long is read to the end, within reason: a client that still writes does
            # not hear that it was refused.
            async for part in request.stream():
                size += len(part)
                is_too_long = is_too_long or size > limit
                if size > _READ_OUT * limit:
                    break
                if is_too_long:
                    parts.clear()
                else:
                    parts.append(part)
        except ClientDisconnect:
            return b""
        if is_too_long:
            raise MilvusError(TOO_LARGE, f"request body larger than {limit} bytes")
        return b"".join(parts)


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
    body = write_body({"code": status, "message": told})
    return Response(body, status, headers=headers, media_type=_JSON)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long the client waits; None: for as long as it takes."""
    text = headers.get("request-timeout", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not int(text):
        return None
    return float(text)


async def _gone(request: Request) -> None:
    """Return when the client is not there any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _answer(
    host: Host,
    route: Route,
    headers: Mapping[str, str],
    raw: bytes,
    cancellation: Cancellation,
    address: str,
) -> tuple[int, bytes]:
    """Answer a request, in a thread; return the status and the body."""
    try:
        return 200, write_body(_answered(host, route, headers, raw, cancellation, address))
    except NotAuthenticatedError:
        unknown = MilvusError(_UNKNOWN_USER, "user hasn't authenticated")
        return 401, write_body(_error(unknown))
    except NotPermittedError as error:
        return 403, write_body(_error(error))
    except MilvusError as error:
        return 200, write_body(_error(error))
    except Exception as error:  # noqa: BLE001 - the edge of the process
        _log.exception("%s failed", route.path)
        told = f"{route.path}: {type(error).__name__}: {error}"
        return 500, write_body({"code": UNEXPECTED, "message": told})


def _answered(
    host: Host,
    route: Route,
    headers: Mapping[str, str],
    raw: bytes,
    cancellation: Cancellation,
    address: str,
) -> dict[str, Any]:
    _check_type(headers)
    given = _authorization(headers.get("authorization", ""))
    call = call_of(host, given, call=PREFIX + route.path, address=address)
    values = read_all(route.parameters, read_body(raw))
    database = values.get("dbName") or headers.get("db-name") or call.database
    allow_int64 = headers.get("accept-type-allow-int64", "").lower() not in ("false", "f", "0")
    call = replace(
        call, database=database, method=route.call, cancellation=cancellation, headers=headers
    )
    found = route.answer(Exchange(route, call, values, allow_int64))
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


def _error(error: MilvusError) -> dict[str, Any]:
    return {"code": _CODES.get(error.code, error.code), "message": str(error)}
