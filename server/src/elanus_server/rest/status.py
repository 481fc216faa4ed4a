"""What the server's page tells of the server as a whole: a path that only elanus has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from elanus_server.rest.exchange import Exchange, route
from elanus_server.service.all_calls import METHODS

Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]
_TOTALS = {
    "databases": "milvus_rootcoord_database_num",
    "collections": "milvus_rootcoord_collection_num",
    "rows": "elanus_collection_rows",
    "diskBytes": "elanus_disk_bytes",
    "walBytes": "elanus_wal_bytes",
    "memoryBytes": "elanus_memory_bytes",
    "mappedBytes": "elanus_mapped_bytes",
    "backgroundErrors": "elanus_background_errors",
}


@route("elanus/status", "Sizes and calls of the server; only elanus has it.", "GetMetrics")
def status(exchange: Exchange) -> Any:
    call = exchange.call
    call.check("GetMetrics", METHODS["GetMetrics"].request())
    told: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(call.host.metrics.exposition().decode()):
        for sample in family.samples:
            told.setdefault(sample.name, []).append((sample.labels, sample.value))
    return {
        "version": call.host.version,
        "auth": call.host.guard.is_on,
        **{name: int(sum(v for _, v in told.get(known, ()))) for name, known in _TOTALS.items()},
        "calls": list(_calls(told)),
    }


def _calls(told: Samples) -> Iterator[dict[str, Any]]:
    """Return counts and times of each call that came, the most frequent first."""
    counts: dict[str, dict[str, float]] = {}
    for labels, value in told.get("milvus_proxy_req_count", ()):
        of_call = counts.setdefault(labels["function_name"], {})
        of_call[labels["status"]] = of_call.get(labels["status"], 0) + value
    buckets: dict[str, dict[float, float]] = {}
    for labels, value in told.get("milvus_proxy_req_latency_bucket", ()):
        buckets.setdefault(labels["function_name"], {})[float(labels["le"])] = value
    for name, count in sorted(counts.items(), key=lambda item: -item[1].get("total", 0)):
        yield {
            "name": name,
            "count": int(count.get("total", 0)),
            "failed": int(count.get("fail", 0)),
            "p50Ms": quantile(0.5, buckets.get(name, {})),
            "p99Ms": quantile(0.99, buckets.get(name, {})),
        }


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Return a quantile of a histogram as Prometheus does: linear within a bucket.

    Args:
        share: Of the values that are smaller, from 0 to 1.
        buckets: How many values are at most as large as each bound; the last bound is infinite.

    Returns:
        None where there is no value; the largest finite bound where it lies beyond.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if not total:
        return None
    wanted, lower, below = share * total, 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= wanted and count > below:
            if math.isinf(bound):
                break
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = (lower, below) if math.isinf(bound) else (bound, count)
    return lower
