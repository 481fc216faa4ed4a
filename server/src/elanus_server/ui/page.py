"""Which files make the page, and what may a browser do with them?

The page asks the RESTful API as every other client does. It holds nothing that the API does not
tell, so its files are for everybody; who logs in keeps the password in the memory of the page.
"""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/ui"
_STATIC = Path(__file__).parent / "static"
HEADERS = {
    # Nothing but the page's own files; no text can become a script, even by a mistake of the page.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    # Files change with the server; asking whether they did costs next to nothing.
    "cache-control": "no-cache",
}


def page_routes() -> list[BaseRoute]:
    """Return the routes of the page, and of the address without a path, which leads to it."""

    async def lead(request: Request) -> Response:
        return RedirectResponse(f"{PREFIX}/")

    async def page(request: Request) -> Response:
        return FileResponse(_STATIC / "index.html", media_type="text/html; charset=utf-8")

    inner = Starlette(routes=[Route("/", page), Mount("/static", StaticFiles(directory=_STATIC))])
    return [Route("/", lead), Mount(PREFIX, _SafeHeaders(inner))]


class _SafeHeaders:
    """Puts the headers that restrict the page on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def restricted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, restricted)
