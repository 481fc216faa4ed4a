import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.hashing import hash64_strings


def column(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return offsets, np.frombuffer(b"".join(texts), dtype=np.uint8)


def test_known_values_of_xxh64() -> None:
    # From the xxHash sources: XXH64 with seed 0.
    hashes = hash64_strings(*column([b"", b"a", b"abc"]))
    assert hashes.tolist() == [0xEF46DB3751D8E999, 0xD24EC4F1A98C6E5B, 0x44BC2CF5AD770999]


def test_agrees_with_twin_at_every_length() -> None:
    rng = np.random.default_rng(0)
    offsets, data = column(
        [rng.integers(0, 256, n, dtype=np.uint8).tobytes() for n in [*range(100), 1000]]
    )
    hashes = hash64_strings(offsets, data)
    assert hashes.dtype == np.uint64
    assert np.array_equal(hashes, reference.hash64_strings(offsets, data))
    # A column may begin inside its bytes.
    assert np.array_equal(hash64_strings(offsets[40:], data), hashes[40:])


def test_no_strings_give_no_hashes() -> None:
    assert hash64_strings(np.zeros(1, np.int64), np.empty(0, np.uint8)).shape == (0,)


@pytest.mark.parametrize("offsets", [[], [0, 5], [2, 1], [-1, 2], [0, 3, 2, 3]])
def test_damaged_offsets_are_refused(offsets: list[int]) -> None:
    with pytest.raises(InvalidArgumentError, match="offsets"):
        hash64_strings(np.array(offsets, dtype=np.int64), np.zeros(4, np.uint8))


def test_wrong_dtypes_are_named() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"offsets: expected .* int64 .* got dtype int32"
    ):
        hash64_strings(np.zeros(1, np.int32), np.zeros(4, np.uint8))  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"data: expected .* uint8 .* got list"):
        hash64_strings(np.zeros(1, np.int64), [1])  # type: ignore[arg-type]
