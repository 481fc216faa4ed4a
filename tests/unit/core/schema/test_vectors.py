"""What a user may give as a vector, and what is refused."""

from typing import Any

import numpy as np
import pytest

from elanus.errors import EntityError
from elanus.kernels.bfloat16 import to_bfloat16
from elanus.schema.fields import Field
from elanus.schema.vectors import query_vector, to_dense
from elanus.types import DataType, VectorArray

HALF = Field("v", DataType.FLOAT16_VECTOR, dim=3)
BRAIN = Field("v", DataType.BFLOAT16_VECTOR, dim=3)
INT8 = Field("v", DataType.INT8_VECTOR, dim=3)
BITS = Field("v", DataType.BINARY_VECTOR, dim=16)
FLOAT = Field("v", DataType.FLOAT_VECTOR, dim=3)

NUMBERS = np.array([[1.5, -2.0, 0.25], [0.0, 100.0, -0.5]], dtype=np.float32)
BRAIN_BITS = np.array([[0x3FC0, 0xC000, 0x3E80], [0, 0x42C8, 0xBF00]], dtype=np.uint16)
WHOLE = np.array([[1, -128, 127], [0, 5, -1]], dtype=np.int8)
PACKED = np.array([[0b10000001, 0], [255, 1]], dtype=np.uint8)


def converted(field: Field, values: Any) -> VectorArray:
    found = to_dense(field, values, None).values
    assert found.flags.c_contiguous
    return found


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        NUMBERS.astype(np.float16),
        NUMBERS.astype(">f8"),
        NUMBERS.tolist(),
        list(NUMBERS.astype(np.float16)),
        [NUMBERS[0].tolist(), NUMBERS[1]],
        [NUMBERS[0].astype("<f2").tobytes(), NUMBERS[1].astype("<f2").tobytes()],
        [NUMBERS[0].astype("<f2").tobytes(), NUMBERS[1].tolist()],
        NUMBERS.astype("<f2").view(np.uint8),
    ],
)
def test_forms_of_float16(values: Any) -> None:
    found = converted(HALF, values)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, NUMBERS.astype(np.float16))


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        NUMBERS.tolist(),
        BRAIN_BITS,
        list(BRAIN_BITS),
        [BRAIN_BITS[0], NUMBERS[1]],
        [BRAIN_BITS[0], NUMBERS[1].tolist()],
        [row.astype("<u2").tobytes() for row in BRAIN_BITS],
        [bytearray(BRAIN_BITS[0].astype("<u2").tobytes()), BRAIN_BITS[1]],
        BRAIN_BITS.astype("<u2").view(np.uint8),
    ],
)
def test_forms_of_bfloat16(values: Any) -> None:
    found = converted(BRAIN, values)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, BRAIN_BITS)


@pytest.mark.parametrize(
    "values",
    [
        WHOLE,
        WHOLE.astype(np.int64),
        WHOLE.tolist(),
        list(WHOLE),
        [WHOLE[0].tolist(), WHOLE[1]],
        [WHOLE[0].tobytes(), WHOLE[1].tobytes()],
        [memoryview(WHOLE[0].tobytes()), WHOLE[1]],
    ],
)
def test_forms_of_int8(values: Any) -> None:
    found = converted(INT8, values)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, WHOLE)


@pytest.mark.parametrize(
    "values",
    [
        PACKED,
        PACKED.astype(np.int32),
        PACKED.tolist(),
        list(PACKED),
        [PACKED[0].tobytes(), PACKED[1].tobytes()],
        np.unpackbits(PACKED, axis=1).astype(bool),
        list(np.unpackbits(PACKED, axis=1).astype(bool)),
        [np.unpackbits(PACKED[0]).astype(bool), PACKED[1].tobytes()],
    ],
)
def test_forms_of_binary_vectors(values: Any) -> None:
    found = converted(BITS, values)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PACKED)


@pytest.mark.parametrize(
    ("field", "width"), [(HALF, 3), (BRAIN, 3), (INT8, 3), (BITS, 2), (FLOAT, 3)]
)
def test_no_rows(field: Field, width: int) -> None:
    assert converted(field, []).shape == (0, width)


def test_floats_are_rounded_to_the_nearest_and_to_even() -> None:
    assert converted(HALF, [[2049.0, 2051.0, 65519.0]]).tolist() == [[2048, 2052, 65504]]
    step = 2.0**-7
    values = [[1 + step / 2, 1 + 1.5 * step, 3.0]]
    assert (
        converted(BRAIN, values).tolist()
        == to_bfloat16(np.float32([[1, 1 + 2 * step, 3]])).tolist()
    )


ONE = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("field", "values", "row", "message"),
    [
        (HALF, [ONE, [1.0, 65520.0, 0.0]], 1, "65520.0 does not fit into a float16"),
        (HALF, np.float64([ONE, [0, 0, -1e300]]), 1, "NaN or infinity"),
        (HALF, [ONE, [1.0, float("nan"), 0.0]], 1, "NaN or infinity"),
        (HALF, np.float16([ONE, [np.inf, 0, 0]]), 1, "NaN or infinity"),
        (HALF, [ONE, b"\x00\x7c\0\0\0\0"], 1, "NaN or infinity"),
        (HALF, [ONE, [1.0, 2.0]], 1, "expected dim 3, got 2"),
        (HALF, [np.float16(ONE), np.float16([1])], 1, "expected dim 3, got 1"),
        (HALF, [ONE, b"abcd"], 1, r"expected 6 bytes \(dim 3\), got 4"),
        (HALF, [ONE, "text"], 1, "expected a list of 3 floats, got str"),
        (HALF, np.zeros((2, 4)), None, r"expected shape \(n, 3\), got \(2, 4\)"),
        (HALF, np.zeros((2, 3), bool), None, "expected float vectors, got an array of bool"),
        (BRAIN, [ONE, [3.4e38, 0.0, 0.0]], 1, "does not fit into a bfloat16"),
        (BRAIN, np.uint16([[0x3F80, 0, 0], [0x7FC0, 0, 0]]), 1, "NaN or infinity"),
        (BRAIN, [b"\x80\x3f\0\0\0\0", b"\x80\x7f\0\0\0\0"], 1, "NaN or infinity"),
        (INT8, [[1, 2, 3], [1, 128, 3]], 1, "128 does not fit into an int8"),
        (INT8, np.array([[1, 2, 3], [1, -129, 3]]), 1, "-129 does not fit into an int8"),
        (INT8, [[1, 2, 3], [1, 2**70, 3]], 1, "expected a list of 3 integers"),
        (INT8, [[1, 2, 3], [1, 2.5, 3]], 1, "from -128 to 127, got floats"),
        (INT8, [[1, 2, 3], [1, 2]], 1, "expected dim 3, got 2"),
        (INT8, [[1, 2, 3], None], 1, "expected a list of 3 integers, got NoneType"),
        (INT8, np.zeros((2, 3)), None, "from -128 to 127, got floats"),
        (INT8, np.zeros((2, 3), bool), None, "expected integers, got an array of bool"),
        (INT8, [b"abc", b"ab"], 1, r"expected 3 bytes \(dim 3\), got 2"),
        (BITS, [[0, 1], [0, 256]], 1, "256 is no byte"),
        (BITS, [[0, 1], [-1, 0]], 1, "-1 is no byte"),
        (BITS, [[0, 1], [0] * 16], 1, r"expected dim / 8 = 2 bytes, got 16"),
        (BITS, [b"ab", b"abc"], 1, "expected 2 bytes"),
        (BITS, np.zeros((2, 16), np.uint8), None, r"expected shape \(n, 2\), got \(2, 16\)"),
        (BITS, np.zeros((2, 2), np.float32), None, "expected 2 packed bytes per vector"),
        (FLOAT, [ONE, b"123"], 1, "expected dim 3, got shape"),
    ],
)
def test_what_does_not_fit_is_named(
    field: Field, values: Any, row: int | None, message: str
) -> None:
    with pytest.raises(EntityError, match=message) as caught:
        to_dense(field, values, None)
    assert (caught.value.field, caught.value.row) == ("v", row)


def test_int8_field_is_asked_with_integers_or_floats() -> None:
    assert query_vector(INT8, [1, 2, 3]).dtype == np.int8
    assert query_vector(INT8, np.array([1, 2, 3])).dtype == np.int8
    assert query_vector(INT8, WHOLE[0].tobytes()).tolist() == [WHOLE[0].tolist()]
    assert query_vector(INT8, [1.0, 2.0, 3.0]).dtype == np.float32
    assert query_vector(INT8, [1, 2, 300]).tolist() == [[1.0, 2.0, 300.0]]
    assert query_vector(INT8, [[1, 2, 300], [1, 2, 3]]).dtype == np.float32


def test_queries_keep_their_precision() -> None:
    fine = np.float32([1 / 3, 70_000, 1e-30])
    for field in (HALF, BRAIN, FLOAT):
        found = query_vector(field, fine)
        assert (found.dtype, found.shape) == (np.float32, (1, 3))
        np.testing.assert_array_equal(found[0], fine)
    np.testing.assert_array_equal(query_vector(BRAIN, BRAIN_BITS), NUMBERS)
    np.testing.assert_array_equal(query_vector(HALF, NUMBERS.astype(np.float16)), NUMBERS)


def test_one_query_or_many() -> None:
    assert query_vector(BITS, b"ab").shape == (1, 2)
    assert query_vector(BITS, [b"ab", b"cd"]).shape == (2, 2)
    assert query_vector(BITS, [1, 2]).shape == (1, 2)
    assert query_vector(FLOAT, np.array([1, 2.5, np.float64(3)], dtype=object)).shape == (1, 3)


def test_arrays_of_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    given = NUMBERS.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(converted(BRAIN, given), BRAIN_BITS)
    np.testing.assert_array_equal(converted(BRAIN, list(given)), BRAIN_BITS)
    np.testing.assert_array_equal(query_vector(BRAIN, given), NUMBERS)
