import numpy as np
import pytest

from elanus.errors import CorruptionError
from elanus.kernels.hashing import hash64_strings
from elanus.schema.batches import FixedColumn, StringColumn, strings_to_column
from elanus.storage.pk_index import PkIndex, joined_sections
from elanus.storage.section_stream import SectionStream
from elanus.types import ByteArray, Int64Array, UInt64Array


def test_ints_against_a_dict() -> None:
    rng = np.random.default_rng(1)
    keys = rng.integers(-50, 50, 200)
    extremes = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max])
    stored = FixedColumn(np.concatenate([keys, extremes]))
    expected = {int(key): row for row, key in enumerate(stored.values)}
    wanted = np.concatenate([np.arange(-80, 80), extremes])
    found = PkIndex.build(stored).find(FixedColumn(wanted), stored)
    assert found.tolist() == [expected.get(int(key), -1) for key in wanted]


def test_texts_against_a_dict() -> None:
    rng = np.random.default_rng(2)
    texts = [f"clé {n}" if n else "" for n in rng.integers(0, 60, 200)]
    stored = strings_to_column(texts)
    expected = {text: row for row, text in enumerate(texts)}
    wanted = [*(f"clé {n}" for n in range(90)), "", "cl"]
    found = PkIndex.build(stored).find(strings_to_column(wanted), stored)
    assert found.tolist() == [expected.get(text, -1) for text in wanted]


def test_texts_with_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # Real collisions of 64 bits cannot be made, so the hash is narrowed to two values.
    def narrow(offsets: Int64Array, data: ByteArray) -> UInt64Array:
        return hash64_strings(offsets, data) % np.uint64(2)

    monkeypatch.setattr("elanus.storage.pk_index.hash64_strings", narrow)
    texts = [f"k{n % 7}" for n in range(20)]
    stored = strings_to_column(texts)
    wanted = [f"k{n}" for n in range(12)]
    found = PkIndex.build(stored).find(strings_to_column(wanted), stored)
    expected = {text: row for row, text in enumerate(texts)}
    assert found.tolist() == [expected.get(text, -1) for text in wanted]


def test_no_keys_wanted() -> None:
    stored = FixedColumn(np.array([3, 1]))
    assert PkIndex.build(stored).find(FixedColumn(np.zeros(0, np.int64)), stored).tolist() == []


def test_stored_arrays() -> None:
    index = PkIndex.build(FixedColumn(np.array([30, 10, 20, 10])))
    sections = index.to_sections()
    assert sections["keys"].tolist() == [10, 10, 20, 30]
    assert sections["rows"].tolist() == [1, 3, 2, 0]
    assert sections["rows"].dtype == np.uint32
    with pytest.raises(CorruptionError, match="does not fit"):
        PkIndex.from_sections(sections, 5, "pk.idx")


@pytest.mark.parametrize("wanted", [[-9, -8], [4, 5], [-8, -1], [2, 4], [-8, 4], [-1], [3]])
def test_keys_beyond_either_end(wanted: list[int]) -> None:
    stored = FixedColumn(np.array([3, -7, 0], dtype=np.int64))
    row_of = {3: 0, -7: 1, 0: 2}
    found = PkIndex.build(stored).find(FixedColumn(np.array(wanted, dtype=np.int64)), stored)
    assert found.tolist() == [row_of.get(key, -1) for key in wanted]


@pytest.mark.parametrize("at_once", [1, 3, 50, 10_000])
@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_joined_parts_are_the_index_of_the_kept_rows(kind: str, at_once: int) -> None:
    """Keys come twice, within a part and in several; rows go; one part keeps nothing."""
    rng = np.random.default_rng(at_once)
    numbers = rng.integers(-60, 60, 300)
    alive = rng.random(300) < 0.6
    alive[100:110] = False
    mapping = np.where(alive, np.cumsum(alive) - 1, -1)

    def column(rows: slice | Int64Array) -> FixedColumn | StringColumn:
        found = numbers[rows]
        return (
            FixedColumn(found) if kind == "numbers" else strings_to_column([str(n) for n in found])
        )

    cuts = [(0, 100), (100, 110), (110, 111), (111, 300)]
    parts = [(PkIndex.build(column(slice(a, b))), mapping[a:b]) for a, b in cuts]
    sections = joined_sections(parts, at_once=at_once)
    expected = PkIndex.build(column(np.flatnonzero(alive)))
    for name, wanted in (("keys", expected.keys), ("rows", expected.rows)):
        stream = sections[name]
        assert isinstance(stream, SectionStream)
        chunks = list(stream.chunks)
        assert (stream.dtype, stream.shape) == (wanted.dtype, wanted.shape)
        assert np.concatenate(chunks).tolist() == wanted.tolist()
        equal = int(np.unique(numbers, return_counts=True)[1].max())
        assert max(map(len, chunks)) <= max(at_once, len(cuts)) + len(cuts) * equal
