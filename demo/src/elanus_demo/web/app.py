"""Which address answers what, and whose questions are answered?

Every page that a browser has open can send requests to this machine. So a request must name this
host (a name that points here by DNS does not), come from this page or from no page, and ask in
JSON, which no form can send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elanus import ElanusError
from elanus_demo.answer import AsyncAnswerer
from elanus_demo.store import PassageStore
from elanus_demo.web.asking import LONGEST_QUESTION, Ask, BadRequestError, answer_events
from elanus_demo.web.payload import Json

LARGEST_REQUEST_BYTES = 256 * 1024
"""A question with the conversation before it; the page sends a few turns only."""

_STATIC = Path(__file__).parent / "static"
_HOSTS = ("127.0.0.1", "localhost")
_HEADERS = {
    # Nothing but the page's own files; no text can become a script, even by a mistake of the page.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    # An answer belongs to its question, and the next start may serve other files.
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page asks.

    Attributes:
        title: What is asked, in words.
        store: The passages.
        answerers: Who may answer, in the order in which they are tried; the last cannot fail.
        limit: Passages found for a question.
        suggestions: Questions that show what can be asked.
    """

    title: str
    store: PassageStore
    answerers: Sequence[AsyncAnswerer]
    limit: int
    suggestions: Sequence[str] = ()


def create_app(desk: Desk) -> Starlette:
    """Return the application that serves the page and answers its questions."""
    files = desk.store.passages_by_file()

    async def page(request: Request) -> Response:
        return FileResponse(_STATIC / "index.html", media_type="text/html; charset=utf-8")

    async def corpus(request: Request) -> Response:
        return JSONResponse(_corpus(desk, files))

    async def ask(request: Request) -> Response:
        refused = _refusal(request)
        if refused is not None:
            return refused
        try:
            body = await _read(request)
        except ClientDisconnect:
            # Nobody is there to read it; the status is what some servers log for that.
            return Response(status_code=499)
        if body is None:
            return _error(413, f"the request is larger than {LARGEST_REQUEST_BYTES // 1024} KiB")
        try:
            asked = Ask.parse(body, files)
            query = asked.conversation.search_text(asked.text)
            found = await asyncio.to_thread(desk.store.search, query, desk.limit, asked.files)
        except BadRequestError as error:
            return _error(400, str(error))
        except ElanusError as error:
            return _error(500, f"the search failed: {error}")
        events = answer_events(asked, found, desk.answerers)
        return StreamingResponse(events, media_type="application/x-ndjson")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/corpus", corpus),
            Route("/api/ask", ask, methods=["POST"]),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            Middleware(_SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS, www_redirect=False),
        ],
    )


class _SafeHeaders:
    """Puts the headers that restrict the page on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _corpus(desk: Desk, files: Mapping[str, int]) -> Json:
    return {
        # A path may hold bytes that are no text on this system.
        "title": desk.title.encode("utf-8", "replace").decode("utf-8"),
        "files": [{"key": key, "passages": count} for key, count in files.items()],
        "num_passages": sum(files.values()),
        "answered_by": desk.answerers[0].title,
        "suggestions": list(desk.suggestions),
        "longest_question": LONGEST_QUESTION,
    }


def _refusal(request: Request) -> Response | None:
    """Return why a question is not answered, or None when it comes from this page."""
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    site = request.headers.get("sec-fetch-site", "none")
    if (origin is not None and origin != own) or site not in {"same-origin", "none"}:
        return _error(403, "questions of other pages are not answered")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return _error(415, f"expected application/json, got {kind or 'no content type'}")
    return None


async def _read(request: Request) -> bytes | None:
    """Return the body, or None as soon as it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_REQUEST_BYTES:
            return None
    return bytes(body)


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
