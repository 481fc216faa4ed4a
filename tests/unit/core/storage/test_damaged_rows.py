"""Every row whose bytes verify is read right, every other one is said to be lost."""

import numpy as np
import pytest

from elanus.storage.block_file import write_block_file
from elanus.storage.block_format import BLOCK_BYTES, read_layout
from elanus.storage.columns import column_to_sections
from elanus.storage.damaged_rows import salvage_column, salvage_seqs, scan_file
from elanus.storage.memory_directory import MemoryDirectory
from support.storage_batches import SCHEMA, all_kinds_batch

ROWS = 20_000
BATCH = all_kinds_batch(ROWS, seed=3)


def written(column):
    directory = MemoryDirectory()
    sections = column_to_sections(column)
    info = write_block_file(directory, "f", kind="column", header={}, sections=sections)
    return bytes(directory.read("f")), info


def scan(raw, info):
    directory = MemoryDirectory()
    directory.create_append("f").write([raw])
    return scan_file(directory, "f", size=info.size, crc=info.crc, kind="column")


def with_bad_blocks(raw, blocks):
    damaged = bytearray(raw)
    end = read_layout(memoryview(raw), "f").footer_offset
    for block in blocks:
        for place in range(block * BLOCK_BYTES, min((block + 1) * BLOCK_BYTES, end)):
            if place >= 64:  # the head is not what this is about
                damaged[place] ^= 0xA5
    return bytes(damaged)


def bytes_of_rows(field, column, raw):
    """Return for each row the set of blocks that its value lies in: the slow, obvious way."""
    layout = read_layout(memoryview(raw), "f")
    sections = column_to_sections(column)
    blocks = [set() for _ in range(ROWS)]

    def add(row, name, first, last):
        place = layout.sections[name]
        width = place.dtype.itemsize
        for element in range(first, last):
            start = place.offset + element * width
            blocks[row].update(range(start // BLOCK_BYTES, (start + width - 1) // BLOCK_BYTES + 1))

    for row in range(ROWS):
        if "validity" in sections:
            add(row, "validity", row // 8, row // 8 + 1)
        if "offsets" not in sections:
            per_row = sections["values"].size // ROWS
            add(row, "values", row * per_row, (row + 1) * per_row)
            continue
        add(row, "offsets", row, row + 2)
        first, last = sections["offsets"][row : row + 2].tolist()
        for name in ("data", "indices", "values", "items.values"):
            if name in sections:
                add(row, name, first, last)
        if "items.offsets" in sections and last > first:
            add(row, "items.offsets", first, last + 1)
            start, stop = sections["items.offsets"][[first, last]].tolist()
            add(row, "items.data", start, stop)
    return blocks


@pytest.mark.parametrize(
    "name", ["id", "bool", "double", "text", "vector", "terms", "years", "tags"]
)
def test_exactly_the_rows_in_bad_blocks_are_lost(name):
    field, column = SCHEMA.field(name), BATCH.columns[name]
    raw, info = written(column)
    num_blocks = len(read_layout(memoryview(raw), "f").checksums) // 4
    blocks_of = bytes_of_rows(field, column, raw)
    expected_values = column.to_pylist()
    for bad in ({0}, {num_blocks - 1}, {num_blocks // 2}, {0, num_blocks - 1}):
        found, lost = salvage_column(field, ROWS, scan(with_bad_blocks(raw, bad), info))
        expected = np.array([bool(blocks & bad) for blocks in blocks_of])
        assert np.array_equal(lost, expected), bad
        kept = np.flatnonzero(~lost).astype(np.int64)
        assert found is not None
        assert found.take(kept).to_pylist() == [expected_values[i] for i in kept]


def test_a_whole_file_has_no_lost_rows():
    raw, info = written(BATCH.columns["text"])
    found = scan(raw, info)
    assert found.is_whole
    assert found.bad == ()


@pytest.mark.parametrize("where", [10, -6])
def test_without_head_or_footer_every_row_is_lost(where):
    raw, info = written(BATCH.columns["id"])
    damaged = bytearray(raw)
    damaged[where] ^= 1
    column, lost = salvage_column(SCHEMA.field("id"), ROWS, scan(bytes(damaged), info))
    assert column is None
    assert lost.all()


def test_sequence_numbers_in_a_bad_block_are_lost():
    directory = MemoryDirectory()
    seqs = np.arange(20_000, dtype=np.int64)
    info = write_block_file(directory, "f", kind="column", header={}, sections={"seqs": seqs})
    raw = with_bad_blocks(bytes(directory.read("f")), {1})
    found, lost = salvage_seqs(20_000, scan(raw, info))
    first, last = (BLOCK_BYTES - 64) // 8, (2 * BLOCK_BYTES - 64) // 8
    assert lost.tolist() == [first <= row < last for row in range(20_000)]
    assert found is not None
    assert np.array_equal(found[~lost], seqs[~lost])
