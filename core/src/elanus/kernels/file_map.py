"""How do the bytes of a file get into an array without being read?

By mapping: pages come from the disk when they are touched, and go when memory is short. A map
keeps no descriptor, so that thousands of files may be open, and its bytes stay when the file is
deleted. Maps end in a thread of their own: the last one of a deleted file frees its blocks, which
may take seconds. Somebody who cuts a file under a map ends the process that touches the missing
bytes (SIGBUS); no check of a length can prevent that.
"""

from __future__ import annotations

import os

from elanus._native import Advice, FileMap, wait_until_unmapped

__all__ = ["Advice", "advise", "map_file", "wait_until_unmapped"]


def map_file(path: str) -> memoryview:
    """Return the bytes of a file, read-only, for as long as the view or an array over it lives.

    Raises:
        OSError: With the error number of the system.

    Releases the GIL.
    """
    return FileMap(os.fsencode(path)).view()


def advise(view: memoryview, advice: Advice, start: int = 0, end: int | None = None) -> bool:
    """Say how the pages behind some bytes of a file will be used. It never changes what is read.

    Args:
        view: What ``map_file`` returned; anything else is left alone.
        advice: ``WILL_NEED`` starts reading them, ``DONT_NEED`` takes them out of this process,
            ``RANDOM`` stops reading ahead, ``SEQUENTIAL`` reads ahead further.
        start: First byte, counted from the start of the file.
        end: Byte after the last one; None means the end of the file.

    Returns:
        Whether ``view`` is a map.
    """
    mapped = view.obj
    if not isinstance(mapped, FileMap):
        return False
    mapped.advise(advice, start, len(view) if end is None else end)
    return True
