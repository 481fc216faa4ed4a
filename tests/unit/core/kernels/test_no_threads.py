"""A process that gets no more threads works with those it has."""

import os
import subprocess
import sys

import pytest

# Threads that a limit of memory stops are the same to the program as those a container stops.
PROGRAM = """
import resource, sys
import numpy as np
from elanus.kernels.distance import scan_topk
from elanus.kernels.graph import CodeKind, GraphBuilder, Quantizer, encode_rows
from elanus.types import MetricType

def limit(mebibytes):
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    most = size + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))

rows = np.random.default_rng(1).normal(size=(3000, 16)).astype(np.float32)
everything = np.arange(3000, dtype=np.uint32)
quantizer = Quantizer(CodeKind.BYTES, MetricType.L2, rows.mean(axis=0), rows.std(axis=0) / 20, 19.0)
entries = np.arange(0, 3000, 400, dtype=np.uint32)
coded = encode_rows(quantizer, rows, None, 1)

def built(threads):
    builder = GraphBuilder(
        quantizer, rows, None, coded, None, entries, degree=16, ef=32, threads=threads
    )
    builder.insert(everything)
    return builder.seal()

work = {
    "codes": lambda threads: encode_rows(quantizer, rows, None, threads).codes,
    "graph": built,
    "search": lambda threads: scan_topk(
        MetricType.L2, rows[:500], rows, None, None, 5, threads=threads
    )[0],
}[sys.argv[1]]
alone = work(1)
limit(64)
print((work(200) == alone).all())
"""


@pytest.mark.parametrize("work", ["codes", "graph", "search"])
def test_work_is_done_by_the_threads_there_are(work: str) -> None:
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("needs /proc")
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, work], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "True\n"), found.stderr
