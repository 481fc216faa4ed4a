"""How do the counts of several processes become one?"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

PATH = "/samples"
_TIMEOUT_S = 5.0


def samples_of(collector: Collector) -> list[Any]:
    """Return everything that a collector tells, as JSON can carry it."""
    return [
        [
            family.name,
            family.documentation,
            family.type,
            [[s.name, s.labels, s.value] for s in family.samples],
        ]
        for family in collector.collect()
    ]


def ask_samples(connection: socket.socket) -> list[Any]:
    """Return what the process at the other end of a socket tells; nothing if it does not."""
    asking = http.client.HTTPConnection("worker", timeout=_TIMEOUT_S)
    connection.settimeout(_TIMEOUT_S)
    asking.sock = connection
    try:
        asking.request("GET", PATH)
        found: list[Any] = json.loads(asking.getresponse().read())
        return found
    except (OSError, http.client.HTTPException, ValueError):
        return []


class Sums(Collector):
    """What several processes tell, added up by name and labels.

    Args:
        own: What this process tells.
        others: What others do, as ``samples_of`` returns it.
    """

    def __init__(self, own: Collector, others: Sequence[Iterable[Any]]) -> None:
        self._own = own
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """Return the sums."""
        families: dict[str, Metric] = {}
        values: dict[str, dict[tuple[Any, ...], float]] = {}
        for told in (samples_of(self._own), *self._others):
            for name, about, kind, samples in told:
                families.setdefault(name, Metric(name, about, kind))
                sums = values.setdefault(name, {})
                for sample, labels, value in samples:
                    key = (sample, *labels.items())
                    sums[key] = sums.get(key, 0.0) + value
        for name, family in families.items():
            for key, value in values[name].items():
                family.add_sample(key[0], dict(key[1:]), value)
            yield family
