"""Writes the files of this folder with pymilvus' own ``LocalBulkWriter``.

Needs ``pip install 'pymilvus[bulk_writer]'`` in an environment of its own (tests need none of it):

    python tests/format/milvus/generate.py

Files as pymilvus 3.0.2 wrote them; only the folders, which it names at random, are renamed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter

HERE = Path(__file__).parent
DIM = 4
CHUNKS = ((0, 1), (2,))
"""Rows of each file."""
_NULLABLE = {
    "flag": DataType.BOOL,
    "large": DataType.INT64,
    "exact": DataType.DOUBLE,
    "title": DataType.VARCHAR,
    "notes": DataType.JSON,
}


def _vectors(row: int) -> dict[str, Any]:
    import ml_dtypes

    numbers = np.arange(DIM) / 4 + row
    return {
        "float_vector": numbers.astype(np.float32),
        "float16_vector": numbers.astype(np.float16),
        "bfloat16_vector": numbers.astype(ml_dtypes.bfloat16),
        "int8_vector": (np.arange(DIM) - 2 + row).astype(np.int8),
        "binary_vector": bytes([row, 255 - row]),
    }


def _scalars(row: int, *, nulls: bool) -> dict[str, Any]:
    absent = nulls and row == 1
    return {
        "id": 100 + row,
        "flag": None if absent else row % 2 == 0,
        "tiny": row - 1,
        "small": 300 * row,
        "medium": 70_000 * row,
        "large": None if absent else 2**53 + row,
        "ratio": row + 0.25,
        "exact": None if absent else row / 3,
        "title": None if absent else f'Zeile {row}, "näher"\nzwei',
        "notes": None if absent else {"row": row, "tags": ["a", None], "text": "ü"},
        "undeclared": f"extra {row}",
        "count": row,
    }


def _row(row: int, *, numpy: bool) -> dict[str, Any]:
    made = {**_scalars(row, nulls=not numpy), **_vectors(row)}
    if not numpy:
        made["sparse"] = {7: row + 0.5, 4_000_000_000: 1.0}
        made["years"] = None if row == 1 else [2000 + row, 2001]
        made["words"] = ["a,b", f'"{row}"']
    return made


def _schema(*, numpy: bool) -> Any:
    schema = MilvusClient.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("flag", DataType.BOOL, nullable=True)
    schema.add_field("tiny", DataType.INT8)
    schema.add_field("small", DataType.INT16)
    schema.add_field("medium", DataType.INT32)
    schema.add_field("large", DataType.INT64, nullable=True)
    schema.add_field("ratio", DataType.FLOAT)
    schema.add_field("exact", DataType.DOUBLE, nullable=True)
    schema.add_field("title", DataType.VARCHAR, max_length=32, nullable=True)
    schema.add_field("notes", DataType.JSON, nullable=True)
    schema.add_field("float_vector", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("float16_vector", DataType.FLOAT16_VECTOR, dim=DIM)
    schema.add_field("bfloat16_vector", DataType.BFLOAT16_VECTOR, dim=DIM)
    schema.add_field("int8_vector", DataType.INT8_VECTOR, dim=DIM)
    schema.add_field("binary_vector", DataType.BINARY_VECTOR, dim=16)
    if not numpy:  # pymilvus writes none of these as NumPy files
        schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field(
            "years", DataType.ARRAY, element_type=DataType.INT32, max_capacity=8, nullable=True
        )
        schema.add_field(
            "words", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=8, max_length=32
        )
    return schema


def _struct_schema() -> Any:
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    struct = MilvusClient.create_struct_field_schema()
    struct.add_field("page", DataType.INT16)
    struct.add_field("score", DataType.DOUBLE)
    struct.add_field("text", DataType.VARCHAR, max_length=32)
    for name, dtype in (
        ("float_vector", DataType.FLOAT_VECTOR),
        ("float16_vector", DataType.FLOAT16_VECTOR),
        ("bfloat16_vector", DataType.BFLOAT16_VECTOR),
        ("int8_vector", DataType.INT8_VECTOR),
    ):
        struct.add_field(name, dtype, dim=DIM)
    struct.add_field("binary_vector", DataType.BINARY_VECTOR, dim=16)
    schema.add_field(
        "chunks",
        DataType.ARRAY,
        element_type=DataType.STRUCT,
        struct_schema=struct,
        max_capacity=8,
    )
    return schema


def _struct_row(row: int) -> dict[str, Any]:
    # Row 1 has no elements at all.
    counts = (2, 0, 1)
    chunks = [
        {
            "page": 10 * row + place,
            "score": place / 3,
            "text": f"Stück {row}.{place}",
            **_vectors(row + place),
        }
        for place in range(counts[row])
    ]
    return {"id": 100 + row, "chunks": chunks}


def _write(name: str, schema: Any, file_type: BulkFileType, row: Callable[[int], Any]) -> None:
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    with LocalBulkWriter(schema, str(HERE / "work"), file_type=file_type) as writer:
        for chunk in CHUNKS:
            for number in chunk:
                writer.append_row(row(number))
            writer.commit()
        made = writer.data_path
    Path(made).rename(target)
    (HERE / "work").rmdir()


def _expected() -> Iterator[dict[str, Any]]:
    """Yield the rows as they must be after an import."""
    for row in range(3):
        made = _row(row, numpy=False)
        made["sparse"] = {str(key): value for key, value in made["sparse"].items()}
        yield {name: _plain(value) for name, value in made.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, np.ndarray):
        return value.astype(np.float64).tolist()
    return value


def _nulls_schema() -> Any:
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    for name, dtype in _NULLABLE.items():
        schema.add_field(name, dtype, nullable=True, max_length=32)
    return schema


def _nulls_row(row: int) -> dict[str, Any]:
    values = _scalars(row, nulls=True)
    return {"id": 100 + row, **{name: values[name] for name in _NULLABLE}}


def main() -> None:
    """Write everything anew."""
    for file_type in BulkFileType:
        name = file_type.name.lower()
        is_numpy = file_type is BulkFileType.NUMPY
        schema = _schema(numpy=is_numpy)
        _write(name, schema, file_type, lambda row, n=is_numpy: _row(row, numpy=n))
        if not is_numpy:
            _write(f"{name}-structs", _struct_schema(), file_type, _struct_row)
    _write("numpy-nulls", _nulls_schema(), BulkFileType.NUMPY, _nulls_row)
    rows = list(_expected())
    (HERE / "expected.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
