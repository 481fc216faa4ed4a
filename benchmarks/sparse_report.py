"""How does the result of the sparse benchmark read as tables?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import table


def sparse_search(result: Mapping[str, Any]) -> list[str]:
    """Return a table for each task."""
    parts = []
    for task, measured in result["tasks"].items():
        parts.append(
            f"{task}: {result['rows']:,} rows, {measured['queries']:,} queries with "
            f"{measured['postings_per_query']:,} postings each on average; one call a query, "
            "processor time."
        )
        parts += [f"{title} is missing: {why}" for title, why in measured["missing"].items()]
        parts.append(_systems(measured["systems"]))
    return parts


def _systems(rows: list[Mapping[str, Any]]) -> str:
    heads = ["system", "k", "queries/s", "p50, µs", "p99, µs", "exact answer found"]
    heads += ["build, s", "bytes a posting", "queries"]
    cells = [
        [
            row["system"],
            str(row["k"]),
            f"{row['qps']:,.0f}",
            f"{row['p50_us']:,.0f}",
            "-" if row["p99_us"] is None else f"{row['p99_us']:,.0f}",
            f"{row['agreement']:.4f}",
            f"{row['build_s']:.1f}",
            f"{row['bytes_per_posting']:.2f}" if "bytes_per_posting" in row else "-",
            f"{row['queries']:,}",
        ]
        for row in rows
    ]
    return table(heads, cells)
