from collections.abc import Iterator

import numpy as np
import pytest

from elanus.errors import AlreadyExistsError, CorruptionError, FormatVersionError, InternalError
from elanus.kernels import threads
from elanus.kernels.checksum import crc32c
from elanus.storage import block_file
from elanus.storage.block_file import BLOCK_BYTES, BlockFile, Verify, write_block_file
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.section_stream import SectionStream
from elanus.types import AnyArray
from support.storage_batches import all_kinds_batch

PATH = "a.col"
SECTIONS: dict[str, AnyArray] = {
    "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
    "flags": np.array([True, False]),
    "nothing": np.zeros((0, 4), dtype=np.float64),
    "numbers": np.arange(BLOCK_BYTES // 4, dtype=np.uint32),
}


def written(sections: dict[str, AnyArray] | None = None) -> MemoryDirectory:
    directory = MemoryDirectory()
    write_block_file(
        directory,
        PATH,
        kind="column",
        header={"field": "Größe"},
        sections={**(SECTIONS if sections is None else sections), "raw": b"bytes"},
    )
    return directory


def opened(directory: MemoryDirectory, *, verify: Verify = "first-touch") -> BlockFile:
    return BlockFile.open(directory, PATH, kind="column", verify=verify)


def changed(directory: MemoryDirectory, position: int, flip: int = 1) -> MemoryDirectory:
    raw = bytearray(directory.read(PATH))
    raw[position] ^= flip
    made = MemoryDirectory()
    made.write_new(PATH, [bytes(raw)])
    return made


def test_sections_come_back() -> None:
    file = opened(written())
    assert file.section_names == (*SECTIONS, "raw")
    assert file.header == {"field": "Größe"}
    for name, expected in SECTIONS.items():
        found = file.section(name)
        assert found.dtype == expected.dtype
        assert not found.flags.writeable
        assert found.ctypes.data % 64 == 0
        np.testing.assert_array_equal(found, expected)
    assert file.section("raw").tobytes() == b"bytes"
    assert "raw" in file
    assert "other" not in file


def test_file_without_sections() -> None:
    directory = MemoryDirectory()
    write_block_file(directory, PATH, kind="column", header={}, sections={})
    assert opened(directory, verify="full").section_names == ()


@pytest.mark.parametrize("extra", [-65, -64, -1, 0, 1, BLOCK_BYTES])
def test_blocks_that_end_around_the_last_byte(extra: int) -> None:
    expected = np.frombuffer(np.random.default_rng(1).bytes(BLOCK_BYTES + extra), dtype=np.uint8)
    directory = MemoryDirectory()
    write_block_file(directory, PATH, kind="column", header={}, sections={"a": expected})
    np.testing.assert_array_equal(opened(directory, verify="full").section("a"), expected)


def test_info_names_size_and_checksum() -> None:
    directory = MemoryDirectory()
    info = write_block_file(directory, PATH, kind="column", header={}, sections=SECTIONS)
    assert (info.path, info.size) == (PATH, directory.size(PATH))
    assert BlockFile.open(directory, PATH, kind="column", crc=info.crc).crc == info.crc
    with pytest.raises(CorruptionError, match="not the file that the manifest names"):
        BlockFile.open(directory, PATH, kind="column", crc=info.crc ^ 1)


def test_two_files_of_the_same_content_differ() -> None:
    assert opened(written()).crc != opened(written()).crc


def test_existing_file_is_left_alone() -> None:
    directory = written()
    with pytest.raises(AlreadyExistsError):
        write_block_file(directory, PATH, kind="column", header={}, sections={})


def test_head_byte_by_byte() -> None:
    directory = written()
    raw = bytes(directory.read(PATH))
    footer = 64 + 64 + 64 + BLOCK_BYTES + 5
    head = (
        b"ELANBLK\x00"
        + b"\x01\0\0\0"
        + BLOCK_BYTES.to_bytes(4, "little")
        + raw[16:32]
        + len(raw).to_bytes(8, "little")
        + footer.to_bytes(8, "little")
        + bytes(12)
    )
    assert raw[:60] == head
    assert raw[60:64] == crc32c(head).to_bytes(4, "little")
    assert raw[64:112] == SECTIONS["matrix"].tobytes()
    checksums = [raw[n : min(n + BLOCK_BYTES, footer)] for n in (0, BLOCK_BYTES)]
    assert raw[footer : footer + 8] == b"".join(
        crc32c(block).to_bytes(4, "little") for block in checksums
    )
    assert raw[-4:] == crc32c(raw[footer:-4]).to_bytes(4, "little")


def test_first_touch_verifies_only_the_blocks_of_the_section() -> None:
    directory = changed(written(), BLOCK_BYTES + 100)
    file = opened(directory)
    np.testing.assert_array_equal(file.section("matrix"), SECTIONS["matrix"])
    for _ in range(2):
        with pytest.raises(CorruptionError, match=f"byte {BLOCK_BYTES}") as caught:
            file.section("numbers")
        assert (caught.value.path, caught.value.offset) == (PATH, BLOCK_BYTES)
    with pytest.raises(CorruptionError):
        opened(directory, verify="full")
    assert opened(directory, verify="none").section("numbers").shape == (BLOCK_BYTES // 4,)


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_a_large_section_is_verified_in_parts_by_several_threads(
    monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(threads, "THREADED_BYTES", 0)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(block_file, "PART_BYTES", 2 * BLOCK_BYTES)
    large: dict[str, AnyArray] = {"a": np.arange(9 * BLOCK_BYTES // 8)}
    whole = written(large)
    np.testing.assert_array_equal(opened(whole).section("a"), large["a"])
    for block in range(9):
        # The first of the damaged blocks is named, whoever finds one first.
        twice = changed(changed(whole, block * BLOCK_BYTES + 70), 8 * BLOCK_BYTES + 99)
        file = opened(twice)
        for _ in range(2):
            with pytest.raises(CorruptionError) as caught:
                file.section("a")
            assert caught.value.offset == block * BLOCK_BYTES


def test_every_flipped_byte_is_found() -> None:
    small: dict[str, AnyArray] = {"a": np.arange(20), "b": np.arange(3, dtype=np.uint8)}
    directory = written(small)
    for position in range(directory.size(PATH)):
        with pytest.raises(CorruptionError) as caught:
            opened(changed(directory, position, 0x40), verify="full")
        assert caught.value.path == PATH
        assert caught.value.offset is not None


def test_every_cut_is_found_when_the_file_is_opened() -> None:
    whole = bytes(written({"a": np.arange(20)}).read(PATH))
    for length in range(len(whole)):
        directory = MemoryDirectory()
        directory.write_new(PATH, [whole[:length]])
        with pytest.raises(CorruptionError):
            opened(directory)


def test_missing_file_and_section_and_wrong_kind() -> None:
    directory = written()
    with pytest.raises(CorruptionError, match="missing"):
        BlockFile.open(directory, "no.col", kind="column")
    with pytest.raises(CorruptionError, match="'other' is missing"):
        opened(directory).section("other")
    with pytest.raises(CorruptionError, match="is a column file, expected deletes"):
        BlockFile.open(directory, PATH, kind="deletes")


def test_newer_format_is_refused_by_name() -> None:
    raw = bytearray(written().read(PATH))
    raw[8] = 2
    raw[60:64] = crc32c(raw[:60]).to_bytes(4, "little")
    directory = MemoryDirectory()
    directory.write_new(PATH, [bytes(raw)])
    with pytest.raises(FormatVersionError, match="block file format 2"):
        opened(directory)


def test_views_of_a_batch_are_stored_without_a_copy_of_the_rest() -> None:
    vectors = all_kinds_batch(100).columns["vector"].values  # type: ignore[union-attr]
    directory = MemoryDirectory()
    part = vectors[::2]
    write_block_file(directory, PATH, kind="column", header={}, sections={"values": part})
    np.testing.assert_array_equal(opened(directory).section("values"), part)


def test_stream_gives_the_same_file_as_its_array() -> None:
    whole = np.arange(70_000, dtype=np.float32).reshape(-1, 7)
    parts = (whole[start : start + 999] for start in range(0, len(whole), 999))
    directory = MemoryDirectory()
    stream = SectionStream(whole.dtype, whole.shape, parts)
    after = np.arange(3)
    write_block_file(
        directory, PATH, kind="column", header={}, sections={"values": stream, "after": after}
    )
    file = opened(directory, verify="full")
    np.testing.assert_array_equal(file.section("values"), whole)
    np.testing.assert_array_equal(file.section("after"), after)


def test_parts_of_a_stream_are_written_one_at_a_time() -> None:
    directory = MemoryDirectory()
    sizes: list[int] = []

    def parts() -> Iterator[AnyArray]:
        for n in range(4):
            sizes.append(directory.size(directory.list_names("")[0]))
            yield np.full(100, n, dtype=np.uint8)

    stream = SectionStream(np.dtype(np.uint8), (400,), parts())
    write_block_file(directory, PATH, kind="column", header={}, sections={"a": stream})
    assert sizes == [64, 164, 264, 364]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([np.arange(3)], "ended 8 bytes too early"),
        ([np.arange(3), np.arange(2)], "does not fit"),
        ([np.arange(4, dtype=np.int32)], "does not fit"),
    ],
)
def test_stream_that_is_not_what_it_says_is_refused(parts: list[AnyArray], message: str) -> None:
    directory = MemoryDirectory()
    stream = SectionStream(np.dtype(np.int64), (4,), parts)
    with pytest.raises(InternalError, match=message):
        write_block_file(directory, PATH, kind="column", header={}, sections={"a": stream})
    assert directory.list_names("") == []


def test_guarded_rows_are_verified_where_they_are_touched() -> None:
    rows = np.arange(3 * BLOCK_BYTES // 8).reshape(-1, 16)  # 128 bytes a row, 512 rows a block
    directory = written({"rows": rows})
    damaged = changed(directory, 64 + 600 * 128)
    file = opened(damaged)
    values, guard = file.guarded("rows")
    assert guard.row_bytes == 128
    assert values.shape == rows.shape
    guard.check_rows(np.array([0, 510, 1400]))
    guard.check_rows(np.array([], dtype=np.int64))
    guard.check_range(0, 511)
    for touch in (
        lambda: guard.check_rows(np.array([3, 600])),
        lambda: guard.check_range(510, 520),
        guard.check_all,
        lambda: file.section("rows"),
    ):
        with pytest.raises(CorruptionError, match=f"byte {BLOCK_BYTES}:") as caught:
            touch()
        assert (caught.value.path, caught.value.offset) == (PATH, BLOCK_BYTES)
    values, guard = opened(damaged, verify="none").guarded("rows")
    guard.check_all()
    values, guard = opened(directory).guarded("rows")
    guard.check_all()
    np.testing.assert_array_equal(values, rows)
    with pytest.raises(CorruptionError, match="missing"):
        file.guarded("other")
