"""Which rows do damaged blocks belong to, and what can be read of a column in spite of them?

Head and footer of a block file say where every section lies; the checksum of each block says which
bytes to trust. From both follow the rows whose values are lost, and a column in which every other
row is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError, FormatVersionError, NotFoundError
from elanus.kernels.checksum import crc32c
from elanus.schema.batches import Column
from elanus.schema.fields import Field
from elanus.storage.block_format import BLOCK_BYTES, Layout, PlacedSection, damaged, read_layout
from elanus.storage.columns import INVERSE_NORMS, ITEM_PREFIX, sections_to_column
from elanus.storage.directory import FileSource
from elanus.types import AnyArray, BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class FileScan:
    """A block file and what of it verifies.

    Attributes:
        path: The file.
        raw: Its bytes; None when it is missing.
        layout: Its places; None when head or footer do not verify.
        problem: What is wrong first; None when every byte verifies.
        offset: Where that is, in bytes.
        bad: Byte ranges that do not verify, ascending and apart.
    """

    path: str
    raw: memoryview | None = None
    layout: Layout | None = None
    problem: str | None = None
    offset: int | None = None
    bad: tuple[tuple[int, int], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every byte verifies."""
        return self.problem is None

    def array(self, name: str) -> NDArray[Any]:
        """Return a section as it is, verified or not.

        Raises:
            CorruptionError: It cannot be located.
        """
        if self.raw is None or self.layout is None or name not in self.layout.sections:
            raise CorruptionError(f"{self.path}: section {name!r} is missing", path=self.path)
        place = self.layout.sections[name]
        raw = self.raw[place.offset : place.offset + place.length]
        return np.frombuffer(raw, dtype=np.uint8 if place.dtype is None else place.dtype)


def scan_file(source: FileSource, path: str, *, size: int, crc: int, kind: str) -> FileScan:
    """Read all of a block file and compare every checksum. Damage is returned, not raised.

    Args:
        source: Where the file is.
        path: The file.
        size: Length in bytes that it has to have.
        crc: CRC32C that its footer has to have.
        kind: What it has to be.
    """
    try:
        raw = source.read(path)
    except NotFoundError:
        return FileScan(path, problem=f"{path}: the file is missing")
    try:
        if len(raw) != size:
            raise damaged(path, min(size, len(raw)), f"expected {size} bytes, found {len(raw)}")
        layout = read_layout(raw, path)
        if layout.crc != crc or layout.kind != kind:
            raise damaged(path, layout.footer_offset, "not the file that the manifest names")
    except (CorruptionError, FormatVersionError) as error:
        offset = error.offset if isinstance(error, CorruptionError) else None
        return FileScan(path, raw, problem=str(error), offset=offset)
    bad = tuple(_bad_ranges(raw, layout))
    if not bad:
        return FileScan(path, raw, layout)
    blocks = sum(-(-(end - start) // BLOCK_BYTES) for start, end in bad)
    total = len(layout.checksums) // 4
    what = f"{path}: damaged at byte {bad[0][0]}: {blocks} of {total} blocks do not verify"
    return FileScan(path, raw, layout, what, bad[0][0], bad)


def _bad_ranges(raw: memoryview, layout: Layout) -> Iterator[tuple[int, int]]:
    checksums = np.frombuffer(layout.checksums, dtype="<u4").tolist()
    start = -1
    for block, expected in enumerate(checksums):
        first = block * BLOCK_BYTES
        content = raw[first : min(first + BLOCK_BYTES, layout.footer_offset)]
        if crc32c(content) != expected:
            start = first if start < 0 else start
        elif start >= 0:
            yield start, first
            start = -1
    if start >= 0:
        yield start, layout.footer_offset


def salvage_column(field: Field, num_rows: int, scan: FileScan) -> tuple[Column | None, BoolArray]:
    """Return what can be read of a column.

    Args:
        field: The field.
        num_rows: Rows of the segment.
        scan: The file.

    Returns:
        The column, None when nothing of it can be read, and which rows of it are lost, bool
        ``(num_rows,)``. Values of lost rows mean nothing.
    """
    everything = np.ones(num_rows, dtype=np.bool_)
    layout = scan.layout
    if layout is None:
        return None, everything
    lost = _lost_rows(layout, num_rows, scan)
    try:
        arrays = {
            name: _mended(name, place, scan)
            for name, place in layout.sections.items()
            if name != INVERSE_NORMS
        }
        return sections_to_column(field, num_rows, arrays, path=scan.path), lost
    except CorruptionError:
        return None, everything


def salvage_seqs(num_rows: int, scan: FileScan) -> tuple[Int64Array | None, BoolArray]:
    """Return the sequence numbers of a segment and which of them are lost, like a column."""
    everything = np.ones(num_rows, dtype=np.bool_)
    if scan.layout is None or "seqs" not in scan.layout.sections:
        return None, everything
    seqs = scan.array("seqs")
    if seqs.dtype != np.int64 or len(seqs) != num_rows:
        return None, everything
    lost = np.zeros(num_rows, dtype=np.bool_)
    for first, last in _elements(scan.layout.sections["seqs"], num_rows, scan.bad):
        lost[first:last] = True
    return seqs, lost


def _lost_rows(layout: Layout, num_rows: int, scan: FileScan) -> BoolArray:
    lost = np.zeros(num_rows, dtype=np.bool_)
    sections, bad = layout.sections, scan.bad
    if not bad:
        return lost
    if "validity" in sections:
        for first, last in _elements(sections["validity"], (num_rows + 7) // 8, bad):
            lost[first * 8 : last * 8] = True
    if "offsets" not in sections:
        if "values" in sections:
            for first, last in _elements(sections["values"], num_rows, bad):
                lost[first:last] = True
        return lost
    offsets: Int64Array = scan.array("offsets")
    lost |= _lost_by_offsets(
        offsets,
        _elements(sections["offsets"], len(offsets), bad),
        _lost_items(scan, layout),
    )
    return lost


def _lost_items(scan: FileScan, layout: Layout) -> list[tuple[int, int]]:
    """Return ranges of what the offsets of the rows point to."""
    found: list[tuple[int, int]] = []
    sections = layout.sections
    for name in ("data", "indices", "values", ITEM_PREFIX + "values"):
        if name in sections:
            place = sections[name]
            found += _elements(place, _num_items(place), scan.bad)
    if ITEM_PREFIX + "offsets" in sections:
        offsets: Int64Array = scan.array(ITEM_PREFIX + "offsets")
        data = sections[ITEM_PREFIX + "data"]
        lost = _lost_by_offsets(
            offsets,
            _elements(sections[ITEM_PREFIX + "offsets"], len(offsets), scan.bad),
            _elements(data, _count(data), scan.bad),
        )
        edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
        found += list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return found


def _lost_by_offsets(
    offsets: Int64Array,
    bad_offsets: Iterable[tuple[int, int]],
    bad_items: Iterable[tuple[int, int]],
) -> BoolArray:
    lost = np.zeros(len(offsets) - 1, dtype=np.bool_)
    for first, last in bad_offsets:
        lost[max(first - 1, 0) : last] = True
    starts, stops = offsets[:-1], offsets[1:]
    for first, last in bad_items:
        lost |= (starts < last) & (stops > first) & (stops > starts)
    return lost


def _elements(
    place: PlacedSection, count: int, bad: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return which of ``count`` elements of one width lie in bad byte ranges, as ranges."""
    width = place.length // count if count else 0
    if not width:
        return []
    found: list[tuple[int, int]] = []
    for start, end in bad:
        first = (max(start, place.offset) - place.offset) // width
        last = min(count, -(-(end - place.offset) // width))
        if first < last:
            found.append((first, last))
    return found


def _count(place: PlacedSection) -> int:
    return place.length if place.dtype is None else place.length // place.dtype.itemsize


def _num_items(place: PlacedSection) -> int:
    """Return how many items a section has: a vector is one."""
    return place.shape[0] if len(place.shape) > 1 else _count(place)


def _mended(name: str, place: PlacedSection, scan: FileScan) -> AnyArray:
    """Return a section in which nothing that does not verify can lead a reader astray."""
    array = scan.array(name)
    bad = _elements(place, _count(place), scan.bad)
    if not bad:
        return array
    mended = array.copy()
    for first, last in bad:
        mended[first:last] = 0
    if name.endswith("offsets"):
        total = _length_behind(name, scan)
        if bad[-1][1] == len(mended):
            mended[-1] = total
        np.maximum.accumulate(mended, out=mended)
    return mended


def _length_behind(name: str, scan: FileScan) -> int:
    """Return how many elements the offsets of a section count."""
    prefix = name.removesuffix("offsets")
    layout = scan.layout
    sections = {} if layout is None else layout.sections
    inner = f"{ITEM_PREFIX}offsets"
    if name == "offsets" and inner in sections:
        return _count(sections[inner]) - 1
    names = [prefix + n for n in ("data", "indices", "values")]
    if name == "offsets":
        names.append(f"{ITEM_PREFIX}values")
    return next((_num_items(sections[n]) for n in names if n in sections), 0)
