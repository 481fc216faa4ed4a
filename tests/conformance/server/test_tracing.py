"""Spans of calls, with the real SDK of OpenTelemetry and its exporter into memory."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pymilvus import MilvusClient, MilvusException

from elanus_server import Settings
from elanus_server.wire import SERVICE, milvus
from support.running_server import Running

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Set OpenTelemetry up, as a program around the server does; it can be done once."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture(scope="module")
def uri(exporter: InMemorySpanExporter) -> Iterator[str]:
    settings = Settings(":memory:", port=0, metrics_port=None, tracing=True)
    with Running(settings) as running:
        yield f"http://127.0.0.1:{running.ports.grpc}"


@pytest.fixture(scope="module")
def client(uri: str) -> Iterator[MilvusClient]:
    made = MilvusClient(uri)
    made.create_collection("papers", dimension=2)
    made.insert("papers", [{"id": i, "vector": [1.0, i], "secret": "hidden"} for i in range(5)])
    yield made
    made.close()


@pytest.fixture
def spans(exporter: InMemorySpanExporter, client: MilvusClient) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


def one(spans: InMemorySpanExporter, operation: str) -> ReadableSpan:
    (found,) = [
        s for s in spans.get_finished_spans() if attributes(s)["db.operation.name"] == operation
    ]
    return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_span_tells_place_rows_and_outcome(
    spans: InMemorySpanExporter, client: MilvusClient
) -> None:
    client.search("papers", [[1.0, 0.0], [1.0, 1.0]], limit=2)
    span = one(spans, "Search")
    assert span.name == "Search papers"
    assert span.kind is trace.SpanKind.SERVER
    assert attributes(span) == {
        "db.system.name": "elanus",
        "db.namespace": "default",
        "db.collection.name": "papers",
        "db.operation.name": "Search",
        "db.response.returned_rows": 4,
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.parent is None
    assert (span.end_time or 0) > (span.start_time or 0)


def test_rows_of_writes_and_queries_are_told(
    spans: InMemorySpanExporter, client: MilvusClient
) -> None:
    client.upsert("papers", [{"id": i, "vector": [1.0, i]} for i in (5, 6, 7)])
    client.query("papers", filter="id >= 4", output_fields=["id"])
    client.query("papers", filter="id >= 4", output_fields=["count(*)"])
    client.delete("papers", ids=[5, 6])
    told = {
        attributes(span)["db.operation.name"]: attributes(span).get("elanus.affected_rows")
        for span in spans.get_finished_spans()
    }
    assert (told["Upsert"], told["Delete"]) == (3, 2)
    rows = [
        attributes(span)["db.response.returned_rows"]
        for span in spans.get_finished_spans()
        if attributes(span)["db.operation.name"] == "Query"
    ]
    assert rows == [4, 1]


def test_failure_is_told_by_its_number_and_nothing_else(
    spans: InMemorySpanExporter, client: MilvusClient
) -> None:
    with pytest.raises(MilvusException):
        client.query("papers", filter='secret == "hidden" and (')
    span = one(spans, "Query")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert attributes(span)["error.type"] == "1100"
    assert span.status.description is None
    assert span.events == ()
    assert "hidden" not in span.to_json()


def test_trace_of_a_grpc_client_goes_on(spans: InMemorySpanExporter, uri: str) -> None:
    with grpc.insecure_channel(uri.removeprefix("http://")) as channel:
        call = channel.unary_unary(
            f"/{SERVICE.full_name}/ShowCollections",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=milvus.ShowCollectionsResponse.FromString,
        )
        call(milvus.ShowCollectionsRequest(), metadata=[("traceparent", PARENT)])
    _check_parent(one(spans, "ShowCollections"))


def test_trace_of_a_restful_client_goes_on(spans: InMemorySpanExporter, uri: str) -> None:
    body = json.dumps({"collectionName": "papers", "filter": "id == 1"}).encode()
    headers = {"Content-Type": "application/json", "traceparent": PARENT}
    request = urllib.request.Request(f"{uri}/v2/vectordb/entities/query", body, headers)
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["code"] == 0
    span = one(spans, "Query")
    _check_parent(span)
    assert attributes(span)["db.response.returned_rows"] == 1


def _check_parent(span: ReadableSpan) -> None:
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == SPAN
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent.is_remote


def test_refusals_are_told(exporter: InMemorySpanExporter) -> None:
    settings = Settings(
        ":memory:", port=0, metrics_port=None, tracing=True, auth=True, root_password="long enough"
    )
    with Running(settings) as running:
        uri = f"http://127.0.0.1:{running.ports.grpc}"
        root = MilvusClient(uri, user="root", password="long enough")
        root.create_user("somebody", "something")
        somebody = MilvusClient(uri, user="somebody", password="something")
        exporter.clear()
        with pytest.raises(grpc.RpcError, match="PERMISSION_DENIED"):
            somebody.drop_role("none")
        told = [attributes(span).get("error.type") for span in exporter.get_finished_spans()]
        assert told == ["1401"]
        root.close()
        somebody.close()


def test_spans_go_where_the_environment_says() -> None:
    """A process of its own sends them by OTLP, the way that operators use."""
    code = (
        "import http.server, os, threading\n"
        "got = []\n"
        "class Sink(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        got.append((self.path, self.rfile.read(int(self.headers['Content-Length']))))\n"
        "        self.send_response(200); self.end_headers()\n"
        "    def log_message(self, *args): pass\n"
        "sink = http.server.HTTPServer(('127.0.0.1', 0), Sink)\n"
        "threading.Thread(target=sink.serve_forever, daemon=True).start()\n"
        "os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = f'http://127.0.0.1:{sink.server_port}'\n"
        "import elanus\n"
        "from elanus_server.service.context import Call, Host\n"
        "from elanus_server.service.all_calls import METHODS\n"
        "from elanus_server.calls import answered\n"
        "from elanus_server.tracing import Tracer\n"
        "from elanus_server.wire import milvus\n"
        "host = Host(elanus.connect(':memory:'))\n"
        "host.tracer = Tracer()\n"
        "answered(METHODS['ShowCollections'], Call(host), milvus.ShowCollectionsRequest())\n"
        "host.tracer.close()\n"
        "(path, raw), = got\n"
        "assert path == '/v1/traces', path\n"
        "assert b'ShowCollections' in raw and b'elanus' in raw\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_nothing_of_opentelemetry_is_imported_without_it() -> None:
    code = (
        "import sys, urllib.request\n"
        "from elanus_server import serve_local\n"
        "with serve_local(':memory:') as uri:\n"
        "    urllib.request.urlopen(uri + '/openapi.json').read()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
