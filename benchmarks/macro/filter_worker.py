"""Asks one system every kind of filter: ``filter_worker.py SYSTEM DATA CASES SECONDS``.

Runs in the interpreter of that system, which has nothing of this workspace but this file. DATA is a
folder with ``rows.parquet``, the same as ``rows.jsonl`` (``[id, values, vector]``), and
``query.json``; CASES a JSON file of ``[name, {form: filters}]``. A system that takes rows in
batches takes them for SECONDS at most.
Prints JSON: for each way of answering, milliseconds of each filter by case, and rows found, of how
many; or why the system refuses such filters.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

Ask = Callable[[str], int]
Ways = list[tuple[str, str, Ask]]
"""Name of a way, the form of filters that it takes, and what asks one."""
MOST_SECONDS, LEAST_ASKED = 10.0, 3
"""After how many seconds and filters no more are asked of a case: some take seconds each."""
BATCH = 5_000
"""Rows that are inserted at once; Chroma takes no more than 5,461."""


class Loading:
    """The rows in batches, until the time is up."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.num_rows = 0
        self.seconds = 0.0
        self.refusals: tuple[type[Exception], ...] = ()
        self._folder = folder
        self._most_seconds = seconds

    def batches(self) -> Iterator[list[tuple[int, dict[str, Any], list[float]]]]:
        """Yield rows as id, values and vector."""
        started = time.perf_counter()
        with (self._folder / "rows.jsonl").open(encoding="utf-8") as lines:
            while batch := [json.loads(line) for line in islice(lines, BATCH)]:
                yield batch
                self.num_rows += len(batch)
                self.seconds = time.perf_counter() - started
                if self.seconds > self._most_seconds:
                    break


def duckdb_ways(folder: Path, loading: Loading) -> Ways:
    """DuckDB: columns, and JSON by path."""
    import duckdb  # type: ignore[import-not-found]

    db = duckdb.connect()
    db.execute("PRAGMA threads=1")
    db.execute(f"CREATE TABLE rows AS SELECT * FROM '{folder / 'rows.parquet'}'")

    def count(where: str) -> int:
        return int(db.execute(f"SELECT count(*) FROM rows WHERE {where}").fetchone()[0])

    return [("columns", "sql", count), ("json", "sql_json", count)]


def lancedb_ways(folder: Path, loading: Loading) -> Ways:
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


def elanus_ways(folder: Path, loading: Loading) -> Ways:
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


def chroma_ways(folder: Path, loading: Loading) -> Ways:
    """Chroma: metadata, and titles as documents; it counts by returning the ids."""
    import chromadb  # type: ignore[import-not-found]
    from chromadb.config import Settings  # type: ignore[import-not-found]

    query = json.loads((folder / "query.json").read_text())
    settings = Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(folder / "chroma"), settings=settings)
    made = client.create_collection(
        "rows", configuration={"hnsw": {"space": "l2"}}, embedding_function=None
    )
    for batch in loading.batches():
        made.add(
            ids=[str(number) for number, _, _ in batch],
            embeddings=[vector for _, _, vector in batch],
            documents=[values["title"] for _, values, _ in batch],
            metadatas=[{k: v for k, v in row.items() if k != "title"} for _, row, _ in batch],
        )

    def places(where: str) -> dict[str, Any]:
        condition = json.loads(where)
        if "#document" in condition:
            return {"where_document": condition["#document"]}
        return {"where": condition}

    def count(where: str) -> int:
        return len(made.get(include=[], **places(where))["ids"])

    def search(where: str) -> int:
        found = made.query(query_embeddings=[query], n_results=10, include=[], **places(where))
        return len(found["ids"][0])

    return [("indexes", "chroma", count), ("indexed search", "chroma", search)]


def milvus_lite_ways(folder: Path, loading: Loading) -> Ways:
    """Milvus Lite: fields and JSON, then with indexes of the fields; and a search by scan."""
    from pymilvus import DataType, MilvusClient, MilvusException

    loading.refusals = (MilvusException,)
    query = json.loads((folder / "query.json").read_text())
    client = MilvusClient(str(folder / "milvus.db"))
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=len(query))
    schema.add_field("year", DataType.INT64)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("brand", DataType.VARCHAR, max_length=64)
    schema.add_field("title", DataType.VARCHAR, max_length=256)
    text = {"element_type": DataType.VARCHAR, "max_capacity": 8, "max_length": 16}
    schema.add_field("tags", DataType.ARRAY, **text)
    schema.add_field("meta", DataType.JSON)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection("rows", schema=schema, index_params=indexes)
    for batch in loading.batches():
        rows = [{"id": i, "vector": v, "meta": values, **values} for i, values, v in batch]
        client.insert("rows", rows)
    client.flush("rows")
    client.load_collection("rows")

    def count(where: str) -> int:
        return int(client.query("rows", filter=where, output_fields=["count(*)"])[0]["count(*)"])

    def search(where: str) -> int:
        found = client.search("rows", data=[query], anns_field="vector", limit=10, filter=where)
        return len(found[0])

    def indexed(where: str) -> int:
        if len(client.list_indexes("rows")) == 1:
            wanted = client.prepare_index_params()
            for name in ("year", "price", "brand", "title"):  # arrays take none
                wanted.add_index(name, index_type="INVERTED")
            client.release_collection("rows")
            client.create_index("rows", wanted)
            client.load_collection("rows")
        return count(where)

    return [
        ("columns", "milvus", count),
        ("json", "milvus_json", count),
        ("search", "milvus", search),
        ("indexes", "milvus", indexed),
        ("indexed search", "milvus", search),
    ]


SYSTEMS = {
    "duckdb": duckdb_ways,
    "lancedb": lancedb_ways,
    "elanus": elanus_ways,
    "chroma": chroma_ways,
    "milvus_lite": milvus_lite_ways,
}


def main() -> None:
    system, folder, cases = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    loading = Loading(folder, float(sys.argv[4]))
    ways = SYSTEMS[system](folder, loading)
    measured: list[dict[str, Any]] = []
    for number, (way, form, ask) in enumerate(ways):
        for name, filters in json.loads(Path(cases).read_text()):
            # A search is measured where about one row in a hundred passes.
            if form not in filters or ("search" in way and name != "number range, 1 %"):
                continue
            # No filter is asked twice, because its rows may be remembered.
            asked = filters[form][number :: len(ways)]
            try:
                found = ask(asked[0])  # opens, and decodes what is decoded once
            except loading.refusals as error:
                measured.append({"way": way, "case": name, "refused": str(error)})
                continue
            ms: list[float] = []
            for where in asked[1:]:
                start = time.perf_counter()
                found = ask(where)
                ms.append((time.perf_counter() - start) * 1e3)
                if len(ms) >= LEAST_ASKED and sum(ms) > MOST_SECONDS * 1e3:
                    break
            row = {"way": way, "case": name, "ms": ms, "found": found}
            if loading.num_rows:
                row |= {"rows": loading.num_rows, "load_s": loading.seconds}
            measured.append(row)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
