"""A log keeps what was acknowledged, whatever happens to its last bytes, or says what is wrong."""

import random
import uuid

import pytest

from elanus.errors import CorruptionError, FormatVersionError, StorageError, StorageFailedError
from elanus.storage.directory import FileDirectory
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import Frame, WalContents
from elanus.storage.wal_reader import read_wal
from support.fault_directory import FaultDirectory

DB = uuid.UUID(int=1)
PATH = "a.wal"


def read(directory: FileDirectory) -> WalContents:
    return read_wal(directory, PATH, db_uuid=DB)


def seqs_of(contents: WalContents) -> list[int]:
    for frame in contents.frames:
        assert bytes(frame.payload) == payload_of(frame.seq)
    return [frame.seq for frame in contents.frames]


def payload_of(seq: int) -> bytes:
    return random.Random(seq).randbytes(seq * 37 % 200)


def append_group(writer: WalWriter, seqs: list[int]) -> None:
    writer.append([Frame(1, seq, [payload_of(seq)]) for seq in seqs])
    writer.sync()


def written(groups: list[list[int]]) -> bytes:
    directory = MemoryDirectory()
    writer = WalWriter.create(directory, PATH, db_uuid=DB, number=1)
    for group in groups:
        append_group(writer, group)
    writer.close()
    return bytes(directory.read(PATH))


def holding(content: bytes) -> MemoryDirectory:
    directory = MemoryDirectory()
    directory.write_new(PATH, [content])
    return directory


def test_cut_at_every_byte_of_the_last_two_frames() -> None:
    whole = written([[1], [2], [3], [4]])
    offsets = [f.offset for f in read(holding(whole)).frames]
    for length in range(offsets[2], len(whole)):
        expected = [1, 2] if length < offsets[3] else [1, 2, 3]
        directory = holding(whole[:length])
        contents = read(directory)
        assert seqs_of(contents) == expected
        assert contents.valid_end + contents.torn_bytes == length
        writer = WalWriter.resume(directory, contents)
        append_group(writer, [9])
        assert seqs_of(read(directory)) == [*expected, 9]


def test_tail_of_zeros_or_garbage_at_every_byte_of_the_last_two_frames() -> None:
    # File systems may extend a file before its bytes arrive.
    whole = written([[1], [2], [3], [4]])
    offsets = [f.offset for f in read(holding(whole)).frames]
    ends = [*offsets[1:], len(whole)]
    chooser = random.Random(5)
    for start in range(offsets[2], len(whole)):
        rest = len(whole) - start
        for tail in (bytes(rest), chooser.randbytes(rest)):
            raw = whole[:start] + tail
            # Padding is zeros already, so a frame may stay whole behind its payload.
            intact = [seq for seq, end in enumerate(ends, 1) if raw[:end] == whole[:end]]
            assert seqs_of(read(holding(raw))) == intact


def test_every_flipped_bit_before_the_last_frame_is_refused_with_its_place() -> None:
    whole = written([[1], [2], [3]])
    offsets = [f.offset for f in read(holding(whole)).frames]
    for position in range(offsets[2]):
        raw = bytearray(whole)
        raw[position] ^= 1 << position % 8
        with pytest.raises(CorruptionError) as caught:
            read(holding(bytes(raw)))
        assert caught.value.path == PATH
        assert caught.value.offset == max(n for n in (0, *offsets) if n <= position)


def test_flipped_bits_in_the_last_frame_cut_it_off() -> None:
    whole = written([[1], [2], [3]])
    start = read(holding(whole)).frames[2].offset
    for position in range(start, len(whole)):
        raw = bytearray(whole)
        raw[position] ^= 1 << position % 8
        assert seqs_of(read(holding(bytes(raw)))) == [1, 2]


def test_random_bytes_behind_the_header_never_look_like_frames() -> None:
    whole = written([[1]])
    chooser = random.Random(7)
    for length in range(0, 400, 7):
        try:
            contents = read(holding(whole[:64] + chooser.randbytes(length)))
        except (CorruptionError, FormatVersionError):
            continue
        assert seqs_of(contents) == []


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_power_loss_at_every_step_keeps_what_was_synced(chance: float, seed: int) -> None:
    directory = FaultDirectory(MemoryDirectory())
    writer = WalWriter.create(directory, PATH, db_uuid=DB, number=1)
    acknowledged = [(len(directory.steps), 0)]
    last = 0
    for size in (1, 3, 1, 8, 2):
        append_group(writer, list(range(last + 1, last + size + 1)))
        last += size
        acknowledged.append((len(directory.steps), last))
    for steps in range(len(directory.steps) + 1):
        survivors = directory.after_power_loss(steps=steps, chance=chance, seed=seed + 100 * steps)
        durable = max((n for at, n in acknowledged if at <= steps), default=None)
        if durable is None:
            if survivors.exists(PATH):
                assert seqs_of(read(survivors)) == []
            continue
        found = seqs_of(read(survivors))
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= durable


@pytest.mark.parametrize("torn", [b"", b"half a record"])
def test_records_that_were_found_when_a_log_goes_on_are_durable(torn: bytes) -> None:
    directory = FaultDirectory(MemoryDirectory())
    writer = WalWriter.create(directory, PATH, db_uuid=DB, number=1)
    append_group(writer, [1])
    writer.append([Frame(1, seq, [payload_of(seq)]) for seq in (2, 3)])
    writer.close()  # the process ended before a sync, and others saw what it had written
    tail = directory.open_append(PATH)
    tail.write([torn])
    tail.close()
    assert seqs_of(read(directory.after_power_loss())) == [1]
    WalWriter.resume(directory, read(directory)).close()
    assert seqs_of(read(directory.after_power_loss())) == [1, 2, 3]


@pytest.mark.parametrize("torn", [False, True])
def test_every_failing_step_keeps_what_was_acknowledged(torn: bool) -> None:
    groups = [[1], [2, 3, 4], [5]]
    for failing in range(100):
        directory = FaultDirectory(MemoryDirectory())
        directory.fail_after(failing, lasting=True, torn=torn)
        acknowledged = 0
        try:
            writer = WalWriter.create(directory, PATH, db_uuid=DB, number=1)
            for group in groups:
                append_group(writer, group)
                acknowledged = group[-1]
        except StorageFailedError:
            assert writer.is_poisoned
        except StorageError:
            assert acknowledged == 0
        else:
            assert failing == len(directory.steps) == 10
            return
        directory.stop_failing()
        if directory.exists(PATH):
            found = seqs_of(read(directory))
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= acknowledged
    raise AssertionError("the log never succeeded")
