"""Asks one system every kind of filter: ``filter_worker.py SYSTEM DATA CASES``.

Runs in the interpreter of that system, which has nothing of this workspace but this file. DATA is a
folder with ``rows.parquet`` and ``query.json``; CASES a JSON file of ``[name, {form: filters}]``.
Prints JSON: for each way of answering, milliseconds of each filter by case, and rows found.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[[str], int]
Ways = list[tuple[str, str, Ask]]
"""Name of a way, the form of filters that it takes, and what asks one."""


def duckdb_ways(folder: Path) -> Ways:
    """DuckDB: columns, and JSON by path."""
    import duckdb  # type: ignore[import-not-found]

    db = duckdb.connect()
    db.execute("PRAGMA threads=1")
    db.execute(f"CREATE TABLE rows AS SELECT * FROM '{folder / 'rows.parquet'}'")

    def count(where: str) -> int:
        return int(db.execute(f"SELECT count(*) FROM rows WHERE {where}").fetchone()[0])

    return [("columns", "sql", count), ("json", "sql_json", count)]


def lancedb_ways(folder: Path) -> Ways:
    """LanceDB: columns, then with scalar indexes; and a search of vectors among what passes."""
    import lancedb  # type: ignore[import-not-found]
    import pyarrow.parquet as parquet

    query = json.loads((folder / "query.json").read_text())
    db = lancedb.connect(folder / "lance")
    table = db.create_table("rows", parquet.read_table(folder / "rows.parquet"), mode="overwrite")

    def count(where: str) -> int:
        return int(table.count_rows(where))

    def search(where: str) -> int:
        found = table.search(query).where(where, prefilter=True).select(["id"]).limit(10).to_list()
        return len(found)

    def indexed(where: str) -> int:
        if not table.list_indices():
            for column in ("year", "price"):
                table.create_scalar_index(column, index_type="BTREE")
            table.create_scalar_index("brand", index_type="BITMAP")
            table.create_scalar_index("title", index_type="BTREE")
            table.create_scalar_index("tags", index_type="LABEL_LIST")
        return count(where)

    return [
        ("columns", "lance", count),
        ("search", "lance", search),
        ("indexes", "lance", indexed),
        ("indexed search", "lance", search),
    ]


ELANUS_INDEXES = [
    ("year", "STL_SORT", "DOUBLE", {}),
    ("price", "STL_SORT", "DOUBLE", {}),
    ("brand", "INVERTED", "VARCHAR", {}),
    ("title", "NGRAM", "VARCHAR", {"min_gram": 2, "max_gram": 3}),
    ("tags", "INVERTED", "ARRAY_VARCHAR", {}),
]
"""Field, type, cast of the same inside JSON, and parameters."""


def elanus_ways(folder: Path) -> Ways:
    """Elanus: columns and JSON, without and with indexes."""
    import numpy as np

    import elanus

    collection = elanus.connect(folder / "elanus").collection("rows")
    query = np.array(json.loads((folder / "query.json").read_text()), dtype=np.float32)

    def count(where: str) -> int:
        return collection.count(where)

    def search(where: str) -> int:
        return len(collection.search(query, "vector", 10, filter=where, output=["id"]))

    def indexed(where: str) -> int:
        if len(collection.list_indexes()) == 1:
            for name, kind, cast, params in ELANUS_INDEXES:
                collection.create_index(name, kind, params)
                path = {"json_path": f"meta['{name}']", "json_cast_type": cast, **params}
                collection.create_index("meta", kind, path)
            collection.wait_indexed()
        return count(where)

    return [
        ("columns", "elanus", count),
        ("json", "elanus_json", count),
        ("search", "elanus", search),
        ("json search", "elanus_json", search),
        ("indexes", "elanus", indexed),
        ("json indexes", "elanus_json", indexed),
        ("indexed search", "elanus", search),
        ("indexed json search", "elanus_json", search),
    ]


SYSTEMS = {"duckdb": duckdb_ways, "lancedb": lancedb_ways, "elanus": elanus_ways}


def main() -> None:
    system, folder, cases = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    ways = SYSTEMS[system](folder)
    measured: list[dict[str, Any]] = []
    for number, (way, form, ask) in enumerate(ways):
        for name, filters in json.loads(Path(cases).read_text()):
            # A search is measured where about one row in a hundred passes.
            if "search" in way and name != "number range, 1 %":
                continue
            # No filter is asked twice, because its rows may be remembered.
            asked = filters[form][number :: len(ways)]
            found = ask(asked[0])  # opens, and decodes what is decoded once
            ms = []
            for where in asked[1:]:
                start = time.perf_counter()
                found = ask(where)
                ms.append((time.perf_counter() - start) * 1e3)
            measured.append({"way": way, "case": name, "ms": ms, "found": found})
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
