import uuid

import pytest

from elanus.errors import (
    AlreadyExistsError,
    CorruptionError,
    FormatVersionError,
    InvalidArgumentError,
    NotFoundError,
    StorageFailedError,
)
from elanus.kernels.checksum import crc32c
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.wal import WalWriter
from elanus.storage.wal_format import HEADER_BYTES, Frame, WalContents, list_wals, wal_path
from elanus.storage.wal_reader import read_wal
from support.fault_directory import FaultDirectory

DB = uuid.UUID(int=1)
PATH = "a.wal"


def create(directory: MemoryDirectory | FaultDirectory) -> WalWriter:
    return WalWriter.create(directory, PATH, db_uuid=DB, number=1)


def read(directory: MemoryDirectory | FaultDirectory, **options: bool) -> WalContents:
    return read_wal(directory, PATH, db_uuid=DB, **options)


def frames_of(contents: WalContents) -> list[tuple[int, int, bytes]]:
    return [(f.type, f.seq, bytes(f.payload)) for f in contents.frames]


def write_groups(directory: MemoryDirectory, groups: list[list[tuple[int, int, bytes]]]) -> None:
    """Append each group and sync it."""
    writer = create(directory)
    for group in groups:
        writer.append([Frame(kind, seq, [payload]) for kind, seq, payload in group])
        writer.sync()
    writer.close()


def append_and_sync(writer: WalWriter, frame: Frame) -> None:
    writer.append([frame])
    writer.sync()


def rewrite(directory: MemoryDirectory, content: bytes) -> None:
    directory.delete(PATH)
    directory.write_new(PATH, [content])


def test_frames_read_back_in_order() -> None:
    directory = MemoryDirectory()
    groups = [[(1, 10, b"first"), (2, 11, b"")], [(255, 2**64 - 1, b"x" * 1000)]]
    write_groups(directory, groups)
    contents = read(directory)
    assert frames_of(contents) == [*groups[0], *groups[1]]
    assert contents.valid_end == directory.size(PATH)
    assert (contents.torn_bytes, contents.damage) == (0, ())


def test_payload_of_several_buffers_is_joined_and_aligned() -> None:
    directory = MemoryDirectory()
    writer = create(directory)
    writer.append([Frame(1, 1, [b"abc", bytearray(b""), memoryview(b"de")]), Frame(1, 2, [b"f"])])
    writer.close()
    contents = read(directory)
    assert frames_of(contents) == [(1, 1, b"abcde"), (1, 2, b"f")]
    assert [f.offset % 8 for f in contents.frames] == [0, 0]


def test_new_log_is_empty() -> None:
    directory = MemoryDirectory()
    create(directory).close()
    contents = read(directory)
    assert (contents.frames, contents.valid_end, contents.torn_bytes) == ((), HEADER_BYTES, 0)


def test_create_refuses_a_taken_name() -> None:
    directory = MemoryDirectory()
    create(directory).close()
    with pytest.raises(AlreadyExistsError):
        create(directory)


def test_missing_log() -> None:
    with pytest.raises(NotFoundError):
        read(MemoryDirectory())


def test_layout_byte_by_byte() -> None:
    directory = MemoryDirectory()
    writer = create(directory)
    writer.append([Frame(3, 0x1122334455667788, [b"payload"])])
    raw = bytes(directory.read(PATH))
    salt = raw[12:16]
    header = b"ELANWAL\x00" + b"\x01\0\0\0" + salt + DB.bytes + b"\x01" + bytes(7) + bytes(20)
    assert raw[:60] == header
    assert raw[60:64] == crc32c(header).to_bytes(4, "little")
    rest = (
        (7).to_bytes(4, "little")
        + salt
        + b"\x03\0\0\0"
        + bytes.fromhex("8877665544332211")
        + (64).to_bytes(8, "little")
        + b"payload\0"
    )
    assert raw[64:] == crc32c(rest).to_bytes(4, "little") + rest


def test_frames_carry_the_length_that_was_synced_before() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"12345678")], [(1, 2, b"12345678"), (1, 3, b"12345678")]])
    raw = directory.read(PATH)
    synced = [
        int.from_bytes(raw[f.offset + 24 : f.offset + 32], "little") for f in read(directory).frames
    ]
    assert synced == [64, 104, 104]


def test_resume_appends_behind_the_last_frame() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")]])
    writer = WalWriter.resume(directory, read(directory))
    writer.append([Frame(1, 2, [b"two"])])
    writer.sync()
    writer.close()
    assert frames_of(read(directory)) == [(1, 1, b"one"), (1, 2, b"two")]


def test_resume_cuts_the_torn_tail() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")], [(1, 2, b"two")]])
    whole = bytes(directory.read(PATH))
    rewrite(directory, whole[:-3])
    contents = read(directory)
    assert contents.torn_bytes == 37
    writer = WalWriter.resume(directory, contents)
    assert directory.size(PATH) == contents.valid_end == writer.synced_end
    writer.append([Frame(1, 9, [b"nine"])])
    writer.close()
    assert frames_of(read(directory)) == [(1, 1, b"one"), (1, 9, b"nine")]


def test_log_torn_while_it_was_created_reads_as_empty() -> None:
    directory = MemoryDirectory()
    for content in (b"", b"ELANWAL", bytes(HEADER_BYTES), bytes(4096)):
        rewrite(directory, content)
        contents = read(directory)
        assert (contents.salt, contents.frames, contents.torn_bytes) == (None, (), len(content))
        with pytest.raises(InvalidArgumentError):
            WalWriter.resume(directory, contents)
        with pytest.raises(CorruptionError, match="header is missing"):
            read(directory, is_last=False)


def test_zeroed_header_in_front_of_frames_is_damage() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")]])
    rewrite(directory, bytes(HEADER_BYTES) + bytes(directory.read(PATH))[HEADER_BYTES:])
    with pytest.raises(CorruptionError, match="header"):
        read(directory)


def test_torn_tail_of_an_older_log_is_damage() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")], [(1, 2, b"two")]])
    rewrite(directory, bytes(directory.read(PATH))[:-1])
    assert frames_of(read(directory)) == [(1, 1, b"one")]
    with pytest.raises(CorruptionError, match="a later log") as caught:
        read(directory, is_last=False)
    assert (caught.value.path, caught.value.offset) == (PATH, 104)


def test_a_later_log_says_how_much_of_this_one_counts() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")], [(1, 2, b"two")]])
    assert frames_of(read(directory, is_last=False, end=104)) == [(1, 1, b"one")]
    with pytest.raises(CorruptionError, match="1000 bytes had been synced") as caught:
        read(directory, is_last=False, end=1000)
    assert (caught.value.path, caught.value.offset) == (PATH, 144)


def test_what_the_writer_published_tells_damage_from_a_torn_tail() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")], [(1, 2, b"two")]])
    whole = bytes(directory.read(PATH))
    for cut in range(104, len(whole)):
        rewrite(directory, whole[:cut])
        assert frames_of(read(directory, synced_end=104)) == [(1, 1, b"one")]
        with pytest.raises(CorruptionError, match="had been synced") as caught:
            read(directory, synced_end=len(whole))
        assert (caught.value.path, caught.value.offset) == (PATH, 104)


def test_reading_goes_on_where_it_ended() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"one")], [(1, 2, b"two")]])
    assert frames_of(read(directory, start=104)) == [(1, 2, b"two")]


def test_damage_before_a_synced_frame_is_refused_and_salvaged_on_request() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"12345678")], [(1, 2, b"12345678")], [(1, 3, b"12345678")]])
    raw = bytearray(directory.read(PATH))
    raw[140] ^= 1
    rewrite(directory, bytes(raw))
    with pytest.raises(CorruptionError, match="elanus repair --salvage") as caught:
        read(directory)
    assert (caught.value.path, caught.value.offset) == (PATH, 104)
    contents = read(directory, salvage=True)
    assert frames_of(contents) == [(1, 1, b"12345678"), (1, 3, b"12345678")]
    assert [(d.start, d.end) for d in contents.damage] == [(104, 144)]
    with pytest.raises(InvalidArgumentError, match="damaged"):
        WalWriter.resume(directory, contents)


def test_whole_frame_behind_a_torn_one_of_the_same_group_is_a_torn_tail() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"acked")], [(1, 2, b"torn"), (1, 3, b"whole")]])
    raw = bytearray(directory.read(PATH))
    raw[104 + 32] ^= 1
    rewrite(directory, bytes(raw))
    contents = read(directory)
    assert frames_of(contents) == [(1, 1, b"acked")]
    assert contents.torn_bytes == 80


def test_stale_frames_of_another_log_never_count() -> None:
    directory = MemoryDirectory()
    write_groups(directory, [[(1, 1, b"stale")]])
    stale = bytes(directory.read(PATH))[HEADER_BYTES:]
    directory.delete(PATH)
    write_groups(directory, [[(1, 7, b"fresh")]])
    rewrite(directory, bytes(directory.read(PATH)) + stale)
    contents = read(directory)
    assert frames_of(contents) == [(1, 7, b"fresh")]
    assert contents.torn_bytes == len(stale)


def test_log_of_another_database_is_refused() -> None:
    directory = MemoryDirectory()
    create(directory).close()
    with pytest.raises(CorruptionError, match="belongs to database"):
        read_wal(directory, PATH, db_uuid=uuid.UUID(int=2))


def test_newer_format_is_refused_by_name() -> None:
    directory = MemoryDirectory()
    create(directory).close()
    raw = bytearray(directory.read(PATH))
    raw[8] = 2
    raw[60:64] = crc32c(raw[:60]).to_bytes(4, "little")
    rewrite(directory, bytes(raw))
    with pytest.raises(FormatVersionError, match="write-ahead log format 2"):
        read(directory)


def test_payload_above_the_limit_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("elanus.storage.wal.MAX_PAYLOAD_BYTES", 10)
    directory = MemoryDirectory()
    writer = create(directory)
    with pytest.raises(InvalidArgumentError, match="11 bytes, the limit is 10"):
        writer.append([Frame(1, 1, [b"x"]), Frame(1, 2, [bytes(11)])])
    assert writer.size == HEADER_BYTES
    assert not writer.is_poisoned


@pytest.mark.parametrize("failing", ["write", "sync"])
def test_failure_poisons_the_log_for_good(failing: str) -> None:
    directory = FaultDirectory(MemoryDirectory())
    writer = create(directory)
    writer.append([Frame(1, 1, [b"one"])])
    writer.sync()
    directory.fail_after(0 if failing == "write" else 1)
    with pytest.raises(StorageFailedError, match=failing):
        append_and_sync(writer, Frame(1, 2, [b"two"]))
    assert writer.is_poisoned
    done = len(directory.steps)
    with pytest.raises(StorageFailedError, match="earlier write failed"):
        writer.append([Frame(1, 3, [b"three"])])
    with pytest.raises(StorageFailedError, match="earlier write failed"):
        writer.sync()
    assert len(directory.steps) == done
    assert writer.synced_end == 104


def test_closed_log_takes_no_frames() -> None:
    writer = create(MemoryDirectory())
    writer.close()
    writer.close()
    with pytest.raises(InvalidArgumentError, match="closed"):
        writer.append([Frame(1, 1, [b"x"])])


def test_list_wals_ignores_other_files() -> None:
    directory = MemoryDirectory()
    directory.make_dir("c/wal")
    for number in (12, 3):
        WalWriter.create(directory, wal_path("c", number), db_uuid=DB, number=number).close()
    directory.write_new(wal_path("c", 5, shard=1), [b""])
    directory.write_new("c/wal/notes.txt", [b""])
    assert list_wals(directory, "c") == [3, 12]
    assert list_wals(directory, "c", shard=1) == [5]
    assert list_wals(directory, "other") == []
