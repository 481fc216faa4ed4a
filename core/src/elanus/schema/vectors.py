"""How do the vectors that a user gives become a column of a dense type?

One function per kind of element. What does not fit is refused with its row, never cut or wrapped:
floats are rounded to the nearest float16 or bfloat16 (ties to even), but NaN, infinity and numbers
beyond their range are errors, as are integers that an int8 or a byte cannot hold.

Every type takes arrays of shape ``(n, dim)``, lists of lists, lists of arrays, and, but for
FLOAT_VECTOR, vectors as bytes: their elements in little-endian order, as Milvus takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from elanus.errors import EntityError
from elanus.kernels.bfloat16 import from_bfloat16, to_bfloat16
from elanus.kernels.lists import matrix_of
from elanus.schema.batches import DenseVectorColumn
from elanus.schema.faults import fail, shown
from elanus.schema.fields import Field
from elanus.types import VECTOR_DTYPES, BoolArray, DataType, VectorArray, vector_width

_BYTES = (bytes, bytearray, memoryview)


def to_dense(field: Field, values: Any, validity: BoolArray | None) -> DenseVectorColumn:
    """Return dense vectors as a column of the field's type.

    Args:
        field: A field of dense vectors.
        values: One vector per row, in any of the forms above. Binary vectors are packed bytes
            (``numpy.packbits``), or bool of shape ``(n, dim)``; uint16 arrays in a BFLOAT16_VECTOR
            are bits.
        validity: As in ``DenseVectorColumn``.

    Raises:
        EntityError: A vector does not fit, with its row.
    """
    return DenseVectorColumn(_CONVERTERS[field.dtype](field, values), validity)


def query_vector(field: Field, value: Any) -> VectorArray:
    """Check query vectors of a dense field.

    Args:
        field: A field of dense vectors.
        value: One vector or several, in the forms of ``to_dense``. Floats are not rounded.

    Returns:
        Shape ``(nq, dim)``: float32; int8 when an INT8_VECTOR field is asked with integers in its
        range; uint8 ``(nq, dim / 8)`` for binary vectors. One vector counts as ``nq = 1``.

    Raises:
        EntityError: Wrong dim, not numbers, NaN or infinity.
    """
    many: Any = [value] if is_single_vector(value) else value
    if isinstance(value, np.ndarray) and value.dtype != np.object_:
        many = value[np.newaxis] if value.ndim == 1 else value
    if field.dtype is DataType.BINARY_VECTOR:
        return _bits(field, many)
    if field.dtype is DataType.INT8_VECTOR:
        numbers = _whole_numbers(field, many)
        if numbers is not None and _first_outside(numbers, np.int8) is None:
            return np.ascontiguousarray(numbers, dtype=np.int8)
    return _floats(field, many)


def is_single_vector(value: Any) -> bool:
    """Return whether a query is one vector, not a list of vectors."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    if isinstance(value, _BYTES):
        return True
    return not (hasattr(value, "__len__") and len(value) and hasattr(value[0], "__len__"))


# --- floats ---------------------------------------------------------------------------------


def _float16(field: Field, values: Any) -> VectorArray:
    given = _unpacked(field, values)
    if isinstance(given, np.ndarray) and given.dtype == np.float16:
        _check_shape(field, given)
        _check_finite(field, given)
        return np.ascontiguousarray(given)
    numbers = _floats(field, given)
    with np.errstate(over="ignore"):
        rounded = numbers.astype(np.float16)
    return _rounded(field, numbers, rounded, rounded, "65504")


def _bfloat16(field: Field, values: Any) -> VectorArray:
    numbers = _floats(field, values)
    bits = to_bfloat16(numbers)
    return _rounded(field, numbers, from_bfloat16(bits), bits, "3.39e38")


def _rounded(
    field: Field, given: VectorArray, rounded: VectorArray, stored: VectorArray, limit: str
) -> VectorArray:
    """Return ``stored`` when no finite number became infinite."""
    outside = np.isinf(rounded).any(axis=1)
    if outside.any():
        row = int(np.argmax(outside))
        worst = given[row][np.argmax(np.abs(given[row]))]
        kind = field.dtype.name.removesuffix("_VECTOR").lower()
        fail(field, f"{worst} does not fit into a {kind}, whose largest number is {limit}", row)
    return stored


def _floats(field: Field, values: Any) -> VectorArray:
    """Return finite float32 of shape ``(n, dim)``; what is float16 or bfloat16 is widened."""
    dim = field.dim or 0
    given = _unpacked(field, values)
    if isinstance(given, np.ndarray):
        if given.dtype.kind not in "fiu":
            fail(field, f"expected float vectors, got an array of {given.dtype}")
        _check_shape(field, given)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(given, dtype=np.float32)
    else:
        array = _stack(field, given, dim)
    _check_finite(field, array)
    return array


def _check_shape(field: Field, array: VectorArray) -> None:
    width = vector_width(field.dtype, field.dim or 0)
    if array.ndim != 2 or array.shape[1] != width:
        fail(field, f"expected shape (n, {width}), got {array.shape}")


def _check_finite(field: Field, array: VectorArray) -> None:
    finite = np.isfinite(array)
    if array.size and not finite.all():
        fail(field, "vector holds NaN or infinity", int(np.argmin(finite.all(axis=1))))


def _stack(field: Field, vectors: list[Any], dim: int) -> VectorArray:
    vectors = list(vectors)
    if not vectors:
        return np.empty((0, dim), dtype=np.float32)
    fast = matrix_of(vectors, dim)
    if fast is not None:
        return fast
    try:
        array = np.array(vectors, dtype=np.float32)
        if array.shape == (len(vectors), dim):
            return array
    except (TypeError, ValueError, OverflowError):
        pass  # the loop below finds the row at fault
    for row, vector in enumerate(vectors):
        try:
            one = np.asarray(vector, dtype=np.float32)
        except (TypeError, ValueError, OverflowError):
            fail(field, f"expected a list of {dim} floats, got {shown(vector)}", row)
        if one.shape != (dim,):
            got = len(one) if one.ndim == 1 else f"shape {one.shape}"
            fail(field, f"expected dim {dim}, got {got}", row)
    fail(field, f"expected vectors of dim {dim}")


# --- integers and bits ----------------------------------------------------------------------


def _int8(field: Field, values: Any) -> VectorArray:
    numbers = _whole_numbers(field, values)
    if numbers is None:
        row = _row_that(values, lambda vector: np.asarray(vector).dtype.kind not in "iu")
        fail(field, "expected vectors of integers from -128 to 127, got floats", row)
    outside = _first_outside(numbers, np.int8)
    if outside is not None:
        fail(field, f"{numbers[outside]} does not fit into an int8", outside[0])
    return np.ascontiguousarray(numbers, dtype=np.int8)


def _bits(field: Field, values: Any) -> VectorArray:
    width = vector_width(field.dtype, field.dim or 0)
    numbers = _whole_numbers(field, values)
    if numbers is None:
        fail(field, f"expected {width} packed bytes per vector (numpy.packbits), got floats")
    outside = _first_outside(numbers, np.uint8)
    if outside is not None:
        fail(field, f"{numbers[outside]} is no byte; pack the bits with numpy.packbits", outside[0])
    return np.ascontiguousarray(numbers, dtype=np.uint8)


def _whole_numbers(field: Field, values: Any) -> VectorArray | None:
    """Return integers of shape ``(n, width)``, of any width; None when they are floats."""
    width = vector_width(field.dtype, field.dim or 0)
    given = _unpacked(field, values)
    if not isinstance(given, np.ndarray):
        if not len(given):
            return np.empty((0, width), dtype=np.int8)
        given = _whole_rows(field, given, width)
    if given.dtype.kind == "f":
        _check_shape(field, given)
        return None
    if given.dtype.kind not in "iu":
        fail(field, f"expected integers, got an array of {given.dtype}")
    _check_shape(field, given)
    whole: VectorArray = given
    return whole


def _whole_rows(field: Field, vectors: list[Any], width: int) -> VectorArray:
    try:
        array = np.array(vectors)
        if array.shape == (len(vectors), width) and array.dtype.kind in "iuf":
            return array
    except (TypeError, ValueError, OverflowError):
        pass  # the loop below finds the row at fault
    for row, vector in enumerate(vectors):
        try:
            one = np.asarray(vector)
        except (TypeError, ValueError, OverflowError):
            fail(field, f"expected a list of {width} integers, got {shown(vector)}", row)
        if one.ndim != 1 or one.dtype.kind not in "iuf":
            fail(field, f"expected a list of {width} integers, got {shown(vector)}", row)
        if len(one) != width:
            fail(field, f"expected {_width_name(field)}, got {len(one)}", row)
    fail(field, f"expected vectors of {width} integers")


def _width_name(field: Field) -> str:
    if field.dtype is DataType.BINARY_VECTOR:
        return f"dim / 8 = {vector_width(field.dtype, field.dim or 0)} bytes"
    return f"dim {field.dim}"


def _first_outside(numbers: VectorArray, target: Any) -> tuple[int, int] | None:
    """Return row and place of the first number that the target cannot hold."""
    if numbers.dtype == target or not numbers.size:
        return None
    limits = np.iinfo(target)
    outside = (numbers < limits.min) | (numbers > limits.max)
    if not outside.any():
        return None
    row, place = np.unravel_index(int(np.argmax(outside)), outside.shape)
    return int(row), int(place)


def _row_that(values: Any, holds: Callable[[Any], bool]) -> int | None:
    if isinstance(values, np.ndarray):
        return None
    return next((row for row, vector in enumerate(values) if holds(vector)), None)


# --- bytes and foreign arrays ---------------------------------------------------------------


def _unpacked(field: Field, values: Any) -> Any:
    """Return vectors without the forms that only carry bits: bytes, bits of bfloat16, bool."""
    if field.dtype is DataType.FLOAT_VECTOR:
        return values
    if isinstance(values, np.ndarray):
        return _as_numbers(field, values)
    if _holds_bytes(values):
        return _from_bytes(field, values)
    if any(isinstance(v, np.ndarray) for v in values):
        return [_as_numbers(field, v) if isinstance(v, np.ndarray) else v for v in values]
    return values


def _as_numbers(field: Field, array: VectorArray) -> VectorArray:
    """Return one vector or several as an array of the numbers that are stored."""
    dim = field.dim or 0
    if array.dtype.name == "bfloat16":  # of ml_dtypes
        return from_bfloat16(array.view(np.uint16))
    if field.dtype is DataType.BINARY_VECTOR:
        is_unpacked = array.dtype == np.bool_ and array.ndim and array.shape[-1] == dim
        return np.packbits(array, axis=-1) if is_unpacked else array
    if field.dtype is DataType.BFLOAT16_VECTOR and array.dtype == np.uint16:
        return from_bfloat16(array)
    is_float = field.dtype in (DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)
    if is_float and array.dtype == np.uint8 and array.ndim and array.shape[-1] == 2 * dim:
        return _of_raw(field, np.ascontiguousarray(array))
    return array


def _of_raw(field: Field, raw: VectorArray) -> VectorArray:
    stored = raw.view(VECTOR_DTYPES[field.dtype].newbyteorder("<"))
    return from_bfloat16(stored) if field.dtype is DataType.BFLOAT16_VECTOR else stored


def _holds_bytes(values: Any) -> bool:
    return not isinstance(values, np.ndarray) and any(isinstance(v, _BYTES) for v in values)


def _from_bytes(field: Field, vectors: Any) -> VectorArray:
    dtype = VECTOR_DTYPES[field.dtype]
    size = vector_width(field.dtype, field.dim or 0) * dtype.itemsize
    rows: list[bytes] = []
    for row, vector in enumerate(vectors):
        # Forms that are mixed are rare enough to be converted one by one.
        raw = bytes(vector) if isinstance(vector, _BYTES) else _raw_of(field, vector, row)
        if len(raw) != size:
            fail(field, f"expected {size} bytes ({_width_name(field)}), got {len(raw)}", row)
        rows.append(raw)
    joined = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), size)
    return _of_raw(field, joined)


def _raw_of(field: Field, vector: Any, row: int) -> bytes:
    try:
        stored = to_dense(field, [vector], None).values
    except EntityError as error:
        fail(field, str(error).rsplit(" (row", 1)[0].partition(": ")[2], row)
    return bytes(stored.astype(stored.dtype.newbyteorder("<")).tobytes())


_Converter = Callable[[Field, Any], VectorArray]
_CONVERTERS: dict[DataType, _Converter] = {
    DataType.FLOAT_VECTOR: _floats,
    DataType.FLOAT16_VECTOR: _float16,
    DataType.BFLOAT16_VECTOR: _bfloat16,
    DataType.INT8_VECTOR: _int8,
    DataType.BINARY_VECTOR: _bits,
}
