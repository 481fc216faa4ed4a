"""What of a damaged segment can be kept?

A segment with damaged columns is written again without the rows whose bytes do not verify. Files
that follow from others are dropped or built again. Lost tombstones come back as far as the
sequence numbers of newer rows tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from elanus.errors import CorruptionError
from elanus.kernels.bitset import Bitset
from elanus.schema.batches import Column, ColumnBatch, FixedColumn, StringColumn
from elanus.schema.collection import Schema
from elanus.schema.evolution import absent_column
from elanus.schema.fields import Field
from elanus.storage.block_file import write_block_file
from elanus.storage.census import files_of
from elanus.storage.damaged_rows import salvage_column, salvage_seqs
from elanus.storage.deletes import read_alive, write_deletes
from elanus.storage.directory import join_path
from elanus.storage.findings import Finding, Severity
from elanus.storage.manifest import FileEntry, SegmentInfo
from elanus.storage.pk_index import PkIndex
from elanus.storage.repair.report import Action, LostRow
from elanus.storage.repair.workshop import Workshop
from elanus.storage.segment_check import SegmentCheck
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import (
    PK_INDEX_FILE,
    PK_INDEX_KIND,
    SEQS_FILE,
    SEQS_KIND,
    segment_path,
    write_segment,
)
from elanus.types import BoolArray, DataType, Int64Array


@dataclass(frozen=True, slots=True)
class Repaired:
    """Segments after a repair.

    Attributes:
        segments: What the next manifest has to name.
        replaced: Files that it does not name any more.
    """

    segments: tuple[SegmentInfo, ...]
    replaced: tuple[str, ...]


@dataclass(slots=True)
class SegmentRepair:
    """Repairs the segments of one collection.

    Attributes:
        workshop: Where to work.
        name: Name of the collection.
        path: Its folder.
        schema: Its schema.
        version: Version of the manifest that will name the result.
    """

    workshop: Workshop
    name: str
    path: str
    schema: Schema
    version: int

    def run(self, segments: Sequence[SegmentInfo]) -> Repaired:
        """Repair what can be repaired; what needs salvaging is refused without it."""
        kept: list[SegmentInfo] = []
        replaced: list[str] = []
        without_tombstones: list[SegmentInfo] = []
        for info in segments:
            findings = list(self._check(info).findings())
            made = self._mend(info, findings)
            if made is not info:
                left = set() if made is None else set(files_of(self.path, made))
                replaced += [f for f in files_of(self.path, info) if f not in left]
            if made is not None:
                kept.append(made)
                if self.workshop.salvage and _has(findings, self._deletes_path(info)):
                    without_tombstones.append(made)
        for info in without_tombstones:
            kept[kept.index(info)] = self._find_tombstones(info, kept)
        return Repaired(tuple(kept), tuple(replaced))

    def _check(self, info: SegmentInfo) -> SegmentCheck:
        return SegmentCheck(self.workshop.directory, self.path, self.name, self.schema, info)

    def _deletes_path(self, info: SegmentInfo) -> str:
        return join_path(self.path, info.deletes.file) if info.deletes else ""

    def _mend(self, info: SegmentInfo, findings: Sequence[Finding]) -> SegmentInfo | None:
        damage = [f for f in findings if f.severity is Severity.DAMAGE]
        if damage and not self.workshop.salvage:
            self.workshop.refuse(damage)
            damage = []
        if any(f.path != self._deletes_path(info) for f in damage):
            return self._rewrite(info)
        if damage:
            info = replace(info, deletes=None)
        return self._rebuild_derivable(info, [f for f in findings if f.is_derivable])

    # --- files that follow from others ------------------------------------------------------

    def _rebuild_derivable(self, info: SegmentInfo, findings: Sequence[Finding]) -> SegmentInfo:
        for finding in findings:
            if finding.path.endswith(f"/{PK_INDEX_FILE}"):
                info = self._rebuild_pk_index(info, finding)
                continue
            gone = [n for n, e in info.indexes.items() if finding.path.endswith(e.file)]
            indexes = {n: e for n, e in info.indexes.items() if n not in gone}
            info = replace(info, indexes=indexes)
            done = f"index of {gone[0]!r} dropped; it is built again from the rows"
            self.workshop.did(Action(self.name, finding.path, done))
        return info

    def _rebuild_pk_index(self, info: SegmentInfo, finding: Finding) -> SegmentInfo:
        primary = self.schema.primary
        keys, lost = salvage_column(
            primary, info.num_rows, self._check(info).scan_column(primary.name)
        )
        if keys is None or lost.any():
            return info  # the column itself is damaged, which was refused
        self.workshop.did(Action(self.name, finding.path, "built again from the primary keys"))
        if self.workshop.dry_run:
            return info
        # The manifest that names the old one stays right until the next: a missing index of
        # primary keys is derived in memory.
        self.workshop.set_aside(finding.path)
        written = write_block_file(
            self.workshop.directory,
            finding.path,
            kind=PK_INDEX_KIND,
            header={"segment": str(info.uuid), "field": primary.name},
            sections=PkIndex.build(keys).to_sections(),
        )
        files = {**info.files, PK_INDEX_FILE: FileEntry(written.size, written.crc)}
        return replace(info, files=files)

    # --- rows that are lost -----------------------------------------------------------------

    def _rewrite(self, info: SegmentInfo) -> SegmentInfo | None:
        """Write a segment again without the rows that do not verify; None when none is left."""
        columns, lost, keys, lost_keys = self._salvage_columns(info)
        alive = self._alive(info)
        self._note_lost(info, lost & alive, keys, lost_keys)
        rows = np.flatnonzero(~lost).astype(np.int64)
        count = int((lost & alive).sum())
        folder = segment_path(self.path, info.uuid)
        what = f"{count:,} of {int(alive.sum()):,} rows" if count else ""
        if not len(rows) or columns is None:
            self.workshop.did(Action(self.name, folder, "no row of the segment can be kept", what))
            return None
        done = f"written again with the {len(rows):,} of {info.num_rows:,} rows that verify"
        self.workshop.did(Action(self.name, folder, done, what))
        if self.workshop.dry_run:
            return info
        made = write_segment(
            self.workshop.directory,
            self.path,
            schema=self.schema,
            batch=ColumnBatch(info.num_rows, columns).take(rows),
            seqs=self._seqs(info)[rows],
        )
        left = alive[rows]
        return made if left.all() else self._with_deletes(made, left)

    def _salvage_columns(
        self, info: SegmentInfo
    ) -> tuple[dict[str, Column] | None, BoolArray, Column | None, BoolArray]:
        """Return the columns, which rows are lost, the primary keys, and which keys are lost."""
        check = self._check(info)
        columns: dict[str, Column] = {}
        lost = np.zeros(info.num_rows, dtype=np.bool_)
        keys: Column | None = None
        lost_keys = lost
        for field in self.schema.stored_fields:
            if check.is_absent(field):
                columns[field.name] = absent_column(field, info.num_rows)
                continue
            column, missing = salvage_column(field, info.num_rows, check.scan_column(field.name))
            if field.name == self.schema.primary.name:
                column, missing = self._keys_from_index(info, field, column, missing)
                keys, lost_keys = column, missing
            lost = lost | missing
            if column is not None:
                columns[field.name] = column
        is_complete = len(columns) == len(self.schema.stored_fields)
        return (columns if is_complete else None), lost, keys, lost_keys

    def _keys_from_index(
        self, info: SegmentInfo, field: Field, column: Column | None, missing: BoolArray
    ) -> tuple[Column | None, BoolArray]:
        """Take numeric keys from their index when the column is damaged and the index is not."""
        if not missing.any() or field.dtype is not DataType.INT64:
            return column, missing
        scan = self._check(info).scan(PK_INDEX_FILE, PK_INDEX_KIND)
        if not scan.is_whole:
            return column, missing
        try:
            arrays = {name: scan.array(name) for name in ("keys", "rows")}
            index = PkIndex.from_sections(arrays, info.num_rows, scan.path)
        except CorruptionError:
            return column, missing
        values = np.empty(info.num_rows, dtype=np.int64)
        values[index.rows] = index.keys
        return FixedColumn(values), np.zeros(info.num_rows, dtype=np.bool_)

    def _seqs(self, info: SegmentInfo) -> Int64Array:
        """Return the sequence numbers; lost ones are taken from the row before."""
        scan = self._check(info).scan(SEQS_FILE, SEQS_KIND)
        seqs, lost = salvage_seqs(info.num_rows, scan)
        if seqs is None:
            return np.full(info.num_rows, info.min_seq, dtype=np.int64)
        filled = np.where(lost, info.min_seq, seqs).astype(np.int64)
        if lost.any():
            places = np.where(lost, -1, np.arange(info.num_rows))
            before = np.maximum.accumulate(places)
            filled = np.where(before >= 0, filled[before], info.min_seq).astype(np.int64)
        return filled

    def _alive(self, info: SegmentInfo) -> BoolArray:
        try:
            return read_alive(self.workshop.directory, self.path, info).to_mask()
        except CorruptionError:
            return np.ones(info.num_rows, dtype=np.bool_)

    def _note_lost(
        self, info: SegmentInfo, lost: BoolArray, keys: Column | None, lost_keys: BoolArray
    ) -> None:
        self.workshop.lost(self._lost_rows(info, lost, keys, lost_keys))

    def _lost_rows(
        self, info: SegmentInfo, lost: BoolArray, keys: Column | None, lost_keys: BoolArray
    ) -> Iterator[LostRow]:
        rows = np.flatnonzero(lost).astype(np.int64)
        known = rows[~lost_keys[rows]] if keys is not None else rows[:0]
        names = (
            {} if keys is None else dict(zip(known.tolist(), keys.values_at(known), strict=True))
        )
        for row in rows.tolist():
            yield LostRow(self.name, str(info.uuid), row, names.get(row))

    # --- lost tombstones --------------------------------------------------------------------

    def _with_deletes(self, info: SegmentInfo, alive: BoolArray) -> SegmentInfo:
        entry = write_deletes(
            self.workshop.directory,
            self.path,
            segment=info,
            alive=Bitset.from_mask(alive),
            version=self.version,
        )
        return replace(info, deletes=entry)

    def _find_tombstones(self, info: SegmentInfo, segments: Sequence[SegmentInfo]) -> SegmentInfo:
        """Hide the rows whose key has a newer row; which others were deleted is lost."""
        if self.workshop.dry_run:
            done = "tombstones are derived again from newer rows"
            lost = f"which of up to {info.num_rows:,} rows had been deleted: they come back"
            folder = segment_path(self.path, info.uuid)
            self.workshop.did(Action(self.name, folder, done, lost))
            return info
        replaced = self._replaced_rows(info, segments)
        back = info.num_rows - int(replaced.sum())
        self.workshop.did(
            Action(
                self.name,
                segment_path(self.path, info.uuid),
                f"tombstones derived again from newer rows: {int(replaced.sum()):,} rows were "
                f"replaced",
                f"which of the other {back:,} rows had been deleted: they are back",
            )
        )
        if not replaced.any():
            return info
        return self._with_deletes(info, ~replaced)

    def _replaced_rows(self, info: SegmentInfo, segments: Sequence[SegmentInfo]) -> BoolArray:
        own = self._reader(info)
        keys = own.column(self.schema.primary.name)
        if not isinstance(keys, FixedColumn | StringColumn):
            raise CorruptionError(f"{self.path}: primary keys of an unknown kind", path=self.path)
        rows = np.arange(info.num_rows, dtype=np.int64)
        replaced: BoolArray = own.find_pks(keys) != rows
        for other in segments:
            if other.uuid == info.uuid:
                continue
            reader = self._reader(other)
            places = reader.find_pks(keys)
            replaced |= np.where(places >= 0, reader.seqs[places], -1) > own.seqs
        return replaced

    def _reader(self, info: SegmentInfo) -> SegmentReader:
        return SegmentReader.open(self.workshop.directory, self.path, schema=self.schema, info=info)


def _has(findings: Sequence[Finding], path: str) -> bool:
    return bool(path) and any(f.path == path for f in findings)
