"""What was acknowledged but is not in a segment yet?

``WalWriter`` appends frames to a write-ahead log and syncs them. Format: ``wal_format``; reading:
``wal_reader``.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence

from elanus.errors import InvalidArgumentError, StorageError, StorageFailedError
from elanus.kernels.checksum import crc32c
from elanus.storage.directory import AppendFile, Bytes, Directory, parent_path
from elanus.storage.wal_format import (
    CRC_BYTES,
    CRC_LAYOUT,
    FRAME_ALIGNMENT,
    FRAME_LAYOUT,
    MAX_PAYLOAD_BYTES,
    Frame,
    WalContents,
    WalHeader,
    encode_wal_header,
)


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

    def append(self, frames: Sequence[Frame], *, sync: bool = False) -> None:
        """Write a group of frames in one call.

        Args:
            frames: The records.
            sync: Make them durable; else they are only after ``sync``.

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
            if sync:
                self._file.write_synced(buffers)
                self._synced_end = self._file.size
            else:
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
        head = FRAME_LAYOUT.pack(0, length, self._salt, frame.type, frame.seq, self._synced_end)
        rest: list[Bytes] = [head[CRC_BYTES:], *payload]
        if length % FRAME_ALIGNMENT:
            rest.append(bytes(-length % FRAME_ALIGNMENT))
        crc = 0
        for buffer in rest:
            crc = crc32c(buffer, crc)
        return [CRC_LAYOUT.pack(crc), *rest]

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
