"""Result files become Markdown tables."""

import json

from benchmarks import report

HEAD = {
    "date": "2026-01-02T03:04:05+00:00",
    "command": "python -m benchmarks.micro.dense_scan",
    "commit": "abc",
    "machine": {"cpu": "A CPU", "cores": 2, "memory_gib": 4, "load_average": 0.1},
    "python": "3.11.7",
}


def test_result_is_written_and_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    row = {"variant": "avx2", "dim": 8, "rows": 1000, "kernel_ms": 0.5, "numpy_ms": 1.0}
    result = {**HEAD, "benchmark": "dense_scan", "rows": [{**row, "kernel_gb_per_s": 2.0}]}
    file = report.write_result("scan", result)
    assert json.loads(file.read_text("utf-8")) == result
    assert report.render(result) == (
        "`python -m benchmarks.micro.dense_scan`, 2026-01-02, commit abc: A CPU, 2 cores, 4 GiB, "
        "Python 3.11.7, load average at the start 0.1.\n\n"
        "| variant | dim | rows | kernel, ms | NumPy, ms | ratio | kernel, GB/s |\n"
        "| --- | --: | --: | --: | --: | --: | --: |\n"
        "| avx2 | 8 | 1,000 | 0.500 | 1.000 | 2.00 | 2.0 |\n"
    )


def test_failed_and_tuned_searches_have_a_row_of_their_own():
    numbers = {"queries": 100, "recall": 0.96, "short_answers": 0, "p50_ms": 1.5, "p99_ms": 2.0}
    case = {"contestant": "lancedb (hnsw)", "case": "dense"}
    table = report.search_table(
        "dense",
        [
            {**case, "variant": "tuned", "effort": {"ef": 30}, **numbers},
            {**case, "variant": "tuned", "effort": {"ef": 99}, **numbers, "queries": 99},
            {**case, "variant": "default", "effort": {}, "error": "it broke"},
        ],
    )
    assert table.splitlines()[2:] == [
        "| LanceDB, HNSW_SQ | ef=30 | 0.960 | 1.50 | 2.00 | 100 | 0 |",
        "| LanceDB, HNSW_SQ | ef=99 | 0.960 | 1.50 | - | 99 | 0 |",
        "| LanceDB, HNSW_SQ | default | it broke | - | - | - | - |",
    ]
