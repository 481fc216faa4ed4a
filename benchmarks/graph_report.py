"""How does a comparison of dense indexes read as tables?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.graph.curves import TARGETS, Reading, value_at
from benchmarks.tables import megabytes, table


def _graph(result: Mapping[str, Any]) -> list[str]:
    data = result["data"]
    head = (
        f"{result['about']}: {data['rows']:,} rows, {result['queries']:,} queries, top-10, one "
        f"core; CPU time, median of {result['rounds']} rounds. A `>` marks an index whose smallest "
        f"effort already finds more; `-` a recall that it does not reach."
    )
    missing = [f"{name} is missing: {why}" for name, why in result["missing"].items()]
    settings = [f"- {one['name']}: {one['settings']}" for one in result["indexes"]]
    return [head, *missing, _summary(result["indexes"]), "\n".join(settings)]


def _summary(indexes: Sequence[Mapping[str, Any]]) -> str:
    heads = ["index", "build, CPU s", "memory, MB", "file, MB"]
    heads += [f"queries/s at {target:.2f}" for target in TARGETS]
    heads += ["batch at 0.95", "p50 at 0.95, us", "p99 at 0.95, us", "short"]
    rows = []
    for one in indexes:
        if "error" in one:
            rows.append([one["name"], f"failed: {one['error']}", *["-"] * (len(heads) - 2)])
            continue
        build, points = one["build"], one["points"]
        size = build["size_bytes"]
        rows.append(
            [
                one["name"],
                f"{build['cpu_s']:.1f}",
                megabytes(build["rss_bytes"]),
                "-" if size is None else megabytes(size),
                *(_shown(value_at(points, target)) for target in TARGETS),
                _shown(value_at(points, 0.95, "batch_qps", rate="batch_qps")),
                _shown(value_at(points, 0.95, "p50_us"), sign="<"),
                _shown(value_at(points, 0.95, "p99_us"), sign="<"),
                str(max((point["short"] for point in points), default=0)),
            ]
        )
    return table(heads, rows)


def _shown(reading: Reading | None, sign: str = ">") -> str:
    if reading is None:
        return "-"
    return f"{sign if reading.beyond else ''}{reading.value:,.0f}"


GRAPH_RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {"graph": _graph}
