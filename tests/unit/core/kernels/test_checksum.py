import mmap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.checksum import BlockVerifier, crc32c

# RFC 3720, appendix B.4, and the check value of the CRC catalogue.
KNOWN = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


@pytest.mark.parametrize(("data", "expected"), KNOWN)
def test_known_values(variant: str, data: bytes, expected: int) -> None:
    assert crc32c(data) == expected
    assert reference.crc32c(data) == expected


# Around the stream lengths of the hardware loop: 3 x 256 and 3 x 4096 bytes.
@pytest.mark.parametrize("size", [1, 7, 8, 9, 767, 768, 769, 2000, 12287, 12288, 12289, 30001])
def test_agrees_with_twin_at_every_length_and_alignment(variant: str, size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size + 3, dtype=np.uint8).tobytes()
    for start in (0, 3):
        piece = data[start : start + size]
        assert crc32c(memoryview(data)[start : start + size], 17) == reference.crc32c(piece, 17)


def test_seed_continues_a_checksum(variant: str) -> None:
    data = np.random.default_rng(1).integers(0, 256, 20000, dtype=np.uint8).tobytes()
    whole = crc32c(data)
    assert [crc32c(data[cut:], crc32c(data[:cut])) for cut in (0, 1, 777, 13000, 20000)] == [
        whole
    ] * 5


def test_takes_any_contiguous_buffer() -> None:
    anonymous = mmap.mmap(-1, 9)
    anonymous[:] = b"123456789"
    array = np.frombuffer(b"123456789", dtype=np.uint8)  # read-only
    sources = [bytearray(b"123456789"), memoryview(b"123456789"), anonymous, array]
    assert [crc32c(source) for source in sources] == [0xE3069283] * 4
    large = np.zeros((300, 300), dtype=np.float32)
    assert crc32c(large) == crc32c(bytes(360000))


def test_refuses_what_is_not_contiguous_bytes() -> None:
    with pytest.raises(TypeError):
        crc32c("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="contiguous"):
        crc32c(np.zeros((4, 4), dtype=np.uint8)[:, ::2])


def checksums_of(raw: bytes, block_bytes: int) -> bytes:
    blocks = (raw[start : start + block_bytes] for start in range(0, len(raw), block_bytes))
    return b"".join(crc32c(block).to_bytes(4, "little") for block in blocks)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000, 1037])
def test_verifier_names_the_first_damaged_block(size: int) -> None:
    raw = np.random.default_rng(size).bytes(size)
    checksums = checksums_of(raw, 100)
    assert BlockVerifier(raw, checksums, 100).verify_range(0, size) == -1
    for damaged in sorted({0, size // 2, size - 1} if size else ()):
        wrong = bytearray(raw)
        wrong[damaged] ^= 1
        verifier = BlockVerifier(bytes(wrong), checksums, 100)
        assert verifier.verify_range(0, size) == damaged // 100
        # A damaged block is never taken for verified, whatever was asked before.
        assert verifier.verify_range(damaged, damaged + 1) == damaged // 100
        before = damaged // 100 * 100
        assert verifier.verify_range(0, before) == -1
        assert verifier.verify_range(damaged, damaged) == -1


def test_verifier_reads_each_block_once() -> None:
    raw = bytearray(np.random.default_rng(0).bytes(1000))
    verifier = BlockVerifier(raw, checksums_of(bytes(raw), 100), 100)
    assert verifier.verify_range(250, 451) == -1
    raw[300] ^= 1  # in a block that was checked
    raw[700] ^= 1
    assert verifier.verify_range(200, 700) == -1
    assert verifier.verify_range(200, 701) == 7


def test_verifier_checks_the_blocks_of_rows() -> None:
    # 30 rows of 30 bytes from byte 40 on: row 2 lies in blocks 1, row 5 in 1 and 2, row 29 in 9.
    raw = np.random.default_rng(0).bytes(1000)
    checksums = checksums_of(raw, 100)
    in_blocks = {row: {(40 + 30 * row) // 100, (69 + 30 * row) // 100} for row in range(30)}
    assert (in_blocks[2], in_blocks[5], in_blocks[29]) == ({1}, {1, 2}, {9})
    for row, blocks in in_blocks.items():
        for block in range(10):
            wrong = bytearray(raw)
            wrong[block * 100] ^= 128
            verifier = BlockVerifier(bytes(wrong), checksums, 100)
            found = verifier.verify_rows(40, 30, 30, np.array([row]))
            assert found == (block if block in blocks else -1)


@pytest.mark.parametrize(
    ("offset", "row_bytes", "num_rows", "rows"),
    [
        (0, 10, 10, [10]),
        (0, 10, 10, [-1]),
        (0, 10, 11, [0]),
        (1, 10, 10, [0]),
        (0, 0, 1, [0]),
        (0, 1, 101, []),
        (101, 1, 1, []),
        (2**63, 2**62, 2**62, [0]),
    ],
)
def test_rows_outside_of_the_bytes_are_refused(
    offset: int, row_bytes: int, num_rows: int, rows: list[int]
) -> None:
    raw = bytes(100)
    verifier = BlockVerifier(raw, checksums_of(raw, 64), 64)
    with pytest.raises(InvalidArgumentError):
        verifier.verify_rows(offset, row_bytes, num_rows, np.array(rows, np.int64))


def test_verifier_refuses_what_does_not_fit() -> None:
    raw = bytes(100)
    with pytest.raises(InvalidArgumentError, match="expected 2 of 4 bytes"):
        BlockVerifier(raw, bytes(4), 64)
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        BlockVerifier(raw, b"", 0)
    verifier = BlockVerifier(raw, checksums_of(raw, 64), 64)
    for start, end in ((0, 101), (5, 4), (101, 101)):
        with pytest.raises(InvalidArgumentError, match="outside"):
            verifier.verify_range(start, end)


def test_verifier_from_many_threads() -> None:
    raw = bytearray(np.random.default_rng(0).bytes(1 << 20))
    checksums = checksums_of(bytes(raw), 4096)
    raw[700_000] ^= 1
    verifier = BlockVerifier(bytes(raw), checksums, 4096)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: verifier.verify_range(n * 997, 1 << 20), range(64)))
    assert found == [700_000 // 4096] * 64
    assert verifier.verify_range(0, 700_000 // 4096 * 4096) == -1


def test_verifier_checks_rows_of_any_width_by_their_offsets() -> None:
    raw = np.random.default_rng(0).bytes(300)
    checksums = checksums_of(raw, 100)
    wrong = bytearray(raw)
    wrong[150] ^= 1
    verifier = BlockVerifier(bytes(wrong), checksums, 100)
    # Bytes 10 to 60, 60 to 60, 60 to 140 and 210 to 290 of the buffer: the third meets block 1.
    offsets = np.array([0, 50, 50, 130, 200, 280], dtype=np.int64)
    assert verifier.verify_spans(10, offsets, np.array([0, 1, 4])) == -1
    assert verifier.verify_spans(10, offsets, np.array([0, 2])) == 1
    for row in (-1, 5, 2**62):
        with pytest.raises(InvalidArgumentError, match="has no offsets"):
            verifier.verify_spans(10, offsets, np.array([row]))
    with pytest.raises(InvalidArgumentError, match="do not ascend"):
        verifier.verify_spans(0, np.array([9, 3], dtype=np.int64), np.array([0]))
    with pytest.raises(InvalidArgumentError, match="outside of 300"):
        verifier.verify_spans(290, offsets, np.array([0]))
