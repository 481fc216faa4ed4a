"""Spans of OpenTelemetry, one for each call.

A span tells which call, on which database and collection, how it ended and how many rows it came
to; never a value, a filter or the text of an error, which may hold one. Its parent is what the
client says in the headers of W3C trace context.

Nothing of OpenTelemetry is imported before a ``Tracer`` is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import elanus
from elanus.errors import PluginNotInstalledError
from elanus_server.failures import status_in

if TYPE_CHECKING:
    from elanus_server.service.context import Call

SERVICE_NAME = "elanus"
_COUNTS = ("insert_cnt", "upsert_cnt", "delete_cnt")


class Tracer:
    """Makes spans of calls. Safe from many threads.

    Where the program has set up OpenTelemetry already, as ``opentelemetry-instrument`` does, spans
    go there. Else they are sent by OTLP over HTTP to where the variables ``OTEL_*`` say.

    Raises:
        PluginNotInstalledError: OpenTelemetry is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry import propagate, trace
            from opentelemetry.sdk.trace import TracerProvider
        except ImportError as error:
            raise _not_installed(error) from None
        self._trace = trace
        self._propagate = propagate
        self._own: Any = None
        if not isinstance(trace.get_tracer_provider(), TracerProvider):
            self._own = _exporting_provider()
            trace.set_tracer_provider(self._own)
        self._tracer = trace.get_tracer("elanus_server", elanus.__version__)

    @contextmanager
    def span(self, name: str, call: Call, request: Any) -> Iterator[Any]:
        """Let a span last as long as a call; ``tell`` says how it ended.

        Args:
            name: Of the call.
            call: Its context; the trace of the client stands in its headers.
            request: Its message.
        """
        database = call.database_of(request)
        collection = str(getattr(request, "collection_name", ""))
        attributes = {
            "db.system.name": SERVICE_NAME,
            "db.namespace": database,
            "db.operation.name": name,
        }
        if collection:
            attributes["db.collection.name"] = collection
        with self._tracer.start_as_current_span(
            f"{name} {collection}".rstrip(),
            context=self._propagate.extract(call.headers),
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
        ) as span:
            yield span

    def tell(self, span: Any, response: Any) -> None:
        """Say how a call ended."""
        if not span.is_recording():
            return
        status = status_in(response)
        code = status.code or status.error_code
        if code:
            span.set_attribute("error.type", str(code))
            span.set_status(self._trace.StatusCode.ERROR)
            return
        for name, count in rows_of(response).items():
            span.set_attribute(name, count)

    def close(self) -> None:
        """Send what is left, where this made the way that spans go."""
        if self._own is not None:
            self._own.shutdown()


def rows_of(response: Any) -> Mapping[str, int]:
    """Return how many rows a response holds or tells of, by the name of the attribute."""
    kind = response.DESCRIPTOR.name
    if kind == "SearchResults":
        return {"db.response.returned_rows": sum(response.results.topks)}
    if kind == "QueryResults":
        return {"db.response.returned_rows": _length(response.fields_data)}
    if kind == "MutationResult":
        return {"elanus.affected_rows": max(getattr(response, name) for name in _COUNTS)}
    return {}


def _length(columns: Any) -> int:
    """Return the rows of columns; the first one is the primary key or a count, and has no nulls."""
    if not columns or columns[0].WhichOneof("field") != "scalars":
        return 0
    scalars = columns[0].scalars
    return len(getattr(scalars, scalars.WhichOneof("data") or "long_data").data)


def _exporting_provider() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise _not_installed(error) from None
    name = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME
    resource = Resource.create({"service.name": name, "service.version": elanus.__version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _not_installed(error: ImportError) -> PluginNotInstalledError:
    return PluginNotInstalledError(
        f"tracing needs OpenTelemetry ({error}); pip install 'elanus-server[otel]'",
        name="opentelemetry",
        extra="otel",
    )
