"""Answers filters with Milvus Lite; runs in its own environment.

Reads ``{"folder", "rows", "expressions"}`` as JSON from standard input and writes one answer for
each expression: the ids in order, or the text of the error.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def make_collection(folder: str, rows: list[dict[str, Any]]) -> Any:
    """Return a client whose collection ``c`` holds the rows."""
    from pymilvus import DataType, MilvusClient  # type: ignore[import-not-found]

    client = MilvusClient(f"{folder}/milvus.db")
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    for name in ("i8", "i16", "i32", "i64"):
        schema.add_field(name, DataType[f"INT{name[1:]}"])
    schema.add_field("f", DataType.FLOAT)
    schema.add_field("d", DataType.DOUBLE)
    schema.add_field("s", DataType.VARCHAR, max_length=1000)
    schema.add_field("b", DataType.BOOL)
    schema.add_field("j", DataType.JSON, nullable=True)
    schema.add_field("ni", DataType.INT64, nullable=True)
    schema.add_field("ns", DataType.VARCHAR, max_length=1000, nullable=True)
    for name, element in (("ai", DataType.INT64), ("as_", DataType.VARCHAR)):
        more = {"max_length": 100} if element is DataType.VARCHAR else {}
        schema.add_field(name, DataType.ARRAY, element_type=element, max_capacity=10, **more)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    indexes = client.prepare_index_params()
    indexes.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection("c", schema=schema, index_params=indexes)
    client.insert("c", rows)
    client.flush("c")
    client.load_collection("c")
    return client


def answer(client: Any, expression: str) -> Any:
    """Return the ids that an expression allows, or the error."""
    try:
        found = client.query("c", filter=expression, output_fields=["id"], limit=1000)
    except Exception as error:  # noqa: BLE001 - every kind of refusal is an answer
        return f"{type(error).__name__}: {error}"[:300]
    return sorted(row["id"] for row in found)


def main() -> None:
    """Answer all expressions."""
    asked = json.load(sys.stdin)
    client = make_collection(asked["folder"], asked["rows"])
    json.dump([answer(client, expression) for expression in asked["expressions"]], sys.stdout)


if __name__ == "__main__":
    main()
