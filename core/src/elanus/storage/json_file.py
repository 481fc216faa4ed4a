"""How is a small piece of state written down so that damage shows?

One line for machines, then JSON that people can read::

    elanus manifest 1 8f3a91c2 1204
    {"collection": "8d1c...", ...}

The line holds the kind, the version of the format, the CRC32C as 8 hexadecimal digits, and the
length of the JSON in bytes. The checksum covers kind, version and JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from elanus.errors import CorruptionError, FormatVersionError
from elanus.kernels.checksum import crc32c

_FIRST_LINE = re.compile(rb"elanus ([a-z]+) ([0-9]{1,9}) ([0-9a-f]{8}) ([0-9]{1,18})\n")


def encode_json_file(kind: str, version: int, content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file.

    Args:
        kind: What the file is, in lower-case letters.
        version: Version of the format of ``content``.
        content: JSON values.
    """
    body = json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"
    line = f"elanus {kind} {version} {_checksum(kind.encode(), version, body):08x} {len(body)}\n"
    return line.encode("ascii") + body


def decode_json_file(raw: memoryview, *, kind: str, version: int, path: str) -> dict[str, Any]:
    """Return the content of a file.

    Args:
        raw: The whole file.
        kind: What the file has to be.
        version: The newest version that the caller understands.
        path: For messages.

    Raises:
        CorruptionError: The bytes are not those that were written.
        FormatVersionError: Written by a newer version of elanus.
    """
    data = bytes(raw)
    match = _FIRST_LINE.match(data)
    if match is None:
        raise _damaged(path, f"does not start as an elanus {kind} file")
    stored_kind, stored_version = match[1], int(match[2])
    body = data[match.end() :]
    if len(body) != int(match[4]):
        raise _damaged(path, f"expected {int(match[4])} bytes of JSON, found {len(body)}")
    if _checksum(stored_kind, stored_version, body) != int(match[3], 16):
        raise _damaged(path, "the checksum does not match")
    if stored_kind.decode("ascii") != kind:
        raise _damaged(path, f"is a {stored_kind.decode('ascii')} file, expected {kind}")
    if stored_version > version:
        raise FormatVersionError(
            f"{path}: {kind} format {stored_version} was written by a newer elanus; this one reads "
            f"up to {version}: upgrade elanus"
        )
    try:
        content = json.loads(body)
    except ValueError as error:
        raise _damaged(path, f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise _damaged(path, f"expected a JSON object, found {type(content).__name__}")
    return content


def _checksum(kind: bytes, version: int, body: bytes) -> int:
    return crc32c(body, crc32c(kind + b" %d\n" % version))


def _damaged(path: str, what: str) -> CorruptionError:
    return CorruptionError(f"{path}: damaged: {what}", path=path)
