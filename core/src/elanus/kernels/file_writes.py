"""How do bytes get into a file in one step?

A log record is written and synced in one call that gives the GIL up once: with readers in other
threads, a writer may have to wait 5 ms each time that it wants it back. What is small and not
synced only goes to the page cache, which takes less than that, so it keeps the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from elanus._native import append_file, overwrite_file

__all__ = ["Appended", "append_to", "overwrite"]


class Appended(NamedTuple):
    """What became of an append.

    Attributes:
        written: Bytes that are in the file now.
        write_error: Error number of the system; 0 for none.
        sync_error: Error number of the sync; 0 when it succeeded or was not asked for.
    """

    written: int
    write_error: int
    sync_error: int


def append_to(fd: int, buffers: Sequence[Any], *, sync: bool) -> Appended:
    """Write buffers end to end to an open file.

    Args:
        fd: Descriptor, at the place to write to.
        buffers: Objects with a contiguous buffer.
        sync: Return once everything in the file survives a power loss. Never repeated: after a
            failed sync the kernel may have dropped the bytes.
    """
    return Appended(*append_file(fd, list(buffers), sync))


def overwrite(fd: int, content: bytes) -> None:
    """Put ``content`` at the start of an open file.

    Raises:
        OSError: With the error number of the system.
    """
    number = overwrite_file(fd, content)
    if number:
        raise OSError(number, os.strerror(number))
