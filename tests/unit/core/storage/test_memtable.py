import threading

import numpy as np
import pytest

from elanus.errors import InternalError, InvalidArgumentError
from elanus.schema.batches import ColumnBatch, FixedColumn, strings_to_column
from elanus.storage.memtable import Memtable
from support.storage_batches import (
    SCHEMA,
    TEXT_KEY_SCHEMA,
    all_kinds_batch,
    rows_of,
    text_key_batch,
)


def test_rows_come_back_in_order_of_append() -> None:
    memtable = Memtable(SCHEMA)
    expected: dict[str, list[object]] = {}
    first_rows = []
    for n, size in enumerate((1, 0, 200, 3)):
        batch = all_kinds_batch(size, seed=n, first_pk=1000 * n)
        first_rows.append(memtable.append(batch, seq=n + 5).first_row)
        for name, values in rows_of(batch).items():
            expected.setdefault(name, []).extend(values)
    assert first_rows == [0, 1, 1, 201]
    assert memtable.num_rows == 204
    assert rows_of(memtable.view()) == expected
    assert memtable.seqs().tolist() == [5] + [7] * 200 + [8] * 3


def test_view_never_changes() -> None:
    memtable = Memtable(SCHEMA)
    batch = all_kinds_batch(50)
    memtable.append(batch, seq=1)
    view, seqs = memtable.view(), memtable.seqs()
    for n in range(20):
        memtable.append(all_kinds_batch(50, seed=n, first_pk=n), seq=2)
    assert rows_of(view) == rows_of(batch)
    assert seqs.tolist() == [1] * 50
    assert rows_of(memtable.view(50)) == rows_of(batch)


def test_view_is_read_only_and_copies_nothing() -> None:
    memtable = Memtable(SCHEMA)
    memtable.append(all_kinds_batch(10), seq=1)
    first = memtable.view().columns["vector"].values  # type: ignore[union-attr]
    second = memtable.view(5).columns["vector"].values  # type: ignore[union-attr]
    assert np.shares_memory(first, second)
    assert not first.flags.writeable


def test_part_of_a_larger_batch_can_be_appended() -> None:
    memtable = Memtable(SCHEMA)
    batch = all_kinds_batch(30).take(np.arange(10, 20))
    memtable.append(batch, seq=1)
    memtable.append(batch.take(np.array([3])), seq=2)
    expected = rows_of(batch)
    assert rows_of(memtable.view()) == {n: [*v, v[3]] for n, v in expected.items()}


def test_newest_row_of_a_primary_key() -> None:
    memtable = Memtable(TEXT_KEY_SCHEMA)
    assert memtable.append(text_key_batch(["a", "b", "c"]), seq=1).replaced.tolist() == []
    assert memtable.append(text_key_batch(["c", "d", "a"]), seq=2).replaced.tolist() == [0, 2]
    assert memtable.append(text_key_batch(["e", "e", "d", "e"]), seq=3).replaced.tolist() == [
        4,
        6,
        7,
    ]
    wanted = strings_to_column(["a", "b", "c", "d", "e", "f"])
    assert memtable.find_pks(wanted).tolist() == [5, 1, 3, 8, 9, -1]


def test_keys_that_are_numbers() -> None:
    memtable = Memtable(SCHEMA)
    memtable.append(all_kinds_batch(3, first_pk=-1), seq=1)
    assert memtable.append(all_kinds_batch(2, first_pk=1), seq=2).replaced.tolist() == [2]
    wanted = FixedColumn(np.array([-1, 0, 1, 2, 3], dtype=np.int64))
    assert memtable.find_pks(wanted).tolist() == [0, 1, 3, 4, -1]
    with pytest.raises(InternalError, match="expected numbers, got StringColumn"):
        memtable.find_pks(strings_to_column(["1"]))


def test_size_grows_with_the_bytes_of_the_rows() -> None:
    memtable = Memtable(TEXT_KEY_SCHEMA)
    empty = memtable.size_bytes
    memtable.append(text_key_batch([f"{n:04d}" for n in range(1000)]), seq=1)
    # Per row: vector 20, key 4 and its offset 8, seq 8; then the table of keys: 2048 slots of 16,
    # and 1000 keys with the places where they end, in room that doubles.
    columns = 1000 * (20 + 4 + 8 + 8)
    assert columns + 2048 * 16 + 1000 * (4 + 8) <= memtable.size_bytes - empty
    assert memtable.size_bytes - empty <= columns + 2048 * 16 + 2 * 1024 * (4 + 8)


def test_wrong_columns_and_too_many_rows_are_refused() -> None:
    memtable = Memtable(TEXT_KEY_SCHEMA)
    with pytest.raises(InternalError, match="expected key, vector"):
        memtable.append(ColumnBatch(0, {}), seq=1)
    with pytest.raises(InvalidArgumentError, match="the memtable has 0"):
        memtable.view(1)


def test_readers_see_whole_rows_while_rows_are_appended() -> None:
    memtable = Memtable(TEXT_KEY_SCHEMA)
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            view = memtable.view()
            keys = view.columns["key"].to_pylist()
            vectors = view.columns["vector"].values  # type: ignore[union-attr]
            expected = [str(n) for n in range(len(view))]
            if keys != expected or not np.array_equal(vectors[:, 0], np.zeros(len(view))):
                wrong.append(keys)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(500):
        memtable.append(text_key_batch([str(n)]), seq=n)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
