"""What is counted, under Milvus' names where they mean the same, so that its dashboards work.

Counters are given without the suffix ``_total``, which Milvus' names do not have either.
"""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from elanus_server.failures import (
    NOT_AUTHENTICATED,
    NOT_PERMITTED,
    RATE_LIMIT,
    TOO_LARGE,
    status_in,
)
from elanus_server.kept import RESERVED_DATABASE
from elanus_server.workers.samples import Sums, samples_of

if TYPE_CHECKING:
    from elanus_server.admission import Load
    from elanus_server.service.context import Call, Host
    from elanus_server.unread import Unread

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DEFAULT_DATABASE = "default"
_NODE = "1"
_BUCKETS_MS = tuple(float(2**power) for power in range(18))
_READS = {"Search": "search", "HybridSearch": "hybrid_search", "Query": "query"}
_WRITES = {"Insert": "insert", "Upsert": "upsert", "Delete": "delete"}
_REASONS = {
    NOT_AUTHENTICATED: "not_authenticated",
    NOT_PERMITTED: "not_permitted",
    RATE_LIMIT: "rate_limit",
    TOO_LARGE: "too_large",
}
"""Why calls are refused, by number."""
_PLACE = ("node_id", "db_name", "collection_name")


class _Counter(Gauge):
    """A counter whose name is sent as it is; the library would put ``_total`` behind it."""

    _type = "unknown"


class Metrics:
    """Counts the calls of one server. Safe from many threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._others: Callable[[], Sequence[Iterable[Any]]] = tuple
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], Any] = {}
        self._requests = self._counter(
            "milvus_proxy_req_count",
            "Calls by outcome.",
            ("node_id", "function_name", "status", "db_name", "collection_name"),
        )
        self._latency = self._histogram(
            "milvus_proxy_req_latency", "Milliseconds of a call.", ("node_id", "function_name")
        )
        self._reads = self._histogram(
            "milvus_proxy_sq_latency",
            "Milliseconds of a search or query that succeeded.",
            ("node_id", "query_type", "db_name", "collection_name"),
        )
        self._writes = self._histogram(
            "milvus_proxy_mutation_latency",
            "Milliseconds of a write that succeeded.",
            ("node_id", "msg_type", "db_name", "collection_name"),
        )
        self._vectors = {
            name: self._counter(
                f"milvus_proxy_{kind}_vectors_count", f"Entities of calls of {name}.", _PLACE
            )
            for name, kind in {**_WRITES, "Search": "search"}.items()
        }
        self._refused = self._counter(
            "elanus_refused_count", "Calls that were refused.", ("function_name", "reason")
        )
        self._audited = self._counter(
            "elanus_audit_count", "Records of the audit log.", ("outcome",)
        )
        paths = ("node_id", "path")
        self._rest_requests = self._counter(
            "milvus_proxy_restful_api_req_count", "Requests by path.", paths
        )
        self._rest_latency = self._histogram(
            "milvus_proxy_restful_api_req_latency", "Milliseconds of a request.", paths
        )
        self._rest_received = self._counter(
            "milvus_proxy_restful_api_receive_bytes_count", "Bytes of bodies received.", paths
        )
        self._rest_sent = self._counter(
            "milvus_proxy_restful_api_send_bytes_count", "Bytes of bodies sent.", paths
        )

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> _Counter:
        return _Counter(name, about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, about, labels, registry=self.registry, buckets=_BUCKETS_MS)

    def count(self, name: str, call: Call, request: Any, response: Any, seconds: float) -> None:
        """Count a call of the service.

        Args:
            name: Of the call.
            call: Its context.
            request: Its message.
            response: What it was answered with.
            seconds: That it took.
        """
        milliseconds = seconds * 1000
        self._series(self._latency, _NODE, name).observe(milliseconds)
        # What a client merely names gets no label, or it could make as many as it likes.
        database = collection = ""
        failed = _failed(response)
        reason = _REASONS.get(status_in(response).code) if failed else None
        if reason is not None:
            self._refused.labels(name, reason).inc()
        if not failed and (name in _READS or name in _WRITES):
            database = call.database_of(request)
            collection = getattr(response, "collection_name", "") or request.collection_name
            self._count_data(name, (database, collection), response, milliseconds)
        for status in ("total", "fail" if failed else "success"):
            self._series(self._requests, _NODE, name, status, database, collection).inc()
        if name == "DropCollection" and not failed:
            self._forget(call.database_of(request), request.collection_name)

    def count_login(self) -> None:
        """Count a call of somebody whom the server does not know."""
        self._refused.labels("", _REASONS[NOT_AUTHENTICATED]).inc()

    def count_audit(self, outcome: str) -> None:
        """Count a record of the audit log.

        Args:
            outcome: ``written`` or ``lost``.
        """
        self._audited.labels(outcome).inc()

    def _count_data(
        self, name: str, place: tuple[str, str], response: Any, milliseconds: float
    ) -> None:
        if name in _READS:
            self._series(self._reads, _NODE, _READS[name], *place).observe(milliseconds)
        else:
            self._series(self._writes, _NODE, _WRITES[name], *place).observe(milliseconds)
        if name == "Search":
            self._series(self._vectors[name], _NODE, *place).inc(response.results.num_queries)
        elif name in _WRITES:
            counted = getattr(response, f"{_WRITES[name]}_cnt")
            self._series(self._vectors[name], _NODE, *place).inc(counted)

    def _series(self, metric: Any, *labels: str) -> Any:
        """Return a series; to find it anew for each call takes longer than to add to it."""
        key = (metric, *labels)
        found = self._known.get(key)
        if found is None:
            with self._lock:
                found = self._known[key] = metric.labels(*labels)
        return found

    def _forget(self, database: str, collection: str) -> None:
        """Give up the series of a collection that is gone."""
        gone = {"db_name": database, "collection_name": collection}
        with self._lock:
            for metric in (self._requests, self._reads, self._writes, *self._vectors.values()):
                metric.remove_by_labels(gone)
            place = (database, collection)
            self._known = {key: one for key, one in self._known.items() if key[-2:] != place}

    def count_rest(self, path: str, seconds: float, received: int, sent: int) -> None:
        """Count a request to the RESTful API.

        Args:
            path: One of the API's.
            seconds: That it took.
            received: Bytes of its body.
            sent: Bytes of the body of the response.
        """
        self._series(self._rest_requests, _NODE, path).inc()
        self._series(self._rest_latency, _NODE, path).observe(seconds * 1000)
        self._series(self._rest_received, _NODE, path).inc(received)
        self._series(self._rest_sent, _NODE, path).inc(sent)

    def watch(self, host: Host) -> None:
        """Let every reading tell what a host holds, too."""
        self.registry.register(_Holdings(host))

    def watch_load(self, load: Callable[[], Load], unread: Unread) -> None:
        """Let every reading tell how busy the process is, too, and what clients do not read."""
        self.registry.register(_Busyness(load, unread))

    def watch_process(self, name: str) -> None:
        """Let every reading tell the memory of this process, under a name."""
        self.registry.register(_Process(name))

    def watch_others(self, crew: Collector, samples: Callable[[], Sequence[Iterable[Any]]]) -> None:
        """Let every reading tell what other processes have counted, too.

        Args:
            crew: Tells of the processes.
            samples: Returns what each has counted, as ``workers.samples.samples_of`` does.
        """
        self.registry.register(crew)
        self._others = samples

    def samples(self) -> list[Any]:
        """Return everything for the process that adds it up."""
        return samples_of(self.registry)

    def exposition(self) -> bytes:
        """Return everything as Prometheus reads it."""
        others = self._others()
        # The library asks for no more than ``collect``.
        told: Any = Sums(self.registry, others) if others else self.registry
        return generate_latest(told)


def _failed(response: Any) -> bool:
    status = status_in(response)
    return bool(status.code or status.error_code)


class _Busyness(Collector):
    """How busy a process is, asked when it is read."""

    def __init__(self, load: Callable[[], Load], unread: Unread) -> None:
        self._load = load
        self._unread = unread

    def describe(self) -> list[Any]:
        """Return nothing, as ``_Holdings`` does."""
        return []

    def collect(self) -> Iterator[Any]:
        load = self._load()
        calls = GaugeMetricFamily("elanus_calls", "Calls under way.", labels=["state"])
        calls.add_metric(["running"], load.running)
        calls.add_metric(["waiting"], load.waiting)
        yield calls
        yield _gauge("elanus_calls_bytes", "Requests under way.", {}, load.held_bytes)
        about = "Answers that clients have not taken."
        yield _gauge("elanus_unread_bytes", about, {}, self._unread.bytes)
        about = "Connections that were ended since their clients did not read."
        yield _gauge("elanus_unread_connections_ended", about, {}, self._unread.left)
        ended = GaugeMetricFamily(
            "elanus_calls_unanswered", "Calls that were not answered.", labels=["reason"]
        )
        for reason in ("refused", "late", "abandoned"):
            ended.add_metric([reason], getattr(load, reason))
        yield ended


class _Process(Collector):
    """The memory of this process, asked when it is read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def describe(self) -> list[Any]:
        """Return nothing, as ``_Holdings`` does."""
        return []

    def collect(self) -> Iterator[Any]:
        labels = {"process": self._name}
        about = "Memory of a process that is in use now."
        yield _gauge("elanus_process_resident_bytes", about, labels, _resident_bytes())


def _resident_bytes() -> int:
    """Return the memory of this process; where the system does not say it now, its most."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


class _Holdings(Collector):
    """What a host holds, asked when it is read."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def describe(self) -> list[Any]:
        """Return nothing: what there is takes reading, which is not for the time of registering."""
        return []

    def collect(self) -> Iterator[Any]:
        names = [n for n in self._host.root.list_databases() if n != RESERVED_DATABASE]
        yield _gauge("milvus_num_node", "Servers.", {"node_id": _NODE, "role_name": "standalone"})
        yield _gauge("milvus_rootcoord_database_num", "Databases.", {}, len(names))
        held = GaugeMetricFamily(
            "milvus_rootcoord_collection_num", "Collections of a database.", labels=["db_name"]
        )
        for name in names:
            held.add_metric([name], len(self._host.database(name).list_collections()))
        yield held
        stats = self._host.root.stats()
        yield from _by_collection(stats.collections)
        yield from _in_all(stats)


def _by_collection(collections: Mapping[str, Any]) -> Iterator[Any]:
    """Return what there is for each collection in use."""
    place = ["db_name", "collection_name"]
    segments = GaugeMetricFamily(
        "milvus_querynode_segment_num",
        "Segments of a collection.",
        labels=["node_id", *place, "segment_state"],
    )
    stored = GaugeMetricFamily(
        "milvus_datacoord_stored_rows_num", "Rows stored.", labels=[*place, "segment_state"]
    )
    rows = GaugeMetricFamily("elanus_collection_rows", "Visible entities.", labels=place)
    disk = GaugeMetricFamily("elanus_collection_disk_bytes", "Files of a collection.", labels=place)
    errors = GaugeMetricFamily(
        "elanus_background_errors", "1 where background work failed.", labels=place
    )
    for full_name, stats in collections.items():
        database, slash, name = full_name.rpartition("/")
        if database == RESERVED_DATABASE:
            continue
        where = [database if slash else DEFAULT_DATABASE, name]
        for state, chosen in _by_state(stats.segments).items():
            segments.add_metric([_NODE, *where, state], len(chosen))
            stored.add_metric([*where, state], sum(segment.rows for segment in chosen))
        rows.add_metric(where, stats.rows)
        disk.add_metric(where, stats.disk_bytes)
        errors.add_metric(where, stats.background_error is not None)
    yield from (segments, stored, rows, disk, errors)


def _in_all(stats: Any) -> Iterator[Any]:
    """Return what there is of the whole folder."""
    found = stats.collections.values()
    used = GaugeMetricFamily(
        "elanus_memory_bytes", "Memory that the process took.", labels=["purpose"]
    )
    for purpose in ("memtables", "graphs", "caches"):
        used.add_metric([purpose], sum(getattr(one.memory, purpose) for one in found))
    yield used
    mapped = sum(one.memory.mapped for one in found)
    resident = sum(one.memory.resident or 0 for one in found)
    wal = sum(one.wal_bytes for one in found)
    yield _gauge("elanus_mapped_bytes", "Files that are mapped.", {}, mapped)
    yield _gauge("elanus_resident_bytes", "Mapped files in memory now.", {}, resident)
    yield _gauge("elanus_disk_bytes", "All files of the folder.", {}, stats.disk_bytes)
    yield _gauge("elanus_wal_bytes", "Write-ahead logs.", {}, wal)


def _by_state(segments: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"Sealed": [], "Growing": []}
    for segment in segments:
        found["Sealed" if segment.name.startswith("segment ") else "Growing"].append(segment)
    return found


def _gauge(name: str, about: str, labels: dict[str, str], value: float = 1) -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, about, labels=list(labels))
    made.add_metric(list(labels.values()), value)
    return made
