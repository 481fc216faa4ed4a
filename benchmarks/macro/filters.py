"""How long does a filter take over a million rows, alone and with a dense search?

Synthetic scalars, the same as columns of their own and inside a JSON field, and for elanus a moment
and a place besides. Every filter is counted
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
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("tags", elanus.ARRAY, element_type=elanus.VARCHAR),
            elanus.Field("meta", elanus.JSON),
            elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True),
            elanus.Field("place", elanus.GEOMETRY),
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
            own = _times_and_places(first, len(meta))
            collection.insert({**columns, **own, "vector": vectors, "meta": meta})
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


def _times_and_places(first: int, count: int) -> dict[str, list[Any]]:
    """Return a moment of a year for all rows but a tenth, and a point for each."""
    drawn = np.random.default_rng(first + 1)
    seconds = drawn.integers(0, 366 * 86_400, count).astype("timedelta64[s]")
    texts = np.datetime_as_string(np.datetime64("2024-01-01T00:00:00") + seconds, timezone="UTC")
    is_null = (drawn.random(count) < 0.1).tolist()
    points = np.round(drawn.random((count, 2)) * 100, 3).tolist()
    return {
        "at": [None if null else text for text, null in zip(texts.tolist(), is_null, strict=True)],
        "place": [f"POINT ({x} {y})" for x, y in points],
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
FURTHER: list[tuple[str, str, str, str]] = [
    ("text equality of a million", "{title} == '{w} w0003 {d}'", "", "{title} = '{w} w0003 {d}'"),
    ("text not in five", "{brand} not in [{bs}]", "", "{brand} not in ({bs})"),
    ("text in order", "{brand} < '{b}'", "", "{brand} < '{b}'"),
    ("text of two parts", "{title} like '%w0{n}%{m}%'", "", "{title} like '%w0{n}%{m}%'"),
    ("text ends", "{title} like '%{n}'", "", "{title} like '%{n}'"),
    ("text in any case", "{title} ilike '%W0{n}%'", "", "{title} ilike '%W0{n}%'"),
    ("regular expression", "{title} =~ '{rx}'", "", "regexp_matches({title}, '{rx}')"),
    ("array holds any of three", "{any}({tags}, [{ts}])", "", "list_has_any({tags}, [{ts}])"),
    ("array holds all of three", "{all}({tags}, [{ts}])", "", "list_has_all({tags}, [{ts}])"),
    (
        "array of two",
        "{length}({tags}) == 2 and {year} != {y}",
        "",
        "len({tags}) = 2 and {year} <> {y}",
    ),
    ("remainder", "{year} % {m} == 3", "", "{year} % {m} = 3"),
    ("words", "text_match(title, 'w0{n} {d}')", "field", ""),
    ("phrase", "phrase_match(title, '{w}')", "field", ""),
    ("null", "at is null and {year} != {y}", "field", ""),
    ("moment range, 8 %", "at >= ISO '{from}' and at < ISO '{to}'", "field", ""),
    ("places within, 1 %", "ST_WITHIN(place, '{box}')", "field", ""),
]
"""Further kinds of filters, which elanus is asked: name, filter, ``field`` when there is no such
thing inside JSON, and the same in the SQL of DuckDB, where that has it."""
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


ARRAYS = {
    "any": "array_contains_any",
    "all": "array_contains_all",
    "length": "array_length",
}
JSON_ARRAYS = ARRAYS | {"any": "json_contains_any", "all": "json_contains_all"}


def make_cases(num_filters: int) -> list[tuple[str, dict[str, list[str]]]]:
    """Return the filters of each case in the language of each system that is asked it."""
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
                ("milvus", text, fields | {"holds": "array_contains"}),
                ("milvus_json", text, paths | {"holds": "json_contains"}),
                ("sql", sql, fields | {"holds": "list_contains"}),
                ("sql_json", sql, JSON_SQL | {"holds": "list_contains"}),
                ("lance", sql, fields | {"holds": "array_has"}),
            ):
                forms.setdefault(form, []).append(pattern.format(**words, **places))
            quoted = words | {"bs": words["bs"].replace("'", '"')}
            forms.setdefault("chroma", []).append(CHROMA[name].format(**quoted))
        cases.append((name, forms))
    for name, text, where, sql in FURTHER:
        forms = {}
        for words in [_constants(drawn) for _ in range(num_filters)]:
            forms.setdefault("elanus", []).append(text.format(**words, **fields, **ARRAYS))
            if where != "field":
                forms.setdefault("elanus_json", []).append(
                    text.format(**words, **paths, **JSON_ARRAYS)
                )
            if sql:
                forms.setdefault("sql", []).append(sql.format(**words, **fields))
                forms.setdefault("sql_json", []).append(sql.format(**words, **JSON_SQL))
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
        **_further_constants(drawn),
    }


def _further_constants(drawn: random.Random) -> dict[str, str]:
    day = np.datetime64("2024-01-01") + drawn.randrange(330)
    second = f"T00:00:{drawn.randrange(60):02d}Z"
    x, y = round(drawn.random() * 90, 3), round(drawn.random() * 90, 3)
    corners = [(x, y), (x + 10, y), (x + 10, y + 10), (x, y + 10), (x, y)]
    return {
        "n": f"{drawn.randrange(1_000):03d}",
        "m": str(drawn.randrange(7, 400)),
        "ts": ", ".join(f"'t{drawn.randrange(NUM_TAGS):03d}'" for _ in range(3)),
        "rx": f" w00[0-4][{drawn.randrange(9)}-9] w0{drawn.randrange(30):03d} ",
        "from": f"{day}{second}",
        "to": f"{day + 30}{second}",
        "box": "POLYGON ((" + ", ".join(f"{a:.3f} {b:.3f}" for a, b in corners) + "))",
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
