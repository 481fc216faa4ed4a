"""How do the paths of JSON fields become columns beside a segment?

From the decoded rows of a memtable, and from the columns of the segments that are merged, of which
only those without are decoded. The limits of ``filter/json/shredded.py`` hold; small segments are
decoded in a moment and get none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from elanus.engine.sealed import SealedSegment
from elanus.errors import FilterError
from elanus.filter.json.json_paths import JsonPathStore
from elanus.filter.json.shredded import PathColumns
from elanus.schema.batches import Column, slice_column
from elanus.types import Int64Array

_log = logging.getLogger(__name__)

MIN_SHREDDED_ROWS = 1_000
"""Rows from which a segment gets the columns: fewer are decoded in a few milliseconds."""


def paths_of(column: Column) -> PathColumns | None:
    """Return the paths of a JSON column; None when it is nested too deeply for filters."""
    store = JsonPathStore(lambda start, stop: slice_column(column, start, stop))
    try:
        return PathColumns.of(store, len(column))
    except FilterError as error:
        _log.warning("%s; its paths are not written as columns", error)
        return None


def merged_paths(
    name: str, sources: Sequence[tuple[SealedSegment, Int64Array]], num_rows: int
) -> PathColumns | None:
    """Return the paths of a JSON field of segments that are merged.

    Args:
        name: Name of the field.
        sources: Segments, and for each int64, the new row of each of its rows, or -1.
        num_rows: Rows of the new segment.
    """
    parts = []
    for segment, mapping in sources:
        shredded = segment.derived.shredded(name)
        paths = None if shredded is None else shredded.all_columns()
        if paths is None:
            paths = paths_of(segment.reader.column(name))
        if paths is None:
            return None
        parts.append((paths, mapping))
    return PathColumns.joined(parts, num_rows)
