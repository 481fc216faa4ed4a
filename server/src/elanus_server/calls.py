"""Answering one call, whichever transport it came by.

What nobody foresaw ends here: it is logged whole and told to the client in short. Every call is
counted here, too.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from elanus_server.failures import UNEXPECTED, MilvusError
from elanus_server.security.guard import NotPermittedError
from elanus_server.service.context import Call
from elanus_server.service.registry import Method

_log = logging.getLogger(__name__)
ENDABLE = frozenset({"Search", "HybridSearch", "Query"})
"""Calls that may end halfway: they change nothing."""


def answered(method: Method, call: Call, request: Any) -> Any:
    """Return the response to a request; it tells every error.

    Raises:
        NotPermittedError: The user may not make the call, which a transport tells in its own way.
    """
    began = time.perf_counter()
    try:
        with _ended_with(method, call):
            response = method(call, request)
    except NotPermittedError as error:
        seconds = time.perf_counter() - began
        call.host.metrics.count(method.name, call, request, method.refused(error), seconds)
        raise
    except Exception as error:  # noqa: BLE001 - the edge of the process
        _log.exception("%s failed", method.name)
        told = f"{method.name}: {type(error).__name__}: {error}"
        response = method.refused(MilvusError(UNEXPECTED, told))
    call.host.metrics.count(method.name, call, request, response, time.perf_counter() - began)
    return response


def _ended_with(method: Method, call: Call) -> AbstractContextManager[object]:
    if method.name in ENDABLE and call.cancellation is not None:
        return call.cancellation
    return nullcontext()
