"""Some hundreds of filters over the same rows in elanus and in Milvus Lite.

Milvus Lite runs in the environment that the benchmarks make for it (``python -m benchmarks``); the
test is skipped where there is none. Every difference is on the list of ``docs/compatibility.md``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import elanus
from elanus.errors import FilterError
from elanus.filter import parse
from support import milvus_cases
from support.filter_oracle import allowed_rows

PAGE_TEXT = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text("utf-8")
WORKER = Path(__file__).parents[1] / "support" / "milvus_worker.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
INTERPRETER = CACHE / "elanus-bench" / "milvus_lite" / "bin" / "python"

DIFFERENT: dict[str, str] = {
    r"^f |< f$": "FLOAT constants",
    r'^(j\["[nt]"\]|dyn) != ': "`!=` inside JSON",
    r'not \(.*j\["': "`not` of JSON",
    r"(?i)^(not )?exists ": "`exists`",
    r"^n[is] not in ": "`not in` of null",
    r"^i64 [+*] ": "integer overflow",
    r"^i8 / -2 ": "integer division",
    r"^id == 7 / 2$": "integer division",
    r'^j\["n"\] / 2 == 0$': "integer division",
    r"^d / 0 ": "division by zero",
    r"^id == 017$": "octal numbers",
    r'^j\["t"\] like "%c': "escapes in patterns",
    r"^b > true$": "order of bools",
    r"^text_match\(s": "`text_match` without an analyzer",
}
"""Filters that both answer, or that elanus refuses, with different rows: why."""
REFUSED: dict[str, str] = {
    "not in range": "exact numbers",
    "comparison '[<>]=?' between incompatible types": "ranges",
    "unknown escape sequence": "escapes in text",
    "left side of '(not )?in' must be": "`in` of a path",
    r"unexpected token '\['|unknown AST node: ListLit": "equal lists",
    "array_length: expected": "lengths inside JSON",
    r"unexpected character '%'|unexpected token '\*'": "`%` and `**`",
    "unexpected character '[&|^~]'|unexpected character '='": "bits and regular expressions",
    "unexpected token 'x10'|unexpected token 'b101'|unexpected character '.'": "numbers",
    "unknown function 'random_sample'": "samples",
    "unexpected token \"'ä'\"": "prefixes of texts",
}
"""Errors of Milvus Lite about filters that elanus answers: what it lacks."""


def reason_of(table: dict[str, str], text: str) -> str | None:
    return next((why for pattern, why in table.items() if re.search(pattern, text)), None)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Every filter with the answer of Milvus Lite: ids, or the text of an error."""
    if not INTERPRETER.exists():
        pytest.skip(f"no Milvus Lite at {INTERPRETER}; `make bench` installs it")
    expressions = milvus_cases.expressions()
    asked = {
        "folder": str(tmp_path_factory.mktemp("milvus")),
        "rows": milvus_cases.rows(),
        "expressions": expressions,
    }
    ran = subprocess.run(
        [INTERPRETER, WORKER], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return dict(zip(expressions, json.loads(ran.stdout), strict=True))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with elanus.connect(tmp_path_factory.mktemp("elanus") / "db") as db:
        made = db.create_collection("c", milvus_cases.schema())
        rows = milvus_cases.rows()
        made.insert(rows[:25])
        made.flush()
        made.insert(rows[25:])
        yield made


def ours(collection: elanus.Collection, expression: str) -> Any:
    try:
        return [row["id"] for row in collection.query(expression, output=["id"])]
    except FilterError as error:
        return str(error)


@pytest.mark.slow
def test_answers_are_those_of_milvus_lite_but_for_the_listed_differences(answers, collection):
    unexplained, used, same, refused = {}, set(), 0, 0
    for expression, theirs in answers.items():
        found = ours(collection, expression)
        if found == theirs or (isinstance(found, str) and isinstance(theirs, str)):
            same += 1
            continue
        is_refused = isinstance(theirs, str)
        why = reason_of(REFUSED if is_refused else DIFFERENT, theirs if is_refused else expression)
        used.add(why)
        refused += is_refused
        if why is None:
            unexplained[expression] = (found, theirs)
    assert unexplained == {}
    assert used == {*REFUSED.values(), *DIFFERENT.values()}
    counts = f"{len(answers)}|{same}|{refused}|{len(answers) - same - refused}"
    stated = re.findall(
        r"(\d+) filters|^(\d+) are|refuses (\d+) that|to (\d+) differ", PAGE_TEXT, re.M
    )
    assert counts == "|".join("".join(groups) for groups in stated)


def test_answers_are_those_of_a_row_by_row_reading(collection):
    schema, rows = milvus_cases.schema(), milvus_cases.rows()
    rows = [{"$meta": {"dyn": row["dyn"]} if "dyn" in row else None, **row} for row in rows]
    checked = 0
    for expression in milvus_cases.expressions():
        found = ours(collection, expression)
        if isinstance(found, str) or "random_sample" in expression:
            continue
        allowed = allowed_rows(parse(expression), schema, rows)
        assert found == [i for i, holds in enumerate(allowed) if holds], expression
        checked += 1
    assert checked >= 590


def test_the_page_names_every_difference():
    reasons = {*REFUSED.values(), *DIFFERENT.values()}
    assert sorted(why for why in reasons if f"| {why} |" not in PAGE_TEXT) == []
