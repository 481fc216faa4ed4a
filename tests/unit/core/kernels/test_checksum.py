import mmap

import numpy as np
import pytest

from elanus.kernels import reference
from elanus.kernels.checksum import crc32c

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
