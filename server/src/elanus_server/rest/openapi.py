"""The API as an OpenAPI document, made of the table of routes."""

from __future__ import annotations

from typing import Any

import elanus
from elanus_server.rest.all_routes import ROUTES
from elanus_server.rest.exchange import PREFIX, Route
from elanus_server.service.all_calls import METHODS
from elanus_server.service.registry import OWN_METHODS

_FIRST = ("collections", "entities", "indexes", "partitions", "aliases", "databases")
"""Groups of routes with which most programs begin; the others follow as they are declared."""
_HEADERS = (
    ("DB-Name", "string", "The database, where the body names none."),
    ("Accept-Type-Allow-Int64", "boolean", "false: 64-bit integers are sent as strings."),
    ("Request-Timeout", "integer", "Seconds after which an answer is of no use any more."),
)
_BODY = {
    "type": "object",
    "required": ["code"],
    "properties": {
        "code": {"type": "integer", "description": "0: it went well; else Milvus' number."},
        "message": {"type": "string", "description": "What went wrong."},
        "data": {"description": "The answer."},
    },
}


def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "elanus",
            "version": elanus.__version__,
            "description": "The RESTful API of Milvus, version 2. Errors come with status 200 and "
            "a code other than 0, as with Milvus.",
        },
        "security": [{}, {"token": []}],
        "paths": {PREFIX + route.path: {"post": _operation(route)} for route in _in_order()},
        "components": {
            "schemas": {"Response": _BODY},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token, or user:password.",
                }
            },
        },
    }


def _in_order() -> list[Route]:
    places = {group: place for place, group in enumerate(_FIRST)}
    return sorted(
        ROUTES.values(), key=lambda route: places.get(route.path.partition("/")[0], len(places))
    )


def _operation(route: Route) -> dict[str, Any]:
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/Response"}}}
    told = {"200": "The answer, or an error.", "408": "It took too long.", "413": "Too large."}
    return {
        "operationId": route.path.replace("/", "_"),
        "tags": [route.path.rpartition("/")[0]],
        "summary": route.summary,
        "description": _about(route),
        "parameters": [
            {"in": "header", "name": name, "schema": {"type": kind}, "description": about}
            for name, kind, about in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _request(route)}},
        },
        "responses": {
            status: {"description": text, "content": answer} for status, text in told.items()
        },
    }


def _about(route: Route) -> str:
    if route.call in METHODS:
        return f"As the call {route.call} of gRPC."
    if route.call in OWN_METHODS:
        return "Milvus has no such path."
    return f"Not supported: {route.call} is answered with an error."


def _request(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: one.schema() for one in route.parameters},
    }
    required = [one.name for one in route.parameters if one.required]
    return made | ({"required": required} if required else {})
