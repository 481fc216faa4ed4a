import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus.kernels import reference
from elanus.kernels.hashing import hash64_strings
from elanus.kernels.keys import IntKeyTable, StringKeyTable
from elanus.types import ByteArray, Int64Array

# Few keys, so that they come again; the others are what a hash or a sign could trip over.
INTS = st.integers(-5, 5) | st.sampled_from([-(2**63), 2**63 - 1, 2**32, 2**33])
TEXTS = st.text("ab", max_size=3) | st.sampled_from(["", "\0", "\0\0", "ü", "x" * 100])


def ints(keys: list[int]) -> Int64Array:
    return np.array(keys, dtype=np.int64)


def texts(keys: list[str]) -> tuple[Int64Array, ByteArray]:
    return raw([key.encode() for key in keys])


def raw(keys: list[bytes]) -> tuple[Int64Array, ByteArray]:
    offsets = np.cumsum([0, *map(len, keys)]).astype(np.int64)
    return offsets, np.frombuffer(b"".join(keys), dtype=np.uint8)


@given(st.lists(st.lists(INTS)), st.lists(INTS))
def test_numbers_agree_with_twin(batches: list[list[int]], wanted: list[int]) -> None:
    table, twin = IntKeyTable(), reference.KeyTable()
    first = 0
    for batch in batches:
        assert table.put(ints(batch), first).tolist() == twin.put(batch, first)
        first += len(batch)
        assert table.find(ints(wanted)).tolist() == twin.find(wanted)


@given(st.lists(st.lists(TEXTS)), st.lists(TEXTS))
def test_strings_agree_with_twin(batches: list[list[str]], wanted: list[str]) -> None:
    table, twin = StringKeyTable(), reference.KeyTable()
    first = 0
    for batch in batches:
        assert table.put(*texts(batch), first).tolist() == twin.put(batch, first)
        first += len(batch)
        assert table.find(*texts(wanted)).tolist() == twin.find(wanted)


def test_tables_that_outgrow_their_room_many_times() -> None:
    rng = np.random.default_rng(0)
    keys = rng.permutation(np.concatenate([np.arange(50_000), rng.integers(0, 2**62, 50_000)]))
    strings = [f"document {key}" for key in keys]
    numbers, words = IntKeyTable(), StringKeyTable()
    for first in range(0, 100_000, 7_000):
        numbers.put(keys[first : first + 7_000], first)
        words.put(*texts(strings[first : first + 7_000]), first)
    newest = {int(key): row for row, key in enumerate(keys)}
    expected = [newest[int(key)] for key in keys]
    assert numbers.find(keys).tolist() == expected
    assert words.find(*texts(strings)).tolist() == expected
    assert numbers.find(keys + 2**62).tolist() == [-1] * 100_000
    assert words.find(*texts([f"document{key}" for key in keys])).tolist() == [-1] * 100_000
    assert 100_000 * 24 <= numbers.size_bytes <= 100_000 * 48


def test_strings_with_the_same_hash_are_two_keys() -> None:
    left, right = strings_with_one_hash()
    hashes = hash64_strings(*raw([left, right]))
    assert left != right
    assert hashes[0] == hashes[1]
    table = StringKeyTable()
    assert table.put(*raw([left]), 0).tolist() == [-1]
    assert table.find(*raw([left, right])).tolist() == [0, -1]
    assert table.put(*raw([right, left]), 1).tolist() == [-1, 0]
    assert table.find(*raw([left, right])).tolist() == [2, 1]


def strings_with_one_hash() -> tuple[bytes, bytes]:
    """Return two strings of 16 bytes with the same XXH64.

    Each half enters the hash by a step that can be undone, so the second half of the other string
    is solved for.
    """
    bits = 2**64
    prime1, prime2, prime4, prime5 = (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )

    def rotate(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) % bits

    def step(half: int) -> int:
        return rotate(half * prime2 % bits, 31) * prime1 % bits

    def undo(stepped: int) -> int:
        return rotate(stepped * pow(prime1, -1, bits) % bits, 33) * pow(prime2, -1, bits) % bits

    def after(half: int) -> int:
        return (rotate((prime5 + 16) ^ step(half), 27) * prime1 + prime4) % bits

    second = undo(after(1) ^ after(2) ^ step(3))
    return (
        (1).to_bytes(8, "little") + (3).to_bytes(8, "little"),
        (2).to_bytes(8, "little") + second.to_bytes(8, "little"),
    )


def test_readers_look_up_while_keys_are_added() -> None:
    table = IntKeyTable()
    stop = threading.Event()
    wrong: list[list[int]] = []
    wanted = np.arange(20_000)

    def read() -> None:
        while not stop.is_set():
            rows = table.find(wanted)
            known = int(np.count_nonzero(rows >= 0))
            if rows[:known].tolist() != list(range(known)):
                wrong.append(rows.tolist())

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for first in range(0, 20_000, 5_000):
        table.put(wanted[first : first + 5_000], first)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"keys: expected .* int64 .* got dtype int32"):
        IntKeyTable().put(np.zeros(1, np.int32), 0)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"data: expected .* uint8 .* got list"):
        StringKeyTable().find(np.zeros(1, np.int64), [1])  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="offsets: expected values that ascend"):
        StringKeyTable().put(np.array([0, 5]), np.zeros(4, np.uint8), 0)
    with pytest.raises(InvalidArgumentError, match="rows: expected at most"):
        IntKeyTable().put(ints([1]), 2**32 - 2)
