"""Answering one call, whichever transport it came by.

What nobody foresaw ends here: it is logged whole and told to the client in short. Every call is
limited, counted and recorded here, too.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from elanus_server.failures import UNEXPECTED, MilvusError, status_in
from elanus_server.security.audit import AuditRecord, is_recorded
from elanus_server.security.caller import Caller
from elanus_server.security.guard import NotAuthenticatedError, NotPermittedError, named_collections
from elanus_server.service.context import DEFAULT_DATABASE, Call, Host
from elanus_server.service.registry import Method

_log = logging.getLogger(__name__)
ENDABLE = frozenset({"Search", "HybridSearch", "Query"})
"""Calls that may end halfway: they change nothing."""
_MOST_SHOWN = 255
"""Characters of a name that are recorded."""


def call_of(
    host: Host,
    credentials: str,
    *,
    call: str,
    database: str = "",
    address: str = "",
    **more: Any,
) -> Call:
    """Return the context of a call, once it is known who makes it.

    Args:
        host: What is served.
        credentials: The header ``authorization``.
        call: Its name, or the path that was asked for.
        database: That the client is connected to.
        address: Of the client, where it is known.
        **more: Further attributes of a ``Call``.

    Raises:
        NotAuthenticatedError: Nobody whom the server knows.
    """
    try:
        user = host.guard.user_of(credentials)
    except NotAuthenticatedError as error:
        host.metrics.count_login()
        host.record(
            AuditRecord(time.time(), error.user, "", address, call, "", "", error.code, 0.0)
        )
        raise
    return Call(host, database or DEFAULT_DATABASE, user, address=address, **more)


def answered(method: Method, call: Call, request: Any) -> Any:
    """Return the response to a request; it tells every error.

    Raises:
        NotPermittedError: The user may not make the call, which a transport tells in its own way.
    """
    tracer = call.host.tracer
    if tracer is None:
        return _answered(method, call, request)
    with tracer.span(method.name, call, request) as span:
        try:
            response = _answered(method, call, request)
        except NotPermittedError as error:
            tracer.tell(span, method.refused(error))
            raise
        tracer.tell(span, response)
        return response


def _answered(method: Method, call: Call, request: Any) -> Any:
    at, began = time.time(), time.perf_counter()
    refused: NotPermittedError | None = None
    try:
        admitted = call.host.limits.admitted(call.user, method.name, request)
        with admitted, _ended_with(method, call):
            response = method(call, request)
        call.host.limits.check_output(call.user, response)
    except NotPermittedError as error:
        refused, response = error, method.refused(error)
    except MilvusError as error:
        response = method.refused(error)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        _log.exception("%s failed", method.name)
        told = f"{method.name}: {type(error).__name__}: {error}"
        response = method.refused(MilvusError(UNEXPECTED, told))
    seconds = time.perf_counter() - began
    call.host.metrics.count(method.name, call, request, response, seconds)
    _record(method, call, request, response, (at, seconds))
    if refused is not None:
        raise refused
    return response


def _ended_with(method: Method, call: Call) -> AbstractContextManager[object]:
    if method.name in ENDABLE and call.cancellation is not None:
        return call.cancellation
    return nullcontext()


def _record(
    method: Method, call: Call, request: Any, response: Any, times: tuple[float, float]
) -> None:
    """Write a call down, where calls of its kind are."""
    code = int(status_in(response).code)
    if not call.host.records(lambda: is_recorded(method.name, type(request), code)):
        return
    call.host.record(
        AuditRecord(
            times[0],
            str(call.user),
            Caller.of(call.user).token,
            call.address,
            method.name,
            call.database_of(request)[:_MOST_SHOWN],
            ",".join(named_collections(request))[:_MOST_SHOWN],
            code,
            times[1],
            None if code else _rows(response),
        )
    )


def _rows(response: Any) -> int | None:
    """Return how many entities were returned or written."""
    counts = [getattr(response, name, 0) for name in ("insert_cnt", "upsert_cnt", "delete_cnt")]
    if hasattr(response, "insert_cnt"):
        return sum(counts)
    results: Any = getattr(response, "results", None)
    if hasattr(results, "topks"):
        return int(sum(results.topks))
    if hasattr(response, "fields_data"):
        return None if not response.fields_data else _length(response.fields_data[0])
    return None


def _length(column: Any) -> int | None:
    if column.WhichOneof("field") == "scalars":
        values = getattr(column.scalars, column.scalars.WhichOneof("data") or "", None)
        return None if values is None else len(values.data)
    return None
