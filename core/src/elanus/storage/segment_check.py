"""Does every byte of a segment verify, and which rows are hit where it does not?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from elanus.errors import CorruptionError
from elanus.schema.batches import Column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.block_file import BlockFile
from elanus.storage.columns import sections_to_column
from elanus.storage.damaged_rows import FileScan, salvage_column, salvage_seqs, scan_file
from elanus.storage.deletes import read_alive
from elanus.storage.directory import Directory, join_path
from elanus.storage.findings import REPAIR, SALVAGE, Finding, Severity
from elanus.storage.manifest import IndexEntry, SegmentInfo
from elanus.storage.pk_index import PkIndex
from elanus.storage.segment_writer import (
    COLUMN_KIND,
    PK_INDEX_FILE,
    PK_INDEX_KIND,
    SEQS_FILE,
    SEQS_KIND,
    segment_path,
)
from elanus.types import BoolArray

INDEX_KIND = "index"
"""What index files are called in their head."""

_SHOWN_KEYS = 60
"""Characters of a key in a message."""


@dataclass(frozen=True, slots=True)
class SegmentCheck:
    """Checks one segment that a manifest names.

    Attributes:
        directory: Where the database is.
        path: Folder of the collection.
        collection: Its name, for findings.
        schema: Its schema.
        info: What the manifest says about the segment.
    """

    directory: Directory
    path: str
    collection: str
    schema: Schema
    info: SegmentInfo

    def findings(self) -> Iterator[Finding]:
        """Yield what is damaged, file by file."""
        folder = segment_path(self.path, self.info.uuid)
        if not self.directory.is_dir(folder):
            message = f"{folder}: the folder is missing"
            yield self._damage(
                FileScan(folder), message, f"all {self.info.num_rows:,} rows are lost"
            )
            return
        keys = self._keys()
        alive = self._alive()
        for field in self.schema.stored_fields:
            if not self.is_absent(field):
                yield from self._column(field.name, keys, alive)
        yield from self._seqs()
        yield from self._pk_index(keys)
        yield from self._deletes()
        for name, entry in self.info.indexes.items():
            yield from self._index(name, entry)

    def scan(self, name: str, kind: str) -> FileScan:
        """Read a file of the segment's folder and compare every checksum."""
        path = join_path(segment_path(self.path, self.info.uuid), name)
        entry = self.info.files.get(name)
        if entry is None:
            return FileScan(path, problem=f"{path}: the manifest does not name it")
        return scan_file(self.directory, path, size=entry.size, crc=entry.crc, kind=kind)

    def is_absent(self, field: Field) -> bool:
        """Whether the rows were written before there was such a field."""
        return field.name not in self.info.columns and field.may_be_absent

    def scan_column(self, name: str) -> FileScan:
        """Read the file of a field."""
        return self.scan(self.info.columns.get(name, name), COLUMN_KIND)

    def _keys(self) -> Column | None:
        primary = self.schema.primary
        scan = self.scan_column(primary.name)
        return salvage_column(primary, self.info.num_rows, scan)[0] if scan.is_whole else None

    def _alive(self) -> BoolArray:
        try:
            return read_alive(self.directory, self.path, self.info).to_mask()
        except CorruptionError:
            return np.ones(self.info.num_rows, dtype=np.bool_)

    def _column(self, name: str, keys: Column | None, alive: BoolArray) -> Iterator[Finding]:
        field = self.schema.field(name)
        scan = self.scan_column(name)
        if scan.is_whole:
            try:
                arrays = (
                    {} if scan.layout is None else {n: scan.array(n) for n in scan.layout.sections}
                )
                sections_to_column(field, self.info.num_rows, arrays, path=scan.path)
                self._check_owner(scan, name)
            except CorruptionError as error:
                yield self._damage(scan, str(error), self._all_rows(name))
            return
        column, lost = salvage_column(field, self.info.num_rows, scan)
        if column is None:
            yield self._damage(scan, str(scan.problem), self._all_rows(name))
        elif not lost.any():
            meaning = "no value of a row is hit, but the file has to be written again"
            yield self._damage(scan, str(scan.problem), meaning)
        else:
            hit = f"{describe_rows(lost, keys)} lose field {name!r}; {alive_of(lost, alive)}"
            yield self._damage(scan, str(scan.problem), hit)

    def _all_rows(self, name: str) -> str:
        count = self.info.num_rows
        return f"all {count:,} rows of the segment lose field {name!r}"

    def _seqs(self) -> Iterator[Finding]:
        scan = self.scan(SEQS_FILE, SEQS_KIND)
        seqs, lost = salvage_seqs(self.info.num_rows, scan)
        if not scan.is_whole or seqs is None:
            meaning = (
                f"when {int(lost.sum()):,} rows were written is not known any more; no row is lost"
            )
            yield self._damage(scan, scan.problem or f"{scan.path}: damaged", meaning)
            return
        found = (int(seqs.min()), int(seqs.max()))
        if found != (self.info.min_seq, self.info.max_seq):
            message = (
                f"{scan.path}: damaged: holds {found[0]} to {found[1]}, expected "
                f"{self.info.min_seq} to {self.info.max_seq}"
            )
            yield self._damage(scan, message, "when rows were written is not certain")

    def _pk_index(self, keys: Column | None) -> Iterator[Finding]:
        if PK_INDEX_FILE not in self.info.files:
            path = join_path(segment_path(self.path, self.info.uuid), PK_INDEX_FILE)
            yield self._derivable(path, f"{path}: left out when a backup was made", None)
            return
        scan = self.scan(PK_INDEX_FILE, PK_INDEX_KIND)
        if not scan.is_whole:
            yield self._derivable(scan.path, str(scan.problem), scan.offset)
        elif keys is not None and not self._index_fits(scan, keys):
            yield self._derivable(
                scan.path, f"{scan.path}: does not agree with the column of primary keys", None
            )

    def _index_fits(self, scan: FileScan, keys: Column) -> bool:
        try:
            arrays = {name: scan.array(name) for name in ("keys", "rows")}
            found = PkIndex.from_sections(arrays, self.info.num_rows, scan.path)
        except CorruptionError:
            return False
        built = PkIndex.build(keys)
        return bool(np.array_equal(found.keys, built.keys)) and bool(
            np.array_equal(found.rows, built.rows)
        )

    def _deletes(self) -> Iterator[Finding]:
        entry = self.info.deletes
        if entry is None:
            return
        try:
            read_alive(self.directory, self.path, self.info)
        except CorruptionError as error:
            yield Finding(
                self.collection,
                join_path(self.path, entry.file),
                str(error),
                f"which {entry.num_deleted:,} of {self.info.num_rows:,} rows are deleted is not "
                f"known any more; those that were not replaced come back",
                SALVAGE,
                Severity.DAMAGE,
                error.offset,
            )

    def _index(self, name: str, entry: IndexEntry) -> Iterator[Finding]:
        path = join_path(self.path, entry.file)
        try:
            file = BlockFile.open(
                self.directory, path, kind=INDEX_KIND, crc=entry.crc, verify="full"
            )
            if (file.header.get("segment"), file.header.get("field")) != (
                str(self.info.uuid),
                name,
            ):
                raise CorruptionError(
                    f"{path}: damaged: belongs to another segment or field", path=path
                )
        except CorruptionError as error:
            yield self._derivable(path, str(error), error.offset)

    def _check_owner(self, scan: FileScan, field: str) -> None:
        header = {} if scan.layout is None else scan.layout.header
        if (header.get("segment"), header.get("field")) != (str(self.info.uuid), field):
            raise CorruptionError(
                f"{scan.path}: damaged: belongs to another segment or field", path=scan.path
            )

    def _damage(self, scan: FileScan, message: str, meaning: str) -> Finding:
        return Finding(
            self.collection, scan.path, message, meaning, SALVAGE, Severity.DAMAGE, scan.offset
        )

    def _derivable(self, path: str, message: str, offset: int | None) -> Finding:
        meaning = "no row is lost: it is built again from the rows"
        return Finding(self.collection, path, message, meaning, REPAIR, Severity.DERIVABLE, offset)


def describe_rows(lost: BoolArray, keys: Column | None) -> str:
    """Say which rows a mask holds, with their first and last key when these are known."""
    rows = np.flatnonzero(lost)
    first, last = int(rows[0]), int(rows[-1])
    if len(rows) == 1:
        text = f"row {first:,} of {len(lost):,}"
    elif len(rows) == last - first + 1:
        text = f"rows {first:,} to {last:,} of {len(lost):,}"
    else:
        text = f"{len(rows):,} of {len(lost):,} rows between {first:,} and {last:,}"
    if keys is None:
        return text
    shown = [repr(k)[:_SHOWN_KEYS] for k in keys.values_at(rows[[0, -1]].astype(np.int64))]
    names = (
        f"primary key {shown[0]}" if len(rows) == 1 else f"primary keys {shown[0]} .. {shown[1]}"
    )
    return f"{text} ({names})"


def alive_of(lost: BoolArray, alive: BoolArray) -> str:
    """Say how many of the rows in a mask are not deleted."""
    count = int((lost & alive).sum())
    if count == int(lost.sum()):
        return "none of them is deleted"
    return f"{count:,} of them are not deleted" if count else "all of them are deleted"
