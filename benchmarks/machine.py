"""What did a measurement run on?"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def describe_run(module: str) -> dict[str, Any]:
    """Return machine, versions, date, commit and command, for the head of a result file.

    Args:
        module: What was run, as in ``python -m <module>``; ``sys.argv`` has its arguments.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "commit": _commit(),
        "machine": {
            "cpu": _field(Path("/proc/cpuinfo"), "model name"),
            "instruction_sets": _instruction_sets(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.platform(),
            "load_average": round(os.getloadavg()[0], 2),
        },
        "python": platform.python_version(),
    }


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _instruction_sets() -> list[str]:
    flags = set(_field(Path("/proc/cpuinfo"), "flags").split())
    return [name for name in ("avx2", "fma", "avx512f", "avx512_vnni") if name in flags]


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(asked, check=False, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
