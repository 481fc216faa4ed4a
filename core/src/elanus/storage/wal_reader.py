"""What does a write-ahead log say, and which of its bytes count?

The end of the last log may be torn by a crash, which is normal; bytes that had been synced and do
not verify are damage, and nothing is skipped silently.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np

from elanus.errors import CorruptionError
from elanus.kernels.checksum import crc32c
from elanus.storage.directory import FileSource
from elanus.storage.wal_format import (
    CRC_BYTES,
    FRAME_ALIGNMENT,
    FRAME_HEAD_BYTES,
    FRAME_LAYOUT,
    HEADER_BYTES,
    SALT_OFFSET,
    ByteRange,
    StoredFrame,
    WalContents,
    WalHeader,
    is_torn_header,
    parse_wal_header,
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
        if len(raw) < end and not salvage:
            raise _damaged(path, len(raw), f"{end} bytes had been synced")
        synced_end = max(synced_end, end)
        raw = raw[:end]
    if is_torn_header(raw):
        if is_last or salvage:
            return WalContents(path, None, (), 0, len(raw))
        raise CorruptionError(f"{path}: damaged: the header is missing", path=path, offset=0)
    salt = parse_wal_header(raw, path, db_uuid).salt
    scan = _Scan(raw, path, salt, may_be_torn=is_last, synced_end=synced_end)
    return scan.run(start, salvage=salvage)


@dataclass(frozen=True, slots=True)
class _Scan:
    """One pass over the records of a log.

    Attributes:
        raw: The bytes that count.
        path: The file, for messages.
        salt: Of the file.
        may_be_torn: The end may belong to writes that were never acknowledged.
        synced_end: Length that is known to have been synced.
    """

    raw: memoryview
    path: str
    salt: int
    may_be_torn: bool
    synced_end: int

    def run(self, start: int, *, salvage: bool) -> WalContents:
        frames: list[StoredFrame] = []
        damage: list[ByteRange] = []
        position = start
        while True:
            run, position, _ = _valid_run(self.raw, position, self.salt)
            frames += run
            later = _next_valid(self.raw, position, self.salt)
            proof = self._proof_of_sync(position, later)
            if proof is None:
                torn = len(self.raw) - position
                return WalContents(
                    self.path, self.salt, tuple(frames), position, torn, tuple(damage)
                )
            if not salvage:
                raise _damaged(self.path, position, proof)
            end = max(len(self.raw), self.synced_end) if later is None else later
            damage.append(ByteRange(position, end))
            if later is None:
                return WalContents(self.path, self.salt, tuple(frames), position, 0, tuple(damage))
            position = later

    def _proof_of_sync(self, position: int, later: int | None) -> str | None:
        """Return how it is known that there was more here than can be read; None when nothing is
        missing, or nothing that was acknowledged."""
        if position < self.synced_end:
            return f"{self.synced_end} bytes had been synced"
        if position == len(self.raw):
            return None
        if not self.may_be_torn:
            return "a later log exists"
        if later is not None and _was_synced(self.raw, position, later, self.salt):
            return f"a valid record follows at byte {later}"
        return None


def read_wal_header(directory: FileSource, path: str, *, db_uuid: uuid.UUID) -> WalHeader | None:
    """Return the header of a log; None when the file was torn while it was created.

    Raises:
        CorruptionError: The header is damaged.
        FormatVersionError: Written by a newer version of elanus.
        NotFoundError: There is no such file.
    """
    raw = directory.read(path)
    return None if is_torn_header(raw) else parse_wal_header(raw, path, db_uuid)


def _valid_run(raw: memoryview, start: int, salt: int) -> tuple[list[StoredFrame], int, int]:
    """Return the frames from ``start`` to the first that is not valid.

    Returns:
        The frames, where the last of them ends, and the largest synced length in them.
    """
    run: list[StoredFrame] = []
    largest = 0
    while start + FRAME_HEAD_BYTES <= len(raw):
        crc, length, found_salt, kind, seq, synced = FRAME_LAYOUT.unpack_from(raw, start)
        body = start + FRAME_HEAD_BYTES
        end = body + length + -length % FRAME_ALIGNMENT
        if found_salt != salt or end > len(raw):
            break
        if crc32c(raw[start + CRC_BYTES : end]) != crc:
            break
        run.append(StoredFrame(kind, seq, raw[body : body + length], start))
        largest = max(largest, synced)
        start = end
    return run, start, largest


def _next_valid(raw: memoryview, start: int, salt: int) -> int | None:
    """Return where the first valid frame behind ``start`` begins, or None."""
    usable = len(raw) - len(raw) % CRC_BYTES
    words = np.frombuffer(raw[start:usable], dtype="<u4")
    for position in np.flatnonzero(words == salt).tolist():
        candidate = start + position * CRC_BYTES - SALT_OFFSET
        if (
            candidate > start
            and candidate % FRAME_ALIGNMENT == 0
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
