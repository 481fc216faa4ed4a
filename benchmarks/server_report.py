"""How do servers read as tables?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import TITLES, megabytes, table

CLIENTS = {
    "stub": "gRPC, generated messages",
    "pymilvus": "pymilvus",
    "rest": "RESTful API, plain HTTP",
    "chroma_http": "RESTful API, plain HTTP",
    "chromadb": "chromadb.HttpClient",
    "elanus": "elanus.connect(uri)",
    "embedded": "none: in the caller's process",
}


def server(result: Mapping[str, Any]) -> list[str]:
    """Return the tables of ``benchmarks.macro.server``."""
    head = (
        f"{result['rows']:,} passages, {result['queries']:,} queries, top-{result['limit']} dense, "
        f"keys returned; {result['rounds']} turns of {result['seconds']:g} s; {result['cores']}."
    )
    missing = [f"{TITLES[name]} is missing: {why}" for name, why in result["missing"].items()]
    cases = dict.fromkeys((_search(row), row["clients"]) for row in result["searches"])
    searches = [_searches(result, *case) for case in cases]
    return [head, *missing, *searches, _inserts(result), _starts(result)]


def _title(name: str) -> str:
    system, comma, rest = name.partition(",")
    return f"{TITLES[system]}{comma}{rest}"


def _search(row: Mapping[str, Any]) -> str:
    return str(row.get("search", "plain"))


def _searches(result: Mapping[str, Any], search: str, clients: int) -> str:
    case = f"{clients} client{'s' * (clients > 1)}{', exact searches' * (search == 'exact')}"
    heads = [case, "by", "recall@10", "queries/s", "p50, ms"]
    heads += ["p99, ms", "client's share of a core"]
    chosen = [
        row for row in result["searches"] if (_search(row), row["clients"]) == (search, clients)
    ]
    has_busy = any("server_cpu_us" in row for row in chosen)
    heads += ["server's CPU, µs a query"] * has_busy
    rows = []
    for row in chosen:
        cells = [_title(row["server"]), CLIENTS[row["client"]]]
        if "error" in row:
            rows.append([*cells, row["error"], *"-" * (len(heads) - 3)])
            continue
        cells += [f"{row['recall']:.3f}", f"{row['queries_per_s']:,.0f}"]
        cells += [f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{row['client_cpu_share']:.0%}"]
        if has_busy:
            busy = row.get("server_cpu_us", [])
            cells.append(" + ".join(f"{us:,.0f}" for us in busy) or "-")
        rows.append(cells)
    return table(heads, rows)


def _inserts(result: Mapping[str, Any]) -> str:
    heads = [f"inserts of {result['batch_rows']:,} rows a call", "by", "rows", "rows/s"]
    heads.append("indexes complete after, s")
    rows = [
        [
            _title(row["server"]),
            CLIENTS[row["client"]],
            f"{row['rows']:,}",
            f"{row['rows'] / row['insert_s']:,.0f}",
            f"{row['complete_s']:.1f}" if row["complete_s"] else "-",
        ]
        for row in result["inserts"]
    ]
    return table(heads, rows)


def _starts(result: Mapping[str, Any]) -> str:
    heads = ["server", "listens after, ms", "first answer after, ms", "memory at rest, MB"]
    heads += ["of it own", "under load, MB", "of it own", "peak, MB"]
    rows = []
    for row in result["starts"]:
        rest, load = row["rest"], result["under_load"][row["server"]]
        cells = [_title(row["server"]), *(f"{row[k] * 1e3:,.0f}" for k in _TIMES)]
        for memory in (rest, load):
            cells += [megabytes(memory[key]) for key in ("steady_bytes", "anonymous_bytes")]
        rows.append([*cells, megabytes(load["peak_bytes"])])
    return table(heads, rows)


_TIMES = ("listening_s", "answer_s")


def workers(result: Mapping[str, Any]) -> list[str]:
    """Return the tables of ``benchmarks.macro.server_workers``."""
    head = (
        f"{result['rows']:,} passages, top-10 dense, keys returned; {result['clients']} clients, "
        f"{result['rounds']} turns of {result['seconds']} s; servers and client share all "
        "processors."
    )
    heads = ["", "queries/s", "to none", "p50, ms", "p99, ms", "client's share of a core"]
    heads += ["server's CPU, µs a query", "of all"]
    cases = dict.fromkeys((row["search"], row["client"]) for row in result["searches"])
    tables = []
    for search, client in cases:
        title = f"{_PROTOCOLS[client]}{', exact searches' * (search == 'exact')}"
        rows = [
            [
                _title(row["server"]),
                f"{row['queries_per_s']:,.0f}",
                f"{row['growth']:.2f}",
                f"{row['p50_ms']:.2f}",
                f"{row['p99_ms']:.2f}",
                f"{row['client_cpu_share']:.0%}",
                " + ".join(f"{us:,.0f}" for us in row["server_cpu_us"]),
                f"{sum(row['server_cpu_us']):,.0f}",
            ]
            for row in result["searches"]
            if (row["search"], row["client"]) == (search, client)
        ]
        tables.append(table([title, *heads[1:]], rows))
    return [head, *tables]


_PROTOCOLS = {"stub": "gRPC", "rest": "RESTful API"}

SERVER_RENDERERS = {"server": server, "workers": workers}
