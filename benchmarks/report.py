"""How does a result file read as tables?

Run: ``python -m benchmarks.report [FILE ...]``; without files, the results of the repository.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.graph_report import GRAPH_RENDERERS
from benchmarks.recall_report import RECALL_RENDERERS
from benchmarks.server_report import SERVER_RENDERERS
from benchmarks.sparse_report import sparse_search
from benchmarks.storage_report import STORAGE_RENDERERS
from benchmarks.tables import TITLES, megabytes, table
from benchmarks.threads_report import THREADS_RENDERERS

RESULTS = Path(__file__).resolve().parent / "results"

MIN_P99_QUERIES = 100
"""A 99th percentile of fewer latencies would be their maximum."""


def write_result(name: str, result: Mapping[str, Any]) -> Path:
    """Write a result file and return its path."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(result, indent=1, sort_keys=False) + "\n", "utf-8")
    return file


def render(result: Mapping[str, Any]) -> str:
    """Return the tables of one result, under a line that says what they were measured on."""
    parts = RENDERERS[result["benchmark"]](result)
    return "\n\n".join([_provenance(result), *parts]) + "\n"


def _provenance(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"`{result['command']}`, {result['date'][:10]}, commit {result['commit']}: "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Python {result['python']}, load average at the start {machine['load_average']}."
    )


def _passages(result: Mapping[str, Any]) -> list[str]:
    head = f"{result['rows']:,} passages, {result['queries']:,} queries, top-10."
    missing = [f"{TITLES[n]} is missing: {why}" for n, why in result["missing"].items()]
    return [head, *missing, _loads(result), _starts(result), *_searches(result)]


def _loads(result: Mapping[str, Any]) -> str:
    heads = [
        "system",
        "inserted, rows/s",
        "complete, rows/s",
        "last row found after, ms",
        "indexes complete after, s",
        "steps, s",
        "peak RSS, MB",
        "disk, MB",
    ]
    rows = []
    for name, load in result["loads"].items():
        if "error" in load:
            rows.append([TITLES[name], f"failed: {load['error']}", *["-"] * (len(heads) - 2)])
            continue
        steps = ", ".join(f"{step} {s:.1f}" for step, s in load["steps_s"].items()) or "none"
        rows.append(
            [
                TITLES[name],
                f"{load['rows_per_s']:,.0f}",
                f"{load['rows_per_s_complete']:,.0f}",
                f"{load['searchable_s'] * 1e3:.1f}",
                f"{load['complete_s']:.1f}",
                steps,
                megabytes(load["memory"]["peak_bytes"]),
                megabytes(load["disk_bytes"]),
            ]
        )
    return table(heads, rows)


def _starts(result: Mapping[str, Any]) -> str:
    heads = [
        "system",
        "import, ms",
        "open, ms",
        "open to first answer, ms",
        "process to first answer, ms",
        "steady RSS, MB",
        "of it own",
        "of it mapped files",
    ]
    complete = [c for c in result["contestants"] if c["state"] == "complete" and "memory" in c]
    memory = {c["system"]: c["memory"] for c in complete}
    rows = []
    for name, start in result["starts"].items():
        keys = ("import_s", "open_s", "first_answer_s", "process_to_answer_s")
        times = ["-" if start[k] is None else f"{start[k] * 1e3:,.1f}" for k in keys]
        sizes = ("steady_bytes", "anonymous_bytes", "file_bytes")
        used = [megabytes(memory[name][s]) if name in memory else "-" for s in sizes]
        rows.append([TITLES[name], *times, *used])
    numpy = f"NumPy alone is imported in {result['numpy_import_s'] * 1e3:,.1f} ms."
    return f"{table(heads, rows)}\n\n{numpy}"


def _searches(result: Mapping[str, Any]) -> list[str]:
    cases = dict.fromkeys(row["case"] for row in result["searches"])
    return [search_table(case, result["searches"]) for case in cases]


def search_table(case: str, searches: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of one kind of search."""
    agreement = case in ("BM25", "hybrid")
    measure = "agreement with exact" if agreement else "recall@10"
    heads = [case, "setting", measure, "p50, ms", "p99, ms", "queries", "short answers"]
    rows = []
    for row in searches:
        if row["case"] != case:
            continue
        setting = _setting(row)
        if "error" in row:
            rows.append([_contestant(row), setting, row["error"], *["-"] * (len(heads) - 3)])
            continue
        p99 = f"{row['p99_ms']:.2f}" if row["queries"] >= MIN_P99_QUERIES else "-"
        cells = [f"{row['recall']:.3f}", f"{row['p50_ms']:.2f}", p99]
        counts = [str(row["queries"]), str(row["short_answers"])]
        rows.append([_contestant(row), setting, *cells, *counts])
    return table(heads, rows)


def _setting(row: Mapping[str, Any]) -> str:
    if row["variant"] == "default":
        return "default"
    return ", ".join(f"{name}={value}" for name, value in row["effort"].items())


def _contestant(row: Mapping[str, Any]) -> str:
    system, _, state = row["contestant"].partition(" (")
    state = state.rstrip(")")
    return TITLES[system] if not state else f"{TITLES[system]}, {TITLES[state]}"


def _retrieval_quality(result: Mapping[str, Any]) -> list[str]:
    heads = ["collection", "vectors", "search", "nDCG@10", "95 %", "MRR@10", "recall@100", "floor"]
    rows = [
        [
            row["collection"],
            row["embedder"],
            row["search"],
            f"{row['ndcg_10']:.4f}",
            f"{row['ndcg_10_low']:.3f} to {row['ndcg_10_high']:.3f}",
            f"{row['mrr_10']:.4f}",
            f"{row['recall_100']:.4f}",
            "" if row["floor"] is None else f"{row['floor']:.3f}",
        ]
        for row in result["rows"]
    ]
    return [table(heads, rows), *_tuning(result["tuning"])]


def _tuning(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what tuning is worth on the halves of the queries that it did not see."""
    heads = [
        *("collection", "vectors", "BM25", "dense", "best leg", "RRF", "tuned"),
        *("RRF over best leg (worst)", "tuned over best leg (worst)", "joined"),
    ]
    rows = [
        [
            run["collection"],
            run["embedder"],
            *(f"{run[name]:.4f}" for name in ("bm25", "dense", "best_leg", "default", "tuned")),
            f"{run['default_gap']:+.4f} ({run['default_worst']:+.4f})",
            f"{run['tuned_gap']:+.4f} ({run['tuned_worst']:+.4f})",
            f"{run['joined']} of {run['splits']}",
        ]
        for run in runs
    ]
    head = (
        f"nDCG@10 on the halves of the queries that tuning did not see, means of "
        f"{runs[0]['splits']} random halves; the best leg is that of each half."
    )
    return [head, table(heads, rows)]


def _demo(result: Mapping[str, Any]) -> list[str]:
    rows = []
    for run in result["runs"]:
        rate = f"{run['passages_per_s']:,.0f}" if "passages_per_s" in run else ""
        rows.append([run["run"], f"{run['wall_s']:.1f}", f"{run['passages']:,}", rate])
    return [table(["run", "wall, s", "passages", "passages/s"], rows)]


def _dense_scan(result: Mapping[str, Any]) -> list[str]:
    heads = ["variant", "dim", "rows", "kernel, ms", "NumPy, ms", "ratio", "kernel, GB/s"]
    rows = [
        [
            row["variant"],
            str(row["dim"]),
            f"{row['rows']:,}",
            f"{row['kernel_ms']:.3f}",
            f"{row['numpy_ms']:.3f}",
            f"{row['numpy_ms'] / row['kernel_ms']:.2f}",
            f"{row['kernel_gb_per_s']:.1f}",
        ]
        for row in result["rows"]
    ]
    return [table(heads, rows)]


def _overhead(result: Mapping[str, Any]) -> list[str]:
    heads = [
        "call, CPU time in µs",
        "whole",
        "index",
        "besides",
        "besides, index answers at once",
        "2 threads / 1",
    ]
    cells = [
        [
            row["case"],
            f"{row['call_us']:,.0f}",
            f"{row['index_us']:,.0f}",
            f"{row['overhead_us']:,.0f}",
            f"{row['without_index_us']:,.0f}",
            f"{row['threads']['ratio']:.2f}",
        ]
        for row in result["cases"]
    ]
    head = (
        f"{result['rows']:,} passages, top-{result['limit']}, medians of the least of some rounds."
    )
    return [head, table(heads, cells)]


def _tenants(result: Mapping[str, Any]) -> list[str]:
    heads = ["call, CPU time in µs", "one tenant of the shared collection", "alone", "ratio"]
    cells = [
        [
            row["case"],
            f"{row['shared_us']:,.0f}",
            f"{row['alone_us']:,.0f}",
            f"{row['ratio']:.2f}",
        ]
        for row in result["cases"]
    ]
    head = (
        f"{result['tenants']:,} tenants, {result['rows']:,} passages, top-{result['limit']}; "
        f"no filter is asked twice."
    )
    return [head, table(heads, cells)]


def _shapes(result: Mapping[str, Any]) -> list[str]:
    heads = [
        "search",
        "setting",
        "queries",
        "CPU p50, ms",
        "the plain search beside it, ms",
        "ratio",
        "recall",
        "answers like brute force",
    ]
    cells = [
        [
            row["case"],
            row["setting"],
            str(row["queries"]),
            f"{row['cpu_p50_ms']:,.2f}",
            f"{row['plain_p50_ms']:,.2f}",
            f"{row['ratio']:,.1f}",
            f"{row['recall']:.3f}",
            str(row["same"]),
        ]
        for row in result["cases"]
    ]
    return [f"{result['rows']:,} passages, keys returned.", table(heads, cells)]


def _filters(result: Mapping[str, Any]) -> list[str]:
    ways = list(dict.fromkeys((row["system"], row["way"]) for row in result["measured"]))
    cells = {
        (r["case"], r["system"], r["way"]): r["p50_ms"] for r in result["measured"] if "p50_ms" in r
    }
    rows = [
        [case, *(f"{cells[case, *way]:.2f}" if (case, *way) in cells else "" for way in ways)]
        for case in dict.fromkeys(row["case"] for row in result["measured"])
    ]
    heads = ["p50 in ms", *(" ".join(way) for way in ways)]
    notes = f"{result['rows']:,} rows, constants that are new in every call."
    loaded = {row["system"]: row for row in result["measured"] if "rows" in row}
    for system, row in loaded.items():
        few = "" if row["rows"] == result["rows"] else ", all that it is asked about"
        notes += f" {system} took {row['rows']:,} rows in {row['load_s']:,.0f} s{few}."
    refused: dict[str, list[str]] = {}
    for row in result["measured"]:
        if "refused" in row:
            refused.setdefault(f"{row['system']} {row['way']}", []).append(row["case"])
    for way, cases in refused.items():
        notes += f" {way} refuses: {'; '.join(cases)}."
    return [notes, table(heads, rows)]


def _text_ingest(result: Mapping[str, Any]) -> list[str]:
    rows = [
        [row["system"], f"{row['passages_per_s']:,.0f}", f"{row['us_per_passage']:.1f}"]
        for row in result["ingest"]
    ]
    small = [[name.replace("_", " "), f"{value:.1f}"] for name, value in result["small"].items()]
    small += [["seal s", f"{result['seal_s']:.2f}"], ["memory MB", f"{result['memory_mb']:.0f}"]]
    return [
        f"{result['passages']:,} passages.",
        table(["system", "passages/s", "us a passage"], rows),
        table(["elanus", ""], small),
    ]


def _embedding(result: Mapping[str, Any]) -> list[str]:
    heads = ["path", "passages/s", "x plain", "mean cosine", "lowest cosine"]
    rows = [
        [
            row["path"],
            f"{row['passages_per_s']:,.1f}",
            f"{row['times_plain']:.2f}",
            f"{row['mean_cosine']:.4f}",
            f"{row['lowest_cosine']:.4f}",
        ]
        for row in result["rows"]
    ]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return [
        f"{result['passages']:,} passages of {result['mean_words']:.0f} words; {versions}.",
        table(heads, rows),
    ]


def _sync(result: Mapping[str, Any]) -> list[str]:
    rows = [
        [row["case"], f"{row['seconds']:.2f}", f"{row['embedded']:,}"] for row in result["rows"]
    ]
    return [
        f"{result['documents']:,} documents of two chunks; embedder `{result['embedder']}`.",
        table(["case", "seconds", "texts embedded"], rows),
    ]


def _quantized_scan(result: Mapping[str, Any]) -> list[str]:
    heads = ["data", "rows", "dim", "queries", "allowed", "codes, ms", "float32, ms", "faiss, ms"]
    heads += ["NumPy, ms", "x float32", "x faiss", "codes, GB/s", "memory, GB/s", "share", "read"]
    rows = []
    for row in result["rows"]:
        codes, faiss = row["codes_ms"], row.get("faiss_ms")
        is_whole = row["queries"] == 1 and row["share"] == 1
        rows.append(
            [
                row["data"],
                f"{row['rows']:,}",
                str(row["dim"]),
                str(row["queries"]),
                f"{row['share']:.1%}",
                f"{codes:.3f}",
                f"{row['scan_ms']:.3f}",
                "" if faiss is None else f"{faiss:.3f}",
                f"{row['numpy_ms']:.3f}",
                f"{row['scan_ms'] / codes:.2f}",
                "" if faiss is None else f"{faiss / codes:.2f}",
                f"{row['codes_gb_per_s']:.1f}" if is_whole else "",
                f"{row['memory_gb_per_s']:.1f}" if is_whole else "",
                f"{row['codes_gb_per_s'] / row['memory_gb_per_s']:.0%}" if is_whole else "",
                f"{row['rescored_rows']:,}",
            ]
        )
    return [table(heads, rows)]


def _inverted_lists(result: Mapping[str, Any]) -> list[str]:
    head = (
        f"{result['num_rows']:,} rows of {result['dim']} dimensions, {result['nlist']} lists, "
        "top-10, one query a call."
    )
    heads = ["index", "nprobe", "recall", "faiss recall", "queries/s", "faiss queries/s"]
    heads += ["index, MB", "build, CPU s", "faiss build, CPU s"]
    rows = [
        [
            row["index"],
            str(row["nprobe"]),
            f"{row['elanus_recall']:.3f}",
            f"{row['faiss_recall']:.3f}",
            f"{row['elanus_qps']:,.0f}",
            f"{row['faiss_qps']:,.0f}",
            f"{row['elanus_mb']:.1f}",
            f"{row['elanus_build_cpu_s']:.1f}",
            f"{row['faiss_build_cpu_s']:.1f}",
        ]
        for row in result["rows"]
    ]
    return [head, table(heads, rows)]


def _minhash(result: Mapping[str, Any]) -> list[str]:
    head = (
        f"{result['num_rows']:,} passages, signatures of {result['num_hashes']} elements, "
        f"{result['bands']} bands; CPU time. A scan takes {result['scan_query_us']:,.0f} us "
        "a query."
    )
    times = [
        [
            row["system"],
            f"{row['texts_per_s']:,.0f}",
            f"{row['build_cpu_s']:.1f}",
            f"{row['query_us']:,.0f}",
        ]
        for row in result["times"]
    ]
    found = [
        [
            f"{row['from']:.1f} to {row['to']:.1f}",
            f"{row['pairs']:,}",
            *(f"{row[name]:.3f}" for name in ("elanus", "datasketch", "scan")),
        ]
        for row in result["recall"]
    ]
    recall = ["similarity", "pairs", "elanus, bands", "datasketch", "elanus, scan"]
    return [
        head,
        table(["system", "texts/s", "build, CPU s", "us a query"], times),
        table(recall, found),
    ]


def _late_interaction(result: Mapping[str, Any]) -> list[str]:
    head = (
        f"{result['num_rows']:,} passages of {result['num_vectors']:,} vectors of {result['dim']} "
        f"dimensions, {result['query_vectors']:.0f} vectors a query, top-10, one query a call."
    )
    heads = ["search", "method", "ms", "queries/s", "recall", "estimated"]
    rows = [
        [
            row["search"],
            row.get("method", "scan"),
            f"{row['ms']:.1f}",
            f"{1e3 / row['ms']:,.1f}",
            f"{row['recall']:.3f}",
            f"{row.get('estimated', 1.0):.3f}",
        ]
        for row in result["rows"]
    ]
    exact = result["rows"][1]
    loads = (
        f"Inserted in {exact['insert_s']:.1f} s, merged and indexed in {exact['index_s']:.1f} s."
    )
    return [head, table(heads, rows), loads]


RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "passages": _passages,
    "retrieval_quality": _retrieval_quality,
    "demo": _demo,
    "dense_scan": _dense_scan,
    "overhead": _overhead,
    "tenants": _tenants,
    "shapes": _shapes,
    "filters": _filters,
    "text_ingest": _text_ingest,
    "embedding": _embedding,
    "sync": _sync,
    "quantized_scan": _quantized_scan,
    "inverted_lists": _inverted_lists,
    "late_interaction": _late_interaction,
    "minhash": _minhash,
    "sparse_search": sparse_search,
    **STORAGE_RENDERERS,
    **GRAPH_RENDERERS,
    **RECALL_RENDERERS,
    **THREADS_RENDERERS,
    **SERVER_RENDERERS,
}


def main() -> None:
    files = [Path(name) for name in sys.argv[1:]] or sorted(RESULTS.glob("*.json"))
    for file in files:
        print(f"## {file.stem}\n")
        print(render(json.loads(file.read_text("utf-8"))))


if __name__ == "__main__":
    main()
