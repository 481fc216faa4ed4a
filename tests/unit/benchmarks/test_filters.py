"""Every system is asked the same filters, each in its own language."""

import json
import subprocess
import sys

import numpy as np
import pytest

import elanus
from benchmarks.machine import describe_run
from benchmarks.macro.filters import (
    CASES,
    CHROMA,
    FURTHER,
    MOST_WAYS,
    WORKER,
    make_cases,
    make_rows,
)
from benchmarks.report import render

pytest.importorskip("pyarrow")


def test_every_case_has_its_form_for_every_system():
    cases = make_cases(3)
    names = [name for name, _, _ in CASES]
    assert [name for name, _ in cases] == names + [name for name, *_ in FURTHER]
    assert names == [*CHROMA]
    for name, forms in cases:
        assert {len(filters) for filters in forms.values()} == {3}
        if name in names:
            assert [*map(json.loads, forms["chroma"])]
        else:
            assert forms.keys() <= {"elanus", "elanus_json", "sql", "sql_json"}
    forms = dict(cases)["number range, 1 %"]
    year = json.loads(forms["chroma"][0])["$and"][0]["year"]["$gte"]
    assert forms["elanus"][0] == f"year >= {year} and year < {year + 10}"
    assert forms["lance"][0] == f"year >= {year} and year < {year + 10}"


def test_the_worker_finds_what_the_rows_hold(tmp_path):
    make_rows(tmp_path, 300)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").open(encoding="utf-8")]
    assert [number for number, _, _ in rows] == list(range(300))
    assert np.array(rows[7][2]).shape == (64,)
    cases = [["number range, 30 %", {}]]
    for form, place in (("elanus", "year"), ("elanus_json", "meta['year']")):
        cases[0][1][form] = [f"{place} < 400"] * 2 * MOST_WAYS
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    command = [sys.executable, str(WORKER), "elanus", str(tmp_path), str(tmp_path / "cases.json")]
    done = subprocess.run([*command, "60"], check=True, stdout=subprocess.PIPE, text=True)
    measured = json.loads(done.stdout)
    assert [row["way"] for row in measured] == ["columns", "json", "indexes", "json indexes"]
    expected = sum(values["year"] < 400 for _, values, _ in rows)
    assert {row["found"] for row in measured} == {expected}


def test_further_filters_are_read_and_allow_rows(tmp_path):
    make_rows(tmp_path, 2_000)
    collection = elanus.connect(tmp_path / "elanus").collection("rows")
    for name, forms in make_cases(40):
        counts = [collection.count(f) for f in forms["elanus"]]
        if "elanus_json" in forms:
            assert counts == [collection.count(f) for f in forms["elanus_json"]]
        # Of so few rows hardly any has a number, or beginning, that is drawn of a million.
        if name not in {"text equality of a million", "text begins", "text holds", "phrase"}:
            assert max(counts) > 0, name


def test_the_table_says_what_was_loaded_and_what_is_refused():
    chroma = {"system": "chroma", "way": "indexes", "rows": 20, "load_s": 600.0}
    result = {
        "benchmark": "filters",
        "module": "benchmarks.macro.filters",
        "rows": 100,
        "measured": [
            {**chroma, "case": "text begins", "p50_ms": 1.25},
            {"system": "milvus_lite", "way": "json", "case": "text begins", "refused": "no"},
        ],
    }
    shown = render({**describe_run("benchmarks.macro.filters"), **result})
    assert "chroma took 20 rows in 600 s, all that it is asked about." in shown
    assert "milvus_lite json refuses: text begins." in shown
    assert "| text begins | 1.25 |  |" in shown
