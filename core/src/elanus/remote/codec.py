"""How do values become bytes, and bytes values again?

A message is a head, a JSON document and raw buffers. JSON holds what is plain; arrays, bytes and
long lists of numbers lie in buffers that the document points to. Everything else is an object with
the key ``$``: its tag stands in a table of what may come (``remote.values``), so no bytes can name
a class that is not meant. Layout: docs/decisions/0030-a-protocol-of-its-own.md.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from elanus.errors import InvalidArgumentError, ProtocolError

MAGIC = b"ELN1"
MAX_DEPTH = 100
"""Values inside of values, at most."""
MAX_BUFFERS = 1_000_000
MAX_DIMENSIONS = 4
TAG = "$"
_HEAD = struct.Struct("<4sIQ")
"""Magic, number of buffers, bytes of the document."""
_ALIGNMENT = 8
_PACKED_FROM = 8
"""Numbers from which a list lies in a buffer."""
_DTYPES = {
    np.dtype(code).str: np.dtype(code)
    for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
}
_PLAIN = frozenset({str, int, float, bool, type(None)})

Pack: TypeAlias = "Callable[[Encoder, Any], dict[str, Any]]"
Unpack: TypeAlias = "Callable[[Decoder, Mapping[str, Any]], Any]"


class Tags:
    """What may be in a message besides plain values: by class to send it, by tag to read it."""

    def __init__(self) -> None:
        self.packers: dict[type, tuple[str, Pack]] = {}
        self.unpackers: dict[str, Unpack] = {}

    def add(self, kind: type, tag: str, pack: Pack, unpack: Unpack) -> None:
        """Let values of exactly this class be sent."""
        self.packers[kind] = (tag, pack)
        self.unpackers[tag] = unpack


class Encoder:
    """Gathers the buffers of one message."""

    def __init__(self, tags: Tags) -> None:
        self._tags = tags
        self._depth = 0
        self.buffers: list[memoryview | bytes] = []

    def value(self, value: Any) -> Any:
        """Return a value as JSON has it.

        Raises:
            InvalidArgumentError: It is nothing that a message can hold; says what.
        """
        kind = type(value)
        if kind in _PLAIN:
            return value
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidArgumentError(f"values are nested deeper than {MAX_DEPTH}")
        try:
            if kind is dict:
                return self._dict(value)
            if kind is list:
                return self._list(value)
            known = self._tags.packers.get(kind)
            if known is not None:
                tag, pack = known
                return {TAG: tag, **pack(self, value)}
            return self._other(value)
        finally:
            self._depth -= 1

    def values(self, values: Iterable[Any]) -> list[Any]:
        """Return several values."""
        return [one if type(one) in _PLAIN else self.value(one) for one in values]

    def buffer(self, raw: memoryview | bytes) -> int:
        """Add bytes; return their number."""
        self.buffers.append(raw)
        return len(self.buffers) - 1

    def array(self, array: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Return an array of numbers or bools."""
        if array.dtype.str not in _DTYPES:
            # Big-endian ones, and bfloat16, of which every value is a float32.
            fits = array.dtype.newbyteorder("<")
            array = array.astype(fits if fits.str in _DTYPES else np.float32)
        flat = np.ascontiguousarray(array).reshape(-1)
        raw = flat.view(np.uint8).data if array.size else b""
        return {TAG: "array", "b": self.buffer(raw), "t": array.dtype.str, "s": list(array.shape)}

    def _dict(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str for key in value) and TAG not in value:
            return {
                key: one if type(one) in _PLAIN else self.value(one) for key, one in value.items()
            }
        keys, values = list(value), list(value.values())
        if len(keys) >= _PACKED_FROM and _are(int, keys) and _are(float, values):
            return {TAG: "dict", "k": self.value(keys), "v": self.value(values)}
        return {TAG: "dict", "k": self.values(keys), "v": self.values(values)}

    def _list(self, value: list[Any]) -> Any:
        if len(value) >= _PACKED_FROM and type(value[0]) in (float, int):
            packed = self._packed(value)
            if packed is not None:
                return packed
        return self.values(value)

    def _packed(self, value: list[Any]) -> dict[str, Any] | None:
        if _are(float, value):
            return {**self.array(np.array(value, dtype=np.float64)), TAG: "list"}
        if _are(int, value) and min(value) >= -(2**63) and max(value) < 2**63:
            return {**self.array(np.array(value, dtype=np.int64)), TAG: "list"}
        return None

    def _other(self, value: Any) -> Any:
        """Return what is nearly something that is known."""
        if isinstance(value, np.ndarray):
            if value.ndim > MAX_DIMENSIONS:
                raise InvalidArgumentError(f"array of {value.ndim} dimensions: expected at most 4")
            if value.dtype.kind in "OUSMm":
                return self.value(value.tolist())
            return self.array(value)
        if isinstance(value, np.generic):
            return self.value(value.item())
        plain: tuple[Any, ...] = (bool, int, float, str, bytes)
        for kind in plain:
            if isinstance(value, kind):
                return self.value(kind(value))
        if hasattr(value, "__fspath__"):
            return str(value)
        if hasattr(value, "tocsr"):  # a sparse matrix of SciPy
            return self.value(_sparse_rows(value))
        if isinstance(value, Mapping):
            return self.value(dict(value))
        if isinstance(value, Sequence | set | frozenset | type({}.keys()) | type({}.values())):
            return self.value(list(value))
        if hasattr(value, "__array__"):
            return self.value(np.asarray(value))
        raise InvalidArgumentError(
            f"a {type(value).__name__} cannot be sent to a server: it lives in this process"
        )


class Decoder:
    """Reads the values of one message.

    Args:
        tags: What may be in it.
        buffers: Its buffers.
    """

    def __init__(self, tags: Tags, buffers: Sequence[memoryview]) -> None:
        self._tags = tags
        self._buffers = buffers
        self._depth = 0

    def value(self, value: Any) -> Any:
        """Return what JSON stands for.

        Raises:
            ProtocolError: It stands for nothing.
        """
        kind = type(value)
        if kind in _PLAIN:
            return value
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ProtocolError(f"values are nested deeper than {MAX_DEPTH}")
        try:
            if kind is list:
                return self.values(value)
            tag = value.get(TAG)
            if tag is None:
                return {
                    key: one if type(one) in _PLAIN else self.value(one)
                    for key, one in value.items()
                }
            return self._tagged(tag, value)
        finally:
            self._depth -= 1

    def values(self, values: Any) -> list[Any]:
        """Return several values."""
        if type(values) is not list:
            raise ProtocolError(f"expected a list, got {type(values).__name__}")
        return [one if type(one) in _PLAIN else self.value(one) for one in values]

    def buffer(self, number: Any) -> memoryview:
        """Return a buffer by its number."""
        if type(number) is not int or not 0 <= number < len(self._buffers):
            raise ProtocolError(f"no buffer {number!r}")
        return self._buffers[number]

    def array(self, value: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        """Return an array, which cannot be written to."""
        dtype, shape = _DTYPES.get(str(value.get("t"))), value.get("s")
        if dtype is None or type(shape) is not list or len(shape) > MAX_DIMENSIONS:
            raise ProtocolError("an array has no such type or shape")
        raw, size = self.buffer(value.get("b")), dtype.itemsize
        for one in shape:
            if type(one) is not int or not 0 <= one < 2**40:
                raise ProtocolError(f"an array cannot have the shape {shape!r}")
            size *= one
        if size != len(raw):
            raise ProtocolError(f"an array of {size} bytes has a buffer of {len(raw)}")
        found = np.frombuffer(raw, dtype).reshape(shape)
        if dtype.kind == "b" and found.size and int(found.view(np.uint8).max()) > 1:
            raise ProtocolError("an array of bools holds something else")
        return found

    def _tagged(self, tag: Any, value: Mapping[str, Any]) -> Any:
        if tag == "array":
            return self.array(value)
        if tag == "list":
            return self.array(value).tolist()
        if tag == "dict":
            keys, values = self.value(value.get("k")), self.value(value.get("v"))
            try:
                return dict(zip(keys, values, strict=True))
            except (TypeError, ValueError) as error:
                raise ProtocolError(f"keys and values are no dict: {error}") from None
        unpack = self._tags.unpackers.get(tag) if type(tag) is str else None
        if unpack is None:
            raise ProtocolError(f"no value is tagged {str(tag)[:100]!r}")
        return unpack(self, value)


def encode(value: Any, tags: Tags) -> bytes:
    """Return a message.

    Raises:
        InvalidArgumentError: The value holds something that cannot be sent.
    """
    encoder = Encoder(tags)
    document = encoder.value(value)
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    sizes = [len(one) for one in encoder.buffers]
    parts: list[Any] = [
        _HEAD.pack(MAGIC, len(sizes), len(raw)),
        struct.pack(f"<{len(sizes)}Q", *sizes),
        raw,
    ]
    place = sum(map(len, parts))
    for one in encoder.buffers:
        # Aligned, so that arrays are read where they lie.
        padding = -place % _ALIGNMENT
        parts += [bytes(padding), one]
        place += padding + len(one)
    return b"".join(parts)


def decode(raw: bytes | memoryview, tags: Tags) -> Any:
    """Return the value of a message; its arrays are views of ``raw``.

    Raises:
        ElanusError: These bytes are no message, or a value in it is none that it could be. No bytes
            lead to any other failure.
    """
    document, buffers = _split(memoryview(raw).toreadonly())
    try:
        plain = json.loads(str(document, "utf-8", "surrogatepass"))
        return Decoder(tags, buffers).value(plain)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise ProtocolError(f"the document of a message cannot be read: {error}") from None
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ProtocolError(f"a value in a message does not fit: {error}") from None


def begun(raw: bytes) -> Any:
    """Return the document of a message of which only the beginning is there.

    Args:
        raw: The beginning. What lies in buffers is not looked at, so it may end in them.

    Returns:
        The document as JSON has it; None: more of the message is needed.

    Raises:
        ProtocolError: These bytes begin no message.
    """
    if not MAGIC.startswith(raw[: len(MAGIC)]):
        raise ProtocolError(f"expected a message that begins with {MAGIC!r}, got {raw[:4]!r}")
    if len(raw) < _HEAD.size:
        return None
    _, count, length = _HEAD.unpack_from(raw)
    place = _HEAD.size + 8 * count
    if len(raw) < place + length:
        return None
    try:
        return json.loads(str(raw[place : place + length], "utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the document of a message cannot be read: {error}") from None


def _split(raw: memoryview) -> tuple[memoryview, list[memoryview]]:
    """Return the document and the buffers of a message."""
    if len(raw) < _HEAD.size:
        raise ProtocolError(f"{len(raw)} bytes are no message")
    magic, count, length = _HEAD.unpack_from(raw)
    if magic != MAGIC:
        raise ProtocolError(f"expected a message that begins with {MAGIC!r}, got {magic!r}")
    place = _HEAD.size + 8 * count
    if count > MAX_BUFFERS or place + length > len(raw):
        raise ProtocolError("a message ends before it is whole")
    sizes = struct.unpack_from(f"<{count}Q", raw, _HEAD.size)
    document = raw[place : place + length]
    place += length
    buffers = []
    for size in sizes:
        place += -place % _ALIGNMENT
        if place + size > len(raw):
            raise ProtocolError("a buffer ends after its message")
        buffers.append(raw[place : place + size])
        place += size
    if place != len(raw):
        raise ProtocolError(f"{len(raw) - place} bytes too many in a message")
    return document, buffers


def _are(kind: type, values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {kind}


def _sparse_rows(matrix: Any) -> list[dict[int, float]]:
    by_rows = matrix.tocsr()
    ends, dims, weights = (getattr(by_rows, n).tolist() for n in ("indptr", "indices", "data"))
    rows = itertools.pairwise(ends)
    return [dict(zip(dims[a:b], weights[a:b], strict=True)) for a, b in rows]
