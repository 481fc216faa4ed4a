import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elanus.kernels.file_map import Advice, advise, map_file, wait_until_unmapped

CONTENT = bytes(range(256)) * 64


def written(folder: Path, content: bytes = CONTENT) -> str:
    path = folder / "ü a.bin"
    path.write_bytes(content)
    return str(path)


def test_view_holds_the_bytes_read_only(tmp_path: Path) -> None:
    view = map_file(written(tmp_path))
    assert view.readonly
    assert bytes(view) == CONTENT
    array = np.frombuffer(view, dtype=np.uint8)
    assert not array.flags.writeable


def test_bytes_outlive_the_file_and_the_view(tmp_path: Path) -> None:
    path = written(tmp_path)
    array = np.frombuffer(map_file(path)[256:512], dtype=np.uint8)
    os.unlink(path)
    np.testing.assert_array_equal(array, np.arange(256))


def test_a_map_keeps_no_descriptor(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    views = [map_file(path) for _ in range(3000)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(bytes(view[:2]) == b"\x00\x01" for view in views)


def test_memory_goes_with_the_last_view(tmp_path: Path) -> None:
    path = written(tmp_path)

    def maps() -> int:
        wait_until_unmapped()
        return sum("a.bin" in line for line in Path("/proc/self/maps").read_text().splitlines())

    view = map_file(path)
    part = view[10:20]
    assert maps() == 1
    del view
    assert maps() == 1
    del part
    assert maps() == 0


def test_maps_end_in_a_thread_of_their_own(tmp_path: Path) -> None:
    """Whoever drops the last map of a deleted file would wait until its blocks are freed."""
    path = written(tmp_path)
    program = """
import os, sys, threading
from elanus.kernels.file_map import map_file, wait_until_unmapped
wait_until_unmapped()
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
def drop():
    views = [map_file(sys.argv[1]) for _ in range(500)]
workers = [threading.Thread(target=drop) for _ in range(4)]
for worker in workers: worker.start()
for worker in workers: worker.join()
# What is joined may still be listed for a moment.
while any(os.path.exists(f"/proc/self/task/{worker.native_id}") for worker in workers): pass
wait_until_unmapped()
mapped = open("/proc/self/maps").read().count("a.bin")
print(threads() - before, mapped)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["1", "0"]


def test_a_forked_child_unmaps_what_it_mapped(tmp_path: Path) -> None:
    path = written(tmp_path)
    kept = map_file(path)
    del kept  # the parent has its thread now
    told, write = os.pipe()
    child = os.fork()
    if child == 0:
        view = map_file(path)
        del view
        wait_until_unmapped()
        os.write(write, b"done")
        os._exit(0)
    os.close(write)
    assert os.read(told, 10) == b"done"
    os.close(told)
    os.waitpid(child, 0)


def test_empty_file(tmp_path: Path) -> None:
    view = map_file(written(tmp_path, b""))
    assert (len(view), bytes(view)) == (0, b"")
    assert advise(view, Advice.WILL_NEED)


def test_errors_carry_the_number_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        map_file(str(tmp_path / "no"))
    assert caught.value.filename == str(tmp_path / "no")
    with pytest.raises(IsADirectoryError):
        map_file(str(tmp_path))


@pytest.mark.parametrize("advice", list(Advice))
def test_advice_never_changes_the_bytes(tmp_path: Path, advice: Advice) -> None:
    view = map_file(written(tmp_path))
    for start, end in ((0, None), (100, 9_000), (5_000, 10**9), (10**9, None), (9, 3)):
        assert advise(view, advice, start, end)
        assert bytes(view) == CONTENT


def test_advice_leaves_other_memory_alone() -> None:
    memory = np.ones(100_000, dtype=np.uint8)
    assert not advise(memory.data, Advice.DONT_NEED)
    assert memory.all()


def test_dont_need_takes_the_pages_out_of_the_process(tmp_path: Path) -> None:
    size = 8 << 20
    path = written(tmp_path, b"x" * size)
    program = """
import sys
from elanus.kernels.file_map import Advice, advise, map_file
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("RssFile"):
            return int(line.split()[1]) << 10
view = map_file(sys.argv[1])
first = resident()
assert sum(view[::4096]) == 120 * (len(view) // 4096)
touched = resident()
advise(view, Advice.DONT_NEED)
print(touched - first, touched - resident())
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    grown, given_back = map(int, ran.stdout.split())
    assert grown >= size // 2
    assert given_back >= size // 2
