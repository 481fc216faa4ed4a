import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import CorruptionError, FormatVersionError
from elanus.schema.batches import ColumnBatch, FixedColumn, strings_to_column
from elanus.storage.batch_codec import DTYPES, decode_batch, encode_batch
from elanus.storage.columns import SECTION_NAMES
from support.storage_batches import SCHEMA, all_kinds_batch, rows_of

FIELDS = SCHEMA.stored_fields


def encoded(batch: ColumnBatch) -> bytes:
    return b"".join(encode_batch(batch))


@pytest.mark.parametrize("num_rows", [0, 1, 7, 1000])
def test_batch_comes_back(num_rows: int) -> None:
    batch = all_kinds_batch(num_rows)
    made = decode_batch(memoryview(encoded(batch)), FIELDS)
    assert made.num_rows == num_rows
    assert list(made) == list(batch)
    assert rows_of(made) == rows_of(batch)


def test_encoding_shares_memory_with_the_columns() -> None:
    values = np.arange(1000, dtype=np.int64)
    buffers = encode_batch(ColumnBatch(1000, {"id": FixedColumn(values)}))
    assert np.shares_memory(np.frombuffer(buffers[1], dtype=np.int64), values)


def test_decoding_shares_memory_with_the_bytes_and_is_read_only() -> None:
    raw = bytearray(encoded(all_kinds_batch(1000)))
    made = decode_batch(memoryview(raw), FIELDS)
    vectors = made.columns["vector"].values  # type: ignore[union-attr]
    assert np.shares_memory(vectors, np.frombuffer(raw, dtype=np.uint8))
    assert not vectors.flags.writeable


def test_layout_byte_by_byte() -> None:
    batch = ColumnBatch(
        2, {"id": FixedColumn(np.array([5, 6])), "t": strings_to_column(["a", None])}
    )
    head = bytes.fromhex("01000000 02000000 04000000 08000000 0200000000000000")
    table = b"".join(
        column.to_bytes(2, "little") + bytes([section, dtype]) + bytes(4)
        + offset.to_bytes(8, "little") + length.to_bytes(8, "little")
        for column, section, dtype, offset, length in [
            (0, 2, 4, 128, 16),
            (1, 0, 7, 144, 1),
            (1, 1, 4, 152, 24),
            (1, 3, 7, 176, 1),
        ]
    )  # fmt: skip
    buffers = b"".join(n.to_bytes(8, "little") for n in (5, 6, 1, 0, 1, 1)) + b"a" + bytes(7)
    assert encoded(batch) == head + b"id\0t\0\0\0\0" + table + buffers


def test_codes_of_sections_and_dtypes_never_change() -> None:
    assert SECTION_NAMES[:8] == (
        "validity",
        "offsets",
        "values",
        "data",
        "indices",
        "items.offsets",
        "items.values",
        "items.data",
    )
    assert [d.str for d in DTYPES[:11]] == [
        "|b1", "|i1", "<i2", "<i4", "<i8", "<f4", "<f8", "|u1", "<u2", "<u4", "<u8",
    ]  # fmt: skip


def test_other_columns_than_expected_are_refused() -> None:
    raw = memoryview(encoded(all_kinds_batch(3)))
    with pytest.raises(CorruptionError, match="expected columns id; found id, bool"):
        decode_batch(raw, FIELDS[:1], path="a.wal")


def test_newer_format_is_refused_by_name() -> None:
    raw = bytearray(encoded(all_kinds_batch(3)))
    raw[0] = 2
    with pytest.raises(FormatVersionError, match="batch format 2"):
        decode_batch(memoryview(raw), FIELDS)


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_no_damaged_byte_leads_to_another_failure(flip: int) -> None:
    whole = encoded(all_kinds_batch(4))
    refused = 0
    for position in range(len(whole)):
        raw = bytearray(whole)
        raw[position] ^= flip
        try:
            made = decode_batch(memoryview(raw), FIELDS)
        except (CorruptionError, FormatVersionError):
            refused += 1
        else:
            assert made.num_rows == 4
            # Every offset was checked, so taking rows stays inside the arrays.
            made.take(np.arange(4))
    assert refused > 300


def test_cut_bytes_are_refused() -> None:
    whole = encoded(all_kinds_batch(2))
    trailing = len(whole) - len(whole.rstrip(b"\0"))
    for length in range(len(whole) - trailing - 8):
        with pytest.raises(CorruptionError):
            decode_batch(memoryview(whole[:length]), FIELDS)


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises((CorruptionError, FormatVersionError)):
        decode_batch(memoryview(raw), FIELDS)
