import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.schema.batches import (
    ArrayColumn,
    Column,
    FixedColumn,
    SparseVectorColumn,
    StringColumn,
    slice_column,
    strings_to_column,
)
from elanus.schema.fields import Field
from elanus.storage.columns import column_to_sections, sections_to_column
from elanus.types import AnyArray, DataType
from support.storage_batches import SCHEMA, all_kinds_batch, validity_of

FIELDS = {f.name: f for f in SCHEMA.stored_fields}
TEXT = Field("text", DataType.VARCHAR)


def test_strings_have_the_arrow_layout() -> None:
    column = strings_to_column(["ab", None, "", "é"])
    sections = column_to_sections(column)
    assert {name: array.tolist() for name, array in sections.items()} == {
        "validity": [0b1101],
        "offsets": [0, 2, 2, 2, 4],
        "data": [97, 98, 0xC3, 0xA9],
    }
    assert {name: array.dtype.str for name, array in sections.items()} == {
        "validity": "|u1",
        "offsets": "<i8",
        "data": "|u1",
    }


def test_validity_bits_start_at_the_least_significant_one() -> None:
    validity = np.array([True, False, False, False, False, False, False, False, True])
    sections = column_to_sections(FixedColumn(np.arange(9), validity))
    assert sections["validity"].tolist() == [1, 1]


@pytest.mark.parametrize("name", list(FIELDS))
def test_every_kind_of_column_comes_back(name: str) -> None:
    column = all_kinds_batch(100).columns[name]
    made = sections_to_column(FIELDS[name], 100, column_to_sections(column))
    assert type(made) is type(column)
    assert made.to_pylist() == column.to_pylist()
    np.testing.assert_array_equal(validity_of(made), validity_of(column))


@pytest.mark.parametrize("name", list(FIELDS))
def test_part_of_a_column_is_stored_without_the_rest(name: str) -> None:
    column = slice_column(all_kinds_batch(100).columns[name], 40, 60)
    sections = column_to_sections(column)
    made = sections_to_column(FIELDS[name], 20, sections)
    assert made.to_pylist() == column.to_pylist()
    whole = column_to_sections(all_kinds_batch(100).columns[name])
    assert all(sections[key].nbytes < whole[key].nbytes for key in whole)


@pytest.mark.parametrize("name", list(FIELDS))
def test_empty_column_comes_back(name: str) -> None:
    column = all_kinds_batch(0).columns[name]
    assert sections_to_column(FIELDS[name], 0, column_to_sections(column)).to_pylist() == []


def test_values_are_not_copied() -> None:
    batch = all_kinds_batch(10)
    vector = batch.columns["vector"]
    sections = column_to_sections(vector)
    made = sections_to_column(FIELDS["vector"], 10, sections)
    assert np.shares_memory(made.values, vector.values)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("offsets", "data", "what"),
    [
        ([0, 3, 2], b"abc", "never descend"),
        ([1, 2, 3], b"abc", "start at 0"),
        ([0, 1, 4], b"abc", "expected 4"),
        ([0, 1], b"a", "2 elements, expected 3"),
        ([0, -1, 0], b"", "never descend"),
    ],
)
def test_wrong_offsets_are_damage(offsets: list[int], data: bytes, what: str) -> None:
    sections: dict[str, AnyArray] = {
        "offsets": np.array(offsets, dtype=np.int64),
        "data": np.frombuffer(data, dtype=np.uint8),
    }
    with pytest.raises(CorruptionError, match=what) as caught:
        sections_to_column(TEXT, 2, sections, path="a.col")
    assert caught.value.path == "a.col"


@pytest.mark.parametrize("name", list(FIELDS))
def test_missing_short_and_mistyped_arrays_are_damage(name: str) -> None:
    sections = column_to_sections(all_kinds_batch(100).columns[name])
    for key, array in sections.items():
        others = {k: v for k, v in sections.items() if k != key}
        if key != "validity":
            with pytest.raises(CorruptionError, match=f"{key} is missing"):
                sections_to_column(FIELDS[name], 100, others)
        with pytest.raises(CorruptionError, match="elements, expected"):
            sections_to_column(FIELDS[name], 100, {**others, key: array.reshape(-1)[:-1]})
        wrong = array.reshape(-1).astype(np.uint16)
        with pytest.raises(CorruptionError, match="dtype"):
            sections_to_column(FIELDS[name], 100, {**others, key: wrong})


def test_booleans_other_than_0_and_1_are_damage() -> None:
    values = np.array([0, 2, 1], dtype=np.uint8).view(np.bool_)
    with pytest.raises(CorruptionError, match="0 and 1"):
        sections_to_column(Field("b", DataType.BOOL), 3, {"values": values})


def test_columns_with_offsets_that_do_not_start_at_0() -> None:
    strings = StringColumn(np.array([2, 3, 5]), np.frombuffer(b"__abb__", dtype=np.uint8))
    arrays = ArrayColumn(np.array([1, 2]), strings)
    sparse = SparseVectorColumn(
        np.array([1, 2]), np.array([9, 4], dtype=np.uint32), np.array([0, 0.5], dtype=np.float32)
    )
    cases: list[tuple[Field, Column, int]] = [
        (TEXT, strings, 2),
        (Field("a", DataType.ARRAY, element_type=DataType.VARCHAR), arrays, 1),
        (Field("s", DataType.SPARSE_FLOAT_VECTOR), sparse, 1),
    ]
    for field, column, num_rows in cases:
        made = sections_to_column(field, num_rows, column_to_sections(column))
        assert made.to_pylist() == column.to_pylist()
