"""Vectors of every type in the forms that files and tables have for them."""

from typing import Any

import numpy as np
import pytest

from elanus.errors import EntityError
from elanus.kernels.bfloat16 import to_bfloat16
from elanus.schema.batches import DenseVectorColumn
from elanus.schema.fields import Field
from elanus.transfer.values import PlainValues, TextCells
from elanus.types import DataType

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
from elanus.transfer.arrow_columns import ArrowValues, arrow_type, to_arrow_array  # noqa: E402

NUMBERS = np.array([[1.5, -2.0], [0.0, 100.0], [0.25, 3.0]], dtype=np.float32)
WHOLE = np.array([[1, -128], [127, 5], [0, -1]], dtype=np.int8)
PACKED = np.array([[129, 0], [255, 1], [7, 9]], dtype=np.uint8)
HALF = Field("v", DataType.FLOAT16_VECTOR, dim=2)
BRAIN = Field("v", DataType.BFLOAT16_VECTOR, dim=2)
INT8 = Field("v", DataType.INT8_VECTOR, dim=2)
BITS = Field("v", DataType.BINARY_VECTOR, dim=16)

STORED = {
    "FLOAT16_VECTOR": NUMBERS.astype(np.float16),
    "BFLOAT16_VECTOR": to_bfloat16(NUMBERS),
    "INT8_VECTOR": WHOLE,
    "BINARY_VECTOR": PACKED,
}


def lists(array: Any, kind: Any) -> Any:
    return pa.array(array.tolist(), type=kind)


def raw(field: Field) -> list[bytes]:
    return [row.tobytes() for row in STORED[field.dtype.name]]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (HALF, ArrowValues(lists(NUMBERS, pa.list_(pa.float64())))),
        (HALF, ArrowValues(lists(NUMBERS, pa.list_(pa.float32(), 2)))),
        (HALF, ArrowValues(pa.array(raw(HALF), type=pa.binary(4)))),
        (HALF, ArrowValues(lists(STORED["FLOAT16_VECTOR"].view(np.uint8), pa.list_(pa.uint8())))),
        (BRAIN, ArrowValues(lists(NUMBERS, pa.list_(pa.float32())))),
        (
            BRAIN,
            ArrowValues(lists(STORED["BFLOAT16_VECTOR"].view(np.uint8), pa.list_(pa.uint8(), 4))),
        ),
        (INT8, ArrowValues(lists(WHOLE, pa.list_(pa.int64())))),
        (INT8, ArrowValues(lists(WHOLE, pa.large_list(pa.int8())))),
        (BITS, ArrowValues(lists(PACKED, pa.list_(pa.uint8())))),
        (BITS, ArrowValues(pa.array(raw(BITS), type=pa.binary()))),
        *((f, PlainValues(raw(f))) for f in (HALF, BRAIN, INT8, BITS)),
        (HALF, TextCells([str(row) for row in NUMBERS.tolist()])),
        (BRAIN, TextCells([str(row) for row in NUMBERS.tolist()])),
        (INT8, TextCells([str(row) for row in WHOLE.tolist()])),
        (BITS, TextCells([str(row) for row in PACKED.tolist()])),
        (BITS, PlainValues([str(row) for row in PACKED.tolist()])),
    ],
)
def test_forms_of_vectors(field: Field, values: Any) -> None:
    column = values.column(field)
    assert isinstance(column, DenseVectorColumn)
    expected = STORED[field.dtype.name]
    assert column.values.dtype == expected.dtype
    np.testing.assert_array_equal(column.values, expected)
    np.testing.assert_array_equal(values.slice(1, 3).column(field).values, expected[1:])


@pytest.mark.parametrize("field", [HALF, BRAIN, INT8, BITS], ids=lambda f: f.dtype.name)
def test_arrow_gives_and_takes_the_same(field: Field) -> None:
    column = DenseVectorColumn(STORED[field.dtype.name])
    array = to_arrow_array(field, column)
    assert array.type == arrow_type(field)
    array.validate(full=True)
    back = ArrowValues(array).column(field)
    np.testing.assert_array_equal(back.values, column.values)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        (BITS, ArrowValues(pa.array([[1, 2], [1]], type=pa.list_(pa.uint8()))), "bytes 2, got 1"),
        (
            INT8,
            ArrowValues(pa.array([[1, 2], [1, 200]], type=pa.list_(pa.int16()))),
            "200 does not",
        ),
        (
            HALF,
            ArrowValues(pa.array([[1.0, 2.0], [1.0, 1e6]], type=pa.list_(pa.float32()))),
            "1000",
        ),
        (
            HALF,
            ArrowValues(pa.array([[1.0, 2.0], [1.0]], type=pa.list_(pa.float32()))),
            "dim 2, got",
        ),
        (HALF, ArrowValues(pa.array([b"abcd", b"abc"], type=pa.binary())), "expected 4 bytes"),
        (BITS, TextCells(["[1, 2]", "nothing"]), "a JSON list of 2 numbers"),
        (INT8, PlainValues(["[1, 2]", "[1, 2.5]"]), "got floats"),
    ],
)
def test_faults_have_their_row(field: Field, values: Any, message: str) -> None:
    with pytest.raises(EntityError, match=message) as caught:
        values.column(field)
    assert caught.value.row == 1
