"""How do the rows that are there get the signatures of a field that is added?

Of their texts, which are all that a signature depends on: each segment gets one more file. It
counts with the manifest that names the new schema, so that no row is ever seen without its
signature, and a crash leaves the collection as it was; opening it sweeps the files.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from elanus.engine.sealed import AddedColumn, SealedSegment
from elanus.engine.state import CollectionState
from elanus.engine.views import FieldViews
from elanus.engine.writing.signatures import SignatureMaker
from elanus.errors import ClosedError, InternalError, StorageError
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.directory import join_path
from elanus.storage.section_stream import SectionStream
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import segment_path, write_added_column
from elanus.types import AnyArray

BATCH_ROWS = 4_096
"""Rows whose signatures are in memory at the same time: 4 MB of the usual size."""


def unsigned_fields(schema: Schema, before: Schema, anew: Collection[str]) -> list[Field]:
    """Return the fields of signatures that the rows of ``before`` lack.

    Args:
        schema: As it is to be.
        before: As it is.
        anew: Fields whose signatures are to be made anew.
    """
    known = {field.name for field in before.minhash_fields} - set(anew)
    return [field for field in schema.minhash_fields if field.name not in known]


class SignatureColumns:
    """Signatures for the segments of one collection, under a schema that it does not have yet.

    Attributes:
        made: What was written, by segment and field.
    """

    def __init__(self, state: CollectionState, fields: FieldViews, wanted: Sequence[Field]) -> None:
        self.made: dict[uuid.UUID, dict[str, AddedColumn]] = {}
        self._state = state
        self._wanted = wanted
        # Made first: what cannot be analyzed is refused before anything is written.
        self._makers = [fields.embedders.signatures(field) for field in wanted]

    def write(self) -> None:
        """Write what the segments of now lack. No merge may be under way.

        Raises:
            ClosedError: The collection was closed or dropped meanwhile.
            PluginError: A plug-in fails on a text.
            StorageError: The medium failed.
        """
        for segment in self._state.sealed():
            made = self.made.setdefault(segment.info.uuid, {})
            for field, maker in zip(self._wanted, self._makers, strict=True):
                if field.name not in made:
                    made[field.name] = self._written(segment, field, maker)

    def discard(self) -> None:
        """Delete what was written, as nothing is going to name it; opening sweeps what stays."""
        state = self._state
        for segment, made in self.made.items():
            for column in made.values():
                with contextlib.suppress(StorageError):
                    state.directory.delete(
                        join_path(segment_path(state.path, segment), column.file)
                    )

    def _written(self, segment: SealedSegment, field: Field, maker: SignatureMaker) -> AddedColumn:
        reader, num_rows = segment.reader, segment.num_rows
        if field.minhash is None or field.dim is None:
            raise InternalError(f"field {field.name!r} has no signatures")
        sections: dict[str, AnyArray | SectionStream] = {}
        validity = reader.column(field.minhash.field).validity
        if field.nullable and validity is not None and not validity.all():
            sections["validity"] = np.packbits(validity, bitorder="little")
        parts = self._parts(reader, num_rows, field.minhash.field, maker)
        shape = (num_rows, field.dim // 8)
        sections["values"] = SectionStream(np.dtype(np.uint8), shape, parts)
        state = self._state
        state.context.reserve.make_room(shape[0] * shape[1])
        file, entry = write_added_column(
            state.directory, state.path, segment=segment.info.uuid, field=field, sections=sections
        )
        return AddedColumn(file, entry)

    def _parts(
        self, reader: SegmentReader, num_rows: int, text: str, maker: SignatureMaker
    ) -> Iterator[AnyArray]:
        by_field = maker.by_field
        for first in range(0, num_rows, BATCH_ROWS):
            if self._state.closed:
                raise ClosedError(f"{self._state.path}: closed while signatures were made")
            rows = np.arange(first, min(first + BATCH_ROWS, num_rows), dtype=np.int64)
            texts = reader.column(text).take(rows).to_pylist()
            names = None if by_field is None else reader.column(by_field).take(rows).to_pylist()
            yield maker.column(texts, names).values
