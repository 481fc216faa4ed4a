"""Run a benchmark by its name, or list them: ``python -m benchmarks [NAME [OPTION ...]]``."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "passages": "benchmarks.macro.passages",
    "quality": "benchmarks.macro.retrieval_quality",
    "demo": "benchmarks.macro.demo",
    "dense_scan": "benchmarks.micro.dense_scan",
    "report": "benchmarks.report",
}


def main() -> None:
    if len(sys.argv) < 2:
        for name, module_name in BENCHMARKS.items():
            module = importlib.import_module(module_name)
            print(f"{name:12}{(module.__doc__ or '').splitlines()[0]}")
        return
    name = sys.argv.pop(1)
    if name not in BENCHMARKS:
        sys.exit(f"no benchmark named {name!r}; there are {', '.join(BENCHMARKS)}")
    importlib.import_module(BENCHMARKS[name]).main()


if __name__ == "__main__":
    main()
