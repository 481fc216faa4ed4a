"""In which of its partitions would Milvus have an entity of a collection with a partition key?

elanus keeps such a collection without them. Milvus places an entity by a hash of its key.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus import DataType
from elanus_server.service.context import Hosted

_HASHED_LENGTH = 100
"""Bytes of a text that count."""


def rows_of_key_partition(hosted: Hosted, place: int) -> int:
    """Return how many entities a partition of a collection with a partition key has.

    Args:
        hosted: The collection.
        place: Number of the partition, as in ``_default_3``.
    """
    schema = hosted.collection.schema
    field = next(field for field in schema.fields if field.partition_key)
    found = hosted.collection.aggregate("count(*)", group_by=field.name)
    keys = [group[field.name] for group in found]
    is_text = field.dtype is DataType.VARCHAR
    hashes = _hashed_texts(keys) if is_text else _hashed_numbers(keys)
    rows = np.array([group["count(*)"] for group in found], np.int64)
    return int(rows[hashes % hosted.record.key_partitions == place].sum())


def _hashed_texts(keys: Sequence[Any]) -> NDArray[np.uint32]:
    hashes = [zlib.crc32((key or "").encode()[:_HASHED_LENGTH]) for key in keys]
    return np.array(hashes, np.uint32)


def _hashed_numbers(keys: Sequence[Any]) -> NDArray[np.uint32]:
    """Return MurmurHash3 of 8-byte whole numbers, of 32 bits and without the highest one."""
    values = np.array([key or 0 for key in keys], "<i8").view("<u4").reshape(-1, 2)
    hashes = np.zeros(len(values), np.uint32)
    for word in values.T:
        mixed = _turned(word * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
        hashes = _turned(hashes ^ mixed, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    hashes ^= np.uint32(values.itemsize * 2)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes = (hashes ^ (hashes >> np.uint32(shift))) * np.uint32(factor)
    return (hashes ^ (hashes >> np.uint32(16))) & np.uint32(0x7FFFFFFF)


def _turned(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))
