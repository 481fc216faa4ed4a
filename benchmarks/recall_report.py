"""How does the check of the recall promise read as tables?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.tables import table

DOUBT = 2.0
"""Standard errors by which a recall may be below what was asked before it counts as broken."""


def is_broken(row: Mapping[str, Any]) -> bool:
    """Return whether the recall is below what was asked by more than chance."""
    return bool(row["recall"] + DOUBT * row["standard_error"] < row["asked"])


def _recall(result: Mapping[str, Any]) -> list[str]:
    rows = result["rows"]
    broken, short = sum(map(is_broken, rows)), sum(row["short"] for row in rows)
    head = (
        f"{result['queries']:,} held-out questions. Each cell: true recall, estimate in brackets; "
        f"`!` where it is below what was asked by more than {DOUBT:g} standard errors. "
        f"{broken} of {len(rows)} combinations are; {short} answers were shorter than "
        f"min(limit, matches)."
    )
    sizes = sorted({row["rows"] for row in rows})
    return [head, *(_of_size([r for r in rows if r["rows"] == size], size) for size in sizes)]


def _of_size(rows: Sequence[Mapping[str, Any]], size: int) -> str:
    asked = sorted({row["asked"] for row in rows})
    heads = [f"{size:,} rows, filter", "matches", "limit", "method", "short"]
    heads += [f"recall={value:g}" for value in asked]
    cells, exact = [], dict[str, list[str]]()
    for name, limit in dict.fromkeys((row["filter"], row["limit"]) for row in rows):
        line = [row for row in rows if (row["filter"], row["limit"]) == (name, limit)]
        matches = f"{line[0]['matches']:,}"
        if all(map(_is_exact, line)):
            exact.setdefault(f"{name} ({matches})", []).append(str(limit))
            continue
        methods: Counter[str] = Counter()
        for row in line:
            methods.update(row["methods"])
        found = {row["asked"]: row for row in line}
        start = [name, matches, str(limit), _methods(methods)]
        start.append(str(sum(row["short"] for row in line)))
        cells.append([*start, *(_cell(found[value]) for value in asked)])
    named = [f"{name} at {', '.join(limits)}" for name, limits in exact.items()]
    note = f"{size:,} rows, answered exactly and in full at every recall: {'; '.join(named)}."
    return "\n\n".join([*([table(heads, cells)] if cells else []), *([note] if named else [])])


def _is_exact(row: Mapping[str, Any]) -> bool:
    methods = set(row["methods"]) <= {"scan", "skip"}
    return methods and row["recall"] == 1.0 and not row["short"]


def _methods(methods: Counter[str]) -> str:
    if len(methods) == 1:
        return next(iter(methods))
    total = methods.total()
    return ", ".join(f"{name} {count / total:.0%}" for name, count in methods.most_common())


def _cell(row: Mapping[str, Any]) -> str:
    mark = "!" if is_broken(row) else ""
    return f"{row['recall']:.3f}{mark} ({row['estimated']:.3f})"


RECALL_RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {"recall": _recall}
