import uuid
from dataclasses import replace

import numpy as np

from elanus.storage.json_file import encode_json_file
from elanus.storage.leftovers import delete_unreferenced
from elanus.storage.load_record import LoadRecord, delete_load, list_loads, save_load
from elanus.storage.manifest import IndexEntry, segment_from_json, segment_to_json
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.segment_writer import write_segment
from support.storage_batches import TEXT_KEY_SCHEMA, text_key_batch

PATH = "c/1"


def segment(directory):
    batch = text_key_batch(["a", "b"])
    return write_segment(
        directory, PATH, schema=TEXT_KEY_SCHEMA, batch=batch, seqs=np.array([1, 1])
    )


def test_newest_record_comes_back_and_older_ones_go():
    directory = MemoryDirectory()
    first = save_load(directory, PATH, LoadRecord(uuid.UUID(int=1), {"files": ["x"]}))
    info = segment(directory)
    second = save_load(
        directory,
        PATH,
        LoadRecord(
            first.job,
            first.request,
            {"rows": 7},
            next_auto_id=8,
            segments=(info,),
            version=first.version,
        ),
    )
    assert (first.version, second.version) == (1, 2)
    assert list_loads(directory, PATH) == [second]
    assert directory.list_names(f"{PATH}/import/{first.job}") == ["00000000000000000002.man"]
    assert segment_from_json(segment_to_json(info)) == info
    delete_load(directory, PATH, first.job)
    assert list_loads(directory, PATH) == []


def test_segments_of_a_record_are_kept_and_those_of_none_are_swept():
    directory = MemoryDirectory()
    kept, swept = segment(directory), segment(directory)
    for info in (kept, swept):
        directory.make_dir(f"{PATH}/idx/{info.uuid}/f")
        directory.write_new(f"{PATH}/idx/{info.uuid}/f/i", [b""])
    index = IndexEntry(f"idx/{kept.uuid}/f/i", 0, 0, "BM25")
    named = replace(kept, indexes={"f": index})
    record = save_load(directory, PATH, LoadRecord(uuid.UUID(int=1), {}, segments=(named,)))
    assert delete_unreferenced(directory, PATH, []) == [
        f"{PATH}/seg/{swept.uuid}",
        f"{PATH}/idx/{swept.uuid}",
    ]
    delete_load(directory, PATH, record.job)
    assert delete_unreferenced(directory, PATH, []) == [
        f"{PATH}/seg/{kept.uuid}",
        f"{PATH}/idx/{kept.uuid}",
    ]


def test_damaged_record_is_left_out(caplog):
    directory = MemoryDirectory()
    save_load(directory, PATH, LoadRecord(uuid.UUID(int=1), {}))
    path = f"{PATH}/import/{uuid.UUID(int=2)}"
    directory.make_dir(path)
    content = {"version": 1, "segments": 5}
    directory.write_new(f"{path}/{1:020d}.man", [encode_json_file("import", 1, content)])
    directory.make_dir(f"{PATH}/import/notes")
    assert [record.job for record in list_loads(directory, PATH)] == [uuid.UUID(int=1)]
    assert "the import starts anew" in caplog.text
