"""Run a benchmark by its name, or list them: ``python -m benchmarks [NAME [OPTION ...]]``."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "passages": "benchmarks.macro.passages",
    "graph": "benchmarks.graph.compare",
    "recall": "benchmarks.macro.recall",
    "quality": "benchmarks.macro.retrieval_quality",
    "demo": "benchmarks.macro.demo",
    "sync": "benchmarks.macro.sync",
    "overhead": "benchmarks.macro.overhead",
    "tenants": "benchmarks.macro.tenants",
    "shapes": "benchmarks.macro.shapes",
    "filters": "benchmarks.macro.filters",
    "threads": "benchmarks.macro.threads",
    "server": "benchmarks.macro.server",
    "workers": "benchmarks.macro.server_workers",
    "storage_inserts": "benchmarks.macro.storage_inserts",
    "storage_open": "benchmarks.macro.storage_open",
    "storage_space": "benchmarks.macro.storage_space",
    "storage_lag": "benchmarks.macro.storage_lag",
    "dense_scan": "benchmarks.micro.dense_scan",
    "embedding": "benchmarks.micro.embedding",
    "filter_plans": "benchmarks.micro.filter_plans",
    "inverted_lists": "benchmarks.micro.inverted_lists",
    "late_interaction": "benchmarks.micro.late_interaction",
    "minhash": "benchmarks.micro.minhash",
    "quantized_scan": "benchmarks.micro.quantized_scan",
    "sparse_search": "benchmarks.micro.sparse_search",
    "text_ingest": "benchmarks.micro.text_ingest",
    "report": "benchmarks.report",
}


def main() -> None:
    if len(sys.argv) < 2:
        for name, module_name in BENCHMARKS.items():
            module = importlib.import_module(module_name)
            print(f"{name:16}{(module.__doc__ or '').splitlines()[0]}")
        return
    name = sys.argv.pop(1)
    if name not in BENCHMARKS:
        sys.exit(f"no benchmark named {name!r}; there are {', '.join(BENCHMARKS)}")
    importlib.import_module(BENCHMARKS[name]).main()


if __name__ == "__main__":
    main()
