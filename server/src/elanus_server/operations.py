"""Health and metrics, for those who keep the server running."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from elanus_server.metrics import CONTENT_TYPE
from elanus_server.service.context import Host
from elanus_server.workers.samples import PATH as SAMPLES


@dataclass(slots=True)
class Health:
    """Whether the server takes calls.

    Attributes:
        is_ready: From the moment that it listens until it begins to stop.
    """

    is_ready: bool = False


def operations_app(host: Host, health: Health) -> Starlette:
    """Return the application: ``/healthz``, ``/livez``, ``/readyz`` and ``/metrics``."""

    async def alive(request: Request) -> Response:
        return PlainTextResponse("OK")

    async def healthy(request: Request) -> Response:
        """Answer as Milvus does: ``OK``, or JSON for those who ask with its content type."""
        state = "OK" if health.is_ready else "the server is starting or stopping"
        status = 200 if health.is_ready else 503
        if request.headers.get("content-type", "").startswith("application/json"):
            return JSONResponse({"state": state}, status)
        return PlainTextResponse(state, status)

    async def metrics(request: Request) -> Response:
        # It reads sizes of files, which takes a while in a large folder.
        told = await asyncio.to_thread(host.metrics.exposition)
        return Response(told, media_type=CONTENT_TYPE)

    async def samples(request: Request) -> Response:
        return JSONResponse(host.metrics.samples())

    return Starlette(
        routes=[
            Route("/healthz", healthy),
            Route("/readyz", healthy),
            Route("/livez", alive),
            Route("/metrics", metrics),
            *([Route(SAMPLES, samples)] if host.root.read_only else []),
        ]
    )
