"""What was acknowledged but is not in a segment yet?

A write-ahead log is one file that only grows. Each frame carries a checksum, the salt of its file,
so that stale bytes never look valid, and the length of the file that was known to be synced when
the frame was written. That length tells a torn tail from damage: bytes below it had been
acknowledged, bytes above it had not. Layout: docs/file-format.md.
"""

from __future__ import annotations

import re
import secrets
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elanus.errors import (
    CorruptionError,
    FormatVersionError,
    InvalidArgumentError,
    StorageError,
    StorageFailedError,
)
from elanus.kernels.checksum import crc32c
from elanus.storage.directory import (
    AppendFile,
    Bytes,
    Directory,
    FileSource,
    join_path,
    parent_path,
)

MAGIC = b"ELANWAL\x00"
FORMAT_VERSION = 1
HEADER_BYTES = 64
FRAME_HEAD_BYTES = 32
MAX_PAYLOAD_BYTES = 2**31 - 64
"""Frames larger than 2 GiB would need several writes and are refused."""

# magic, version, salt, database uuid, number of the file, length of the log before this one that
# counts (0: all of it), reserved zeros; then the CRC32C.
_HEADER = struct.Struct("<8sII16sQQ12x")
# CRC32C of all that follows, payload length, salt, type, reserved zeros, seq, synced length.
_FRAME_HEAD = struct.Struct("<IIIB3xQQ")
_CRC = struct.Struct("<I")
_ALIGNMENT = 8
_SALT_OFFSET = 8
_CRC_BYTES = 4
_NAME = re.compile(r"([0-9]{4})-([0-9]{20})\.wal\Z")
WAL_FOLDER = "wal"


@dataclass(frozen=True, slots=True)
class Frame:
    """One record to append.

    Attributes:
        type: What the payload means, 0 to 255; the log does not look at it.
        seq: Sequence number of the write.
        payload: The bytes, as buffers that are written end to end.
    """

    type: int
    seq: int
    payload: Sequence[Bytes]


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One record that was read.

    Attributes:
        type: What the payload means, 0 to 255.
        seq: Sequence number of the write.
        payload: The bytes, aligned to 8 bytes in the file; a view, nothing is copied.
        offset: Where the frame starts in the file.
    """

    type: int
    seq: int
    payload: memoryview
    offset: int


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` to ``end`` of a file."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WalHeader:
    """The first bytes of a log.

    Attributes:
        salt: Marks every frame of this file.
        previous_end: Bytes of the log before this one that count; 0 for all of them.
    """

    salt: int
    previous_end: int


@dataclass(frozen=True, slots=True)
class WalContents:
    """What a log holds.

    Attributes:
        path: The file.
        salt: The salt of its frames; None when the file was torn while it was created.
        frames: The frames that verify, in file order.
        valid_end: Length of the file without its torn tail.
        torn_bytes: Bytes of unacknowledged writes after ``valid_end``.
        damage: Ranges that do not verify; only with ``salvage``.
    """

    path: str
    salt: int | None
    frames: tuple[StoredFrame, ...]
    valid_end: int
    torn_bytes: int
    damage: tuple[ByteRange, ...] = ()


def encode_wal_header(header: WalHeader, db_uuid: uuid.UUID, number: int) -> bytes:
    """Return the first bytes of a log."""
    packed = _HEADER.pack(
        MAGIC, FORMAT_VERSION, header.salt, db_uuid.bytes, number, header.previous_end
    )
    return packed + _CRC.pack(crc32c(packed))


def wal_path(path: str, number: int, *, shard: int = 0) -> str:
    """Return the file of a log of the collection in folder ``path``."""
    return join_path(path, WAL_FOLDER, f"{shard:04d}-{number:020d}.wal")


def list_wals(directory: Directory, path: str, *, shard: int = 0) -> list[int]:
    """Return the numbers of a collection's logs, ascending. Other files are ignored."""
    found = map(_NAME.match, directory.list_names(join_path(path, WAL_FOLDER)))
    return sorted(int(match[2]) for match in found if match and int(match[1]) == shard)


def discard_wal(directory: Directory, path: str) -> bool:
    """Delete a log whose creation failed; return whether it is gone for good."""
    try:
        directory.delete(path)
        directory.sync_dir(parent_path(path))
    except StorageError:
        return False
    return True


class WalWriter:
    """The end of a log that is being written. Not safe from several threads at once.

    After any failed write or sync the log is poisoned: the kernel may have dropped the bytes and
    report success for a second sync, so nothing is ever retried.
    """

    def __init__(self, file: AppendFile, path: str, salt: int) -> None:
        """Use ``create`` or ``resume``."""
        self._file = file
        self._path = path
        self._salt = salt
        self._synced_end = file.size
        self._failure: StorageError | None = None
        self._closed = False

    @classmethod
    def create(
        cls,
        directory: Directory,
        path: str,
        *,
        db_uuid: uuid.UUID,
        number: int,
        previous_end: int = 0,
    ) -> WalWriter:
        """Create a log, durably, header included.

        Args:
            directory: Where the database is.
            path: The new file.
            db_uuid: The database.
            number: Number of the log.
            previous_end: Bytes of the log before this one that count; what follows them was never
                acknowledged. 0 for all of it.

        Raises:
            AlreadyExistsError: There is such a file.
            StorageError: The medium failed; a file that is left behind reads as empty.
        """
        salt = 1 + secrets.randbelow(2**32 - 1)  # 0 would match every zero-filled page
        file = directory.create_append(path)
        try:
            file.write([encode_wal_header(WalHeader(salt, previous_end), db_uuid, number)])
            file.sync()
            directory.sync_dir(parent_path(path))
        except BaseException:
            file.close()
            raise
        return cls(file, path, salt)

    @classmethod
    def resume(cls, directory: Directory, contents: WalContents) -> WalWriter:
        """Go on behind the last valid frame; the torn tail is cut off first.

        Frames that were read but perhaps never synced are durable when this returns.

        Raises:
            InvalidArgumentError: The log is damaged, or was torn while it was created.
        """
        if contents.salt is None or contents.damage:
            raise InvalidArgumentError(f"{contents.path}: a damaged log cannot be appended to")
        file = directory.open_append(contents.path)
        try:
            if file.size > contents.valid_end:
                file.truncate(contents.valid_end)
            file.sync()
        except BaseException:
            file.close()
            raise
        return cls(file, contents.path, contents.salt)

    @property
    def path(self) -> str:
        return self._path

    @property
    def salt(self) -> int:
        """Marks every frame of this file."""
        return self._salt

    @property
    def size(self) -> int:
        """Length of the file in bytes, whether synced or not."""
        return self._file.size

    @property
    def synced_end(self) -> int:
        """Length of the file that survives a power loss, in bytes."""
        return self._synced_end

    @property
    def is_poisoned(self) -> bool:
        """True after a failed write or sync."""
        return self._failure is not None

    def append(self, frames: Sequence[Frame]) -> None:
        """Write a group of frames in one call. They are durable only after ``sync``.

        Raises:
            InvalidArgumentError: A payload is larger than ``MAX_PAYLOAD_BYTES``; nothing is
                written.
            StorageFailedError: The log is poisoned, by this call or an earlier one.
        """
        self._check_usable()
        buffers: list[Bytes] = []
        for frame in frames:
            buffers += self._encode(frame)
        try:
            self._file.write(buffers)
        except StorageError as error:
            self._failure = error
            raise self._failed("write", error) from error
        except BaseException:
            # An interrupt in the middle leaves the file as unknown as a failure does.
            self._failure = StorageError("a write was interrupted")
            raise

    def sync(self) -> None:
        """Make everything appended so far durable.

        Raises:
            StorageFailedError: The log is poisoned, by this call or an earlier one. Frames since
                the last sync may or may not be found when the log is read again.
        """
        self._check_usable()
        end = self._file.size
        try:
            self._file.sync()
        except StorageError as error:
            self._failure = error
            raise self._failed("sync", error) from error
        except BaseException:
            # An interrupt in the middle leaves the file as unknown as a failure does.
            self._failure = StorageError("a sync was interrupted")
            raise
        self._synced_end = end

    def close(self) -> None:
        """Close the file without a sync. A second call does nothing."""
        self._closed = True
        self._file.close()

    def _encode(self, frame: Frame) -> list[Bytes]:
        payload = [memoryview(b).cast("B") for b in frame.payload if len(b)]
        length = sum(len(b) for b in payload)
        if length > MAX_PAYLOAD_BYTES:
            raise InvalidArgumentError(
                f"one write holds {length} bytes, the limit is {MAX_PAYLOAD_BYTES}: "
                f"split it into smaller batches"
            )
        head = _FRAME_HEAD.pack(0, length, self._salt, frame.type, frame.seq, self._synced_end)
        rest: list[Bytes] = [head[_CRC_BYTES:], *payload]
        if length % _ALIGNMENT:
            rest.append(bytes(-length % _ALIGNMENT))
        crc = 0
        for buffer in rest:
            crc = crc32c(buffer, crc)
        return [_CRC.pack(crc), *rest]

    def _check_usable(self) -> None:
        if self._failure is not None:
            raise StorageFailedError(
                f"{self._path}: an earlier write failed ({self._failure}); "
                f"close the database and open it again"
            ) from self._failure
        if self._closed:
            raise InvalidArgumentError(f"{self._path}: the log is closed")

    def _failed(self, what: str, error: StorageError) -> StorageFailedError:
        return StorageFailedError(
            f"{self._path}: could not {what} the write-ahead log: {error}. Writes that were "
            f"not acknowledged may or may not be found; close the database and open it again"
        )


def read_wal(
    directory: FileSource,
    path: str,
    *,
    db_uuid: uuid.UUID,
    is_last: bool = True,
    salvage: bool = False,
    start: int = HEADER_BYTES,
    end: int | None = None,
    synced_end: int = 0,
) -> WalContents:
    """Read a log and tell a torn tail from damage.

    Args:
        directory: Where the file is.
        path: The file.
        db_uuid: The database that the log has to belong to.
        is_last: No later log exists. Only the last one may have a torn tail: a later log is
            created after everything in this one was synced.
        salvage: Skip what is damaged and list it in ``damage`` instead of raising.
        start: Where the first frame to read begins; earlier ones are left out.
        end: Bytes of the file that count, as the next log says; None for all of them.
        synced_end: Length that is known to have been synced, from another source.

    Returns:
        The frames as views into the file, which stay valid after it is deleted.

    Raises:
        CorruptionError: Bytes that had been synced do not verify.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is no such file.
    """
    raw = directory.read(path)
    if end is not None:
        if len(raw) < end:
            if not salvage:
                raise _damaged(path, len(raw), f"{end} bytes had been synced")
            synced_end = end
        raw = raw[:end]
    if _is_torn_header(raw):
        if is_last or salvage:
            return WalContents(path, None, (), 0, len(raw))
        raise CorruptionError(f"{path}: damaged: the header is missing", path=path, offset=0)
    salt = _parse_header(raw, path, db_uuid).salt
    frames: list[StoredFrame] = []
    damage: list[ByteRange] = []
    position = start
    while True:
        run, position, _ = _valid_run(raw, position, salt)
        frames += run
        if position == len(raw):
            if position < synced_end:
                lost = ByteRange(position, synced_end)
                if not salvage:
                    raise _damaged(path, position, f"{synced_end} bytes had been synced")
                damage.append(lost)
            return WalContents(path, salt, tuple(frames), position, 0, tuple(damage))
        later = _next_valid(raw, position, salt)
        was_synced = position < synced_end or _was_synced(raw, position, later, salt)
        if is_last and not was_synced:
            torn = len(raw) - position
            return WalContents(path, salt, tuple(frames), position, torn, tuple(damage))
        if not salvage:
            proof = (
                "a later log or what the writer published says so"
                if later is None
                else f"a valid record follows at byte {later}"
            )
            raise _damaged(path, position, proof)
        damage.append(ByteRange(position, len(raw) if later is None else later))
        position = damage[-1].end


def read_wal_header(directory: FileSource, path: str, *, db_uuid: uuid.UUID) -> WalHeader | None:
    """Return the header of a log; None when the file was torn while it was created.

    Raises:
        CorruptionError: The header is damaged.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is no such file.
    """
    raw = directory.read(path)
    return None if _is_torn_header(raw) else _parse_header(raw, path, db_uuid)


def _is_torn_header(raw: memoryview) -> bool:
    # The header is synced before the first frame, so nothing was acknowledged in such a file.
    if len(raw) < HEADER_BYTES:
        return True
    return raw[:HEADER_BYTES] == bytes(HEADER_BYTES) and not np.frombuffer(raw, np.uint8).any()


def _parse_header(raw: memoryview, path: str, db_uuid: uuid.UUID) -> WalHeader:
    header = raw[: _HEADER.size]
    if crc32c(header) != _CRC.unpack_from(raw, _HEADER.size)[0]:
        raise CorruptionError(
            f"{path}: damaged: the checksum of the header does not match", path=path, offset=0
        )
    magic, version, salt, owner, _, previous_end = _HEADER.unpack(header)
    if magic != MAGIC:
        raise CorruptionError(f"{path}: damaged: not a write-ahead log", path=path, offset=0)
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: write-ahead log format {version} was written by a newer elanus; this one "
            f"reads up to {FORMAT_VERSION}: upgrade elanus"
        )
    if owner != db_uuid.bytes:
        raise CorruptionError(
            f"{path}: belongs to database {uuid.UUID(bytes=owner)}, expected {db_uuid}",
            path=path,
            offset=0,
        )
    return WalHeader(salt, previous_end)


def _valid_run(raw: memoryview, start: int, salt: int) -> tuple[list[StoredFrame], int, int]:
    """Return the frames from ``start`` to the first that is not valid.

    Returns:
        The frames, where the last of them ends, and the largest synced length in them.
    """
    run: list[StoredFrame] = []
    largest = 0
    while start + FRAME_HEAD_BYTES <= len(raw):
        crc, length, found_salt, kind, seq, synced = _FRAME_HEAD.unpack_from(raw, start)
        body = start + FRAME_HEAD_BYTES
        end = body + length + -length % _ALIGNMENT
        if found_salt != salt or end > len(raw):
            break
        if crc32c(raw[start + _CRC_BYTES : end]) != crc:
            break
        run.append(StoredFrame(kind, seq, raw[body : body + length], start))
        largest = max(largest, synced)
        start = end
    return run, start, largest


def _next_valid(raw: memoryview, start: int, salt: int) -> int | None:
    """Return where the first valid frame behind ``start`` begins, or None."""
    usable = len(raw) - len(raw) % _CRC_BYTES
    words = np.frombuffer(raw[start:usable], dtype="<u4")
    for position in np.flatnonzero(words == salt).tolist():
        candidate = start + position * _CRC_BYTES - _SALT_OFFSET
        if (
            candidate > start
            and candidate % _ALIGNMENT == 0
            and _valid_run(raw, candidate, salt)[0]
        ):
            return int(candidate)
    return None


def _was_synced(raw: memoryview, bad: int, later: int | None, salt: int) -> bool:
    """Return whether a frame from ``later`` on says that byte ``bad`` had been synced.

    Unsynced writes reach the disk in any order, so a whole frame may follow a torn one of the same
    group; a frame of a later group says that this one was synced.
    """
    while later is not None:
        _, end, synced = _valid_run(raw, later, salt)
        if synced > bad:
            return True
        later = _next_valid(raw, end, salt)
    return False


def _damaged(path: str, offset: int, proof: str) -> CorruptionError:
    return CorruptionError(
        f"{path}: damaged at byte {offset}: the record there does not verify although it had been "
        f"synced ({proof}). Restore a backup, or keep what verifies and list what is missing with "
        f"'elanus repair --salvage'",
        path=path,
        offset=offset,
    )
