"""What has the writer acknowledged?

``PUB`` holds a few numbers that the writing process overwrites whenever a write becomes visible.
Processes that read look at it before each search, which costs no system call, and then take in
what is new. It is never synced: its checksum tells torn bytes, and the manifest, the salt of the
log and the start of the machine tell stale ones. Layout: docs/file-format.md.
"""

from __future__ import annotations

import contextlib
import functools
import struct
import uuid
from dataclasses import dataclass, field

from elanus.errors import NotFoundError, StorageError
from elanus.kernels.checksum import crc32c
from elanus.storage.directory import Directory, SharedFile, join_path
from elanus.storage.lock import boot_id

PUBLICATION_FILE = "PUB"
MAGIC = b"ELANPUB\x00"
FORMAT_VERSION = 1
_DROPPED = 1
_READ_ATTEMPTS = 100

# magic, format version, flags, manifest version, log number, log salt, reserved zeros,
# acknowledged length, synced length, last seq, boot id; then the CRC32C.
_LAYOUT = struct.Struct("<8sIIQQI4xQQQ16s")
_CRC = struct.Struct("<I")
PUBLICATION_BYTES = 128
_PADDING = bytes(PUBLICATION_BYTES - _LAYOUT.size - _CRC.size)


@functools.cache
def boot_id_bytes() -> bytes:
    """Return 16 bytes that differ between two starts of the machine; zeros where unknown."""
    try:
        return uuid.UUID(boot_id()).bytes
    except ValueError:
        return bytes(16)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a collection consists of, as of the last write that was acknowledged.

    Attributes:
        manifest_version: The current manifest.
        wal_number: Number of the log that is being written.
        wal_salt: Salt of that log.
        acked_end: Length of that log in bytes, up to the last acknowledged write.
        synced_end: Length of that log that survives a power loss; smaller than ``acked_end``
            only with a weaker durability than ``commit``.
        last_seq: Sequence number of the last acknowledged write.
        boot_id: The start of the machine during which this was written; zeros where unknown.
        is_dropped: The collection was deleted.
    """

    manifest_version: int
    wal_number: int
    wal_salt: int
    acked_end: int
    synced_end: int
    last_seq: int
    boot_id: bytes = field(default_factory=boot_id_bytes)
    is_dropped: bool = False

    @property
    def is_of_this_boot(self) -> bool:
        """Whether no power loss can lie between writing and reading this."""
        return self.boot_id == boot_id_bytes()


def encode_publication(publication: Publication) -> bytes:
    """Return the bytes of ``PUB``."""
    content = _LAYOUT.pack(
        MAGIC,
        FORMAT_VERSION,
        _DROPPED if publication.is_dropped else 0,
        publication.manifest_version,
        publication.wal_number,
        publication.wal_salt,
        publication.acked_end,
        publication.synced_end,
        publication.last_seq,
        publication.boot_id,
    )
    return content + _PADDING + _CRC.pack(crc32c(content + _PADDING))


def decode_publication(raw: bytes) -> Publication | None:
    """Return what the bytes say; None when they are torn, damaged or of a newer format."""
    if len(raw) != PUBLICATION_BYTES:
        return None
    if crc32c(raw[: -_CRC.size]) != _CRC.unpack_from(raw, len(raw) - _CRC.size)[0]:
        return None
    magic, version, flags, *numbers, boot = _LAYOUT.unpack_from(raw)
    if magic != MAGIC or version > FORMAT_VERSION:
        return None
    manifest_version, wal_number, wal_salt, acked_end, synced_end, last_seq = numbers
    return Publication(
        manifest_version,
        wal_number,
        wal_salt,
        acked_end,
        synced_end,
        last_seq,
        boot_id=boot,
        is_dropped=bool(flags & _DROPPED),
    )


def read_publication(directory: Directory, path: str) -> Publication | None:
    """Return what the writer of a collection last published.

    Args:
        directory: Where the database is.
        path: Folder of the collection.

    Returns:
        None when there is none that can be trusted; the manifest and the logs say all then.
    """
    reader = PublicationReader(directory, path)
    try:
        reader.changed()
        return reader.current
    finally:
        reader.close()


class PublicationReader:
    """Watches what a writer publishes. Not safe from several threads at once."""

    def __init__(self, directory: Directory, path: str) -> None:
        self._directory = directory
        self._file = join_path(path, PUBLICATION_FILE)
        self._shared: SharedFile | None = None
        self._seen = b""
        self.current: Publication | None = None

    def changed(self) -> bool:
        """Look again; True when ``current`` is another one than at the last call."""
        shared = self._shared or self._open()
        if shared is None:
            return False
        raw = shared.read()
        if raw == self._seen:
            return False
        for _ in range(_READ_ATTEMPTS):
            found = decode_publication(raw)
            if found is not None:
                break
            raw = shared.read()  # the writer is in the middle of it
        self._seen = raw
        self.current = found
        return True

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _open(self) -> SharedFile | None:
        with contextlib.suppress(NotFoundError, StorageError):
            self._shared = self._directory.open_shared(
                self._file, PUBLICATION_BYTES, writable=False
            )
        return self._shared


class PublicationWriter:
    """Tells readers what is acknowledged. Best effort: without it they read manifest and logs."""

    def __init__(self, directory: Directory, path: str) -> None:
        self._directory = directory
        self._path = join_path(path, PUBLICATION_FILE)
        self._shared: SharedFile | None = None
        with contextlib.suppress(NotFoundError, StorageError):
            self._shared = directory.open_shared(self._path, PUBLICATION_BYTES, writable=True)

    def publish(self, publication: Publication) -> None:
        """Overwrite what readers see."""
        if self._shared is None:
            return
        try:
            self._shared.write(encode_publication(publication))
        except StorageError:
            # A stale one would hide acknowledged writes; without one readers look at the files.
            self.close()
            with contextlib.suppress(StorageError):
                self._directory.delete(self._path)

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None
