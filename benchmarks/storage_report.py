"""How do the results of the storage benchmarks read as tables?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.tables import TITLES, megabytes, table

_KINDS = {
    "get": "get by key",
    "filter": "filtered query",
    "bm25": "BM25 top-10",
    "dense": "dense top-10",
}


def _inserts(result: Mapping[str, Any]) -> list[str]:
    head = (
        f"384-d vectors with their passages, up to {result['rows']:,} rows or "
        f"{result['budget_s']:g} s for each measurement, median of {result['rounds']}."
    )
    parts = [head, *_missing(result)]
    threads = sorted({row["threads"] for row in result["inserts"]})
    parts += [_insert_table(result, number) for number in threads]
    return [*parts, _acknowledgements(result)]


def _insert_table(result: Mapping[str, Any], threads: int) -> str:
    rows = [row for row in result["inserts"] if row["threads"] == threads]
    batches = sorted({row["batch"] for row in rows})
    contestants = dict.fromkeys((row["system"], row["form"]) for row in rows)
    found = {(row["system"], row["form"], row["batch"]): row for row in rows}
    heads = [f"{threads} thread{'s' if threads > 1 else ''}, rows/s"]
    for batch in batches:
        heads += [f"batch {batch:,}", "p50, ms", "p99, ms"]
    cells = []
    for system, form in contestants:
        line = [f"{TITLES[system]}, {form}"]
        for batch in batches:
            row = found.get((system, form, batch))
            if row is None or "error" in row:
                line += ["-" if row is None else f"failed: {row['error']}", "-", "-"]
                continue
            call = row["call"]
            line += [
                f"{row['rows_per_s']:,.0f}",
                f"{call['p50_ms']:.2f}",
                f"{call['p99_ms']:.2f}",
            ]
        cells.append(line)
    return table(heads, cells)


def _acknowledgements(result: Mapping[str, Any]) -> str:
    heads = ["an acknowledged commit is", "syncs, 1 thread", "syncs, 32 threads", "documented"]
    found = {(row["system"], row["form"], row["threads"]): row for row in result["syncs"]}
    cells = []
    for system, form in dict.fromkeys((r["system"], r["form"]) for r in result["syncs"]):
        counts = [found[(system, form, threads)].get("syncs_per_commit") for threads in (1, 32)]
        shown = ["failed" if count is None else f"{count:.2f}" for count in counts]
        documented = result["systems"][system]["acknowledged"]
        cells.append([f"{TITLES[system]}, {form}", *shown, documented])
    return table(heads, cells)


def _open(result: Mapping[str, Any]) -> list[str]:
    heads = [
        "rows, system, question",
        "page cache",
        "open, ms",
        "answer, ms",
        "open to first answer, ms",
        "import, ms",
        "process to first answer, ms",
    ]
    cells = []
    for row in result["opens"]:
        name = f"{row['rows']:,}, {TITLES[row['system']]}, {_KINDS[row['kind']]}"
        if "error" in row:
            cells.append([name, row["cache"], f"failed: {row['error']}", "-", "-", "-", "-"])
            continue
        keys = ("open_s", "answer_s", "first_answer_s", "import_s", "process_s")
        cells.append([name, row["cache"], *(f"{row[key] * 1e3:,.1f}" for key in keys)])
    head = f"Medians over {result['starts']} fresh processes."
    return [head, *_missing(result), table(heads, cells)]


def _space(result: Mapping[str, Any]) -> list[str]:
    heads = [
        "system",
        "loaded, MB",
        "90 % deleted, MB",
        "optimized by hand, MB",
        "fresh with the same rows, MB",
        "deleted / fresh",
        "optimized / fresh",
        "delete, s",
        "optimize, s",
    ]
    cells = []
    for row in result["spaces"]:
        if "error" in row:
            cells.append([TITLES[row["system"]], f"failed: {row['error']}", *["-"] * 7])
            continue
        sizes = ("before_bytes", "settled_bytes", "optimized_bytes", "fresh_bytes")
        fresh = row["fresh_bytes"]
        cells.append(
            [
                TITLES[row["system"]],
                *(megabytes(row[size]) for size in sizes),
                f"{row['settled_bytes'] / fresh:.2f}",
                f"{row['optimized_bytes'] / fresh:.2f}",
                f"{row['delete_s']:.2f}",
                f"{row['optimize_s']:.2f}",
            ]
        )
    head = f"{result['rows']:,} rows, {result['kept']:,} kept at random."
    return [head, *_missing(result), table(heads, cells)]


def _lag(result: Mapping[str, Any]) -> list[str]:
    heads = ["load", "commits", "p50, ms", "p99, ms", "max, ms", "polls between, ms"]
    cells = [
        [
            row["load"],
            f"{row['commits']:,}",
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            f"{row['max_ms']:.2f}",
            f"{row['poll_p50_ms']:.2f}",
        ]
        for row in result["lags"]
    ]
    return [table(heads, cells)]


def _missing(result: Mapping[str, Any]) -> list[str]:
    return [f"{TITLES[n]} is missing: {why}" for n, why in result.get("missing", {}).items()]


STORAGE_RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "storage_inserts": _inserts,
    "storage_open": _open,
    "storage_space": _space,
    "storage_lag": _lag,
}
