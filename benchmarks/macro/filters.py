"""How long does a filter take over a million rows, alone and with a dense search?

Synthetic scalars, the same as columns of their own and inside a JSON field. Every filter is counted
alone, with constants that were not asked for before, without and with indexes; one that lets a row
in a hundred through also goes with a dense search. Beside DuckDB, LanceDB, Chroma and Milvus Lite,
each in a process of its own, on one processor. A system that has not taken all rows after
``--load-seconds`` is asked about those that it has, and the table says how many these are.

Run: ``taskset -c 1 python -m benchmarks filters``; ``--rows`` for fewer, ``--systems`` for some.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

import elanus
from benchmarks.machine import describe_run
from benchmarks.macro.environments import EnvironmentMissingError, interpreter_for
from benchmarks.report import render, write_result

MODULE = "benchmarks.macro.filters"
WORKER = Path(__file__).with_name("filter_worker.py")
DIM = 64
STEP = 20_000
SYSTEMS = ["elanus", "duckdb", "lancedb", "chroma", "milvus_lite"]
MOST_WAYS = 8
"""Ways in which one system is asked at most, each with filters of its own."""
NUM_BRANDS, NUM_TAGS, NUM_YEARS = 1_000, 200, 1_000


def make_rows(folder: Path, num_rows: int) -> None:
    """Write the rows for the others, as Parquet and as JSON lines, and load them into elanus."""
    drawn = np.random.default_rng(0)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
            elanus.Field("year", elanus.INT64),
            elanus.Field("price", elanus.DOUBLE),
            elanus.Field("brand", elanus.VARCHAR),
            elanus.Field("title", elanus.VARCHAR),
            elanus.Field("tags", elanus.ARRAY, element_type=elanus.VARCHAR),
            elanus.Field("meta", elanus.JSON),
        ]
    )
    query = drawn.standard_normal(DIM).astype(np.float32)
    (folder / "query.json").write_text(json.dumps(query.tolist()))
    parts = []
    lines = (folder / "rows.jsonl").open("w", encoding="utf-8")
    with lines, elanus.connect(folder / "elanus") as db:
        collection = db.create_collection("rows", schema)
        collection.create_index("vector", "FLAT")
        for first in range(0, num_rows, STEP):
            columns = _columns(drawn, first, min(STEP, num_rows - first))
            vectors = drawn.standard_normal((len(columns["id"]), DIM)).astype(np.float32)
            names = [name for name in columns if name != "id"]
            values = zip(*(columns[name] for name in names), strict=True)
            meta = [dict(zip(names, row, strict=True)) for row in values]
            collection.insert({**columns, "vector": vectors, "meta": meta})
            for row in zip(columns["id"], meta, vectors.tolist(), strict=True):
                lines.write(json.dumps(row) + "\n")
            flat = pa.array(vectors.reshape(-1))
            arrays = {
                **columns,
                "meta": [json.dumps(one) for one in meta],
                "vector": pa.FixedSizeListArray.from_arrays(flat, DIM),
            }
            parts.append(pa.table(arrays))
        collection.compact()
    parquet.write_table(pa.concat_tables(parts), folder / "rows.parquet")


def _columns(drawn: np.random.Generator, first: int, count: int) -> dict[str, list[Any]]:
    words = drawn.zipf(1.3, (count, 3)) % 2_000
    tags = drawn.integers(0, NUM_TAGS, (count, 3)).tolist()
    return {
        "id": list(range(first, first + count)),
        "year": drawn.integers(0, NUM_YEARS, count).tolist(),
        "price": np.round(drawn.random(count) * 1_000, 3).tolist(),
        "brand": [f"brand{b:04d}" for b in drawn.integers(0, NUM_BRANDS, count).tolist()],
        "title": [
            f"{' '.join(f'w{w:04d}' for w in row)} {first + i}"
            for i, row in enumerate(words.tolist())
        ],
        "tags": [sorted({f"t{t:03d}" for t in row}) for row in tags],
    }


JSON_SQL = {
    "year": "CAST(meta->>'$.year' AS BIGINT)",
    "price": "CAST(meta->>'$.price' AS DOUBLE)",
    "brand": "(meta->>'$.brand')",
    "title": "(meta->>'$.title')",
    "tags": "CAST(meta->'$.tags' AS VARCHAR[])",
}
"""What DuckDB reads out of the JSON."""
RANGE = "{year} >= {y} and {year} < {y10}"
WIDE = "{year} >= {y} and {year} < {y300}"
CASES: list[tuple[str, str, str]] = [
    ("text equality, 0.1 %", "{brand} == '{b}'", "{brand} = '{b}'"),
    ("text in five, 0.5 %", "{brand} in [{bs}]", "{brand} in ({bs})"),
    ("number range, 1 %", RANGE, RANGE),
    ("number range, 30 %", WIDE, WIDE),
    ("double range, 30 to 100 %", "{price} > {p}", "{price} > {p}"),
    ("array holds, 1.5 %", "{holds}({tags}, '{t}')", "{holds}({tags}, '{t}')"),
    ("text begins", "{title} like '{w}%'", "{title} like '{w}%'"),
    ("text holds", "{title} like '%{d}%'", "{title} like '%{d}%'"),
    (
        "three conditions",
        f"{WIDE} and {{price}} < {{p}} and {{brand}} in [{{bs}}]",
        f"{WIDE} and {{price}} < {{p}} and {{brand}} in ({{bs}})",
    ),
]
"""Name, and the filter in the language of elanus and Milvus, and in SQL."""
_WIDE = '{{"year": {{"$gte": {y}}}}}, {{"year": {{"$lt": {y300}}}}}'
CHROMA: dict[str, str] = {
    "text equality, 0.1 %": '{{"brand": "{b}"}}',
    "text in five, 0.5 %": '{{"brand": {{"$in": [{bs}]}}}}',
    "number range, 1 %": '{{"$and": [{{"year": {{"$gte": {y}}}}}, {{"year": {{"$lt": {y10}}}}}]}}',
    "number range, 30 %": f'{{{{"$and": [{_WIDE}]}}}}',
    "double range, 30 to 100 %": '{{"price": {{"$gt": {p}}}}}',
    "array holds, 1.5 %": '{{"tags": {{"$contains": "{t}"}}}}',
    "text begins": '{{"#document": {{"$regex": "^{w}"}}}}',
    "text holds": '{{"#document": {{"$contains": "{d}"}}}}',
    "three conditions": f'{{{{"$and": [{_WIDE}, '
    '{{"price": {{"$lt": {p}}}}}, {{"brand": {{"$in": [{bs}]}}}}]}}',
}
"""The same in the language of Chroma, whose documents are the titles."""


def make_cases(num_filters: int) -> list[tuple[str, dict[str, list[str]]]]:
    """Return the filters of each case in the language of each system."""
    drawn = random.Random(0)
    fields = {name: name for name in JSON_SQL}
    paths = {name: f"meta['{name}']" for name in JSON_SQL}
    cases: list[tuple[str, dict[str, list[str]]]] = []
    for name, text, sql in CASES:
        forms: dict[str, list[str]] = {}
        for words in [_constants(drawn) for _ in range(num_filters)]:
            for form, pattern, places in (
                ("elanus", text, fields | {"holds": "array_contains"}),
                ("elanus_json", text, paths | {"holds": "json_contains"}),
                ("sql", sql, fields | {"holds": "list_contains"}),
                ("sql_json", sql, JSON_SQL | {"holds": "list_contains"}),
                ("lance", sql, fields | {"holds": "array_has"}),
            ):
                forms.setdefault(form, []).append(pattern.format(**words, **places))
            quoted = words | {"bs": words["bs"].replace("'", '"')}
            forms.setdefault("chroma", []).append(CHROMA[name].format(**quoted))
        cases.append((name, forms))
    return cases


def _constants(drawn: random.Random) -> dict[str, Any]:
    year = drawn.randint(0, 700)
    return {
        "y": year,
        "y10": year + 10,
        "y300": year + 300,
        "p": f"{drawn.random() * 700:.6f}",
        "b": f"brand{drawn.randrange(NUM_BRANDS):04d}",
        "bs": ", ".join(f"'brand{drawn.randrange(NUM_BRANDS):04d}'" for _ in range(5)),
        "t": f"t{drawn.randrange(NUM_TAGS):03d}",
        "w": f"w{drawn.randrange(200):04d} w{drawn.randrange(50):04d}",
        "d": str(drawn.randrange(100_000, 999_999)),
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--filters", type=int, default=31, help="of each case")
    parser.add_argument("--load-seconds", type=float, default=600.0, help="of each other system")
    parser.add_argument("--systems", nargs="*", default=SYSTEMS)
    options = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "filters", **describe_run(MODULE)}
    result |= {"rows": options.rows, "measured": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_rows(folder, options.rows)
        cases = folder / "cases.json"
        cases.write_text(json.dumps(make_cases(MOST_WAYS * options.filters)))
        for system in options.systems:
            try:
                interpreter = interpreter_for(system)
            except EnvironmentMissingError as error:
                print(error, file=sys.stderr)
                continue
            command = [interpreter, str(WORKER), system, str(folder), str(cases)]
            command.append(str(options.load_seconds))
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            for row in json.loads(done.stdout):
                row["system"] = system
                if "refused" not in row:
                    ms = sorted(row.pop("ms"))
                    row |= {"p50_ms": median(ms), "least_ms": ms[0]}
                result["measured"].append(row)
    write_result("filters", result)
    print(render(result))


if __name__ == "__main__":
    main()
