import uuid

import numpy as np

from elanus.kernels.bitset import Bitset
from elanus.storage.json_file import encode_json_file
from elanus.storage.leftovers import delete_unreferenced
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.merge_record import (
    MergedSegment,
    MergeRecord,
    delete_merge,
    delete_other_merges,
    list_merges,
    save_merge,
)
from elanus.storage.segment_writer import write_segment
from support.storage_batches import TEXT_KEY_SCHEMA, text_key_batch

PATH = "c/1"


def bits(*alive):
    return Bitset.from_rows(np.array(alive, dtype=np.int64), 70)


def record(number=1):
    merged = (
        MergedSegment(uuid.UUID(int=11), bits(0, 3, 69)),
        MergedSegment(uuid.UUID(int=12), bits()),
        MergedSegment(uuid.UUID(int=13), bits(*range(70))),
    )
    return MergeRecord(uuid.UUID(int=number), merged)


def stored(directory):
    return [
        (m.job, m.version, m.made, [(s.uuid, s.alive.to_rows().tolist()) for s in m.merged])
        for m in list_merges(directory, PATH)
    ]


def test_newest_record_comes_back_with_every_row_and_older_ones_go():
    directory = MemoryDirectory()
    first = save_merge(directory, PATH, record())
    batch = text_key_batch(["a", "b"])
    info = write_segment(
        directory, PATH, schema=TEXT_KEY_SCHEMA, batch=batch, seqs=np.array([1, 1])
    )
    save_merge(directory, PATH, MergeRecord(first.job, first.merged, info, first.version))
    rows = [
        (uuid.UUID(int=11), [0, 3, 69]),
        (uuid.UUID(int=12), []),
        (uuid.UUID(int=13), list(range(70))),
    ]
    assert stored(directory) == [(first.job, 2, info, rows)]
    assert directory.list_names(f"{PATH}/merge/{first.job}") == ["00000000000000000002.man"]
    # What is made so far is kept from being swept for as long as the record is there.
    assert delete_unreferenced(directory, PATH, []) == []
    delete_merge(directory, PATH, first.job)
    assert stored(directory) == []
    assert delete_unreferenced(directory, PATH, []) == [f"{PATH}/seg/{info.uuid}"]


def test_damaged_records_are_left_out_and_go_with_the_others(caplog):
    directory = MemoryDirectory()
    save_merge(directory, PATH, record(1))
    for number, content in enumerate(({"version": 1}, {"merged": [7], "made": None}), start=2):
        folder = f"{PATH}/merge/{uuid.UUID(int=number)}"
        directory.make_dir(folder)
        directory.write_new(f"{folder}/{1:020d}.man", [encode_json_file("merge", 1, content)])
    assert [m.job for m in list_merges(directory, PATH)] == [uuid.UUID(int=1)]
    assert caplog.text.count("the merge starts anew") == 2
    delete_other_merges(directory, PATH, uuid.UUID(int=1))
    assert directory.list_names(f"{PATH}/merge") == [str(uuid.UUID(int=1))]
