"""What does an import need of a collection?

One of this process and one of a server both fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from elanus.engine.writing.load_request import LoadRequest
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema


class Import(Protocol):
    """Rows that nobody sees before ``finish``.

    Attributes:
        is_committed: An equal import made its rows visible, and ended before it could say so.
        resumed: What the importer needs to go on with an equal one; None for a new import.
    """

    is_committed: bool
    resumed: Mapping[str, Any] | None

    @property
    def num_rows(self) -> int:
        """Rows that are going to be visible."""

    @property
    def skipped(self) -> int:
        """Rows left out because their key is taken."""

    def add(self, batch: ColumnBatch) -> None:
        """Take rows."""

    def finish(self) -> None:
        """Make the rows visible, all at once."""

    def forget(self) -> None:
        """Drop the record of an import whose rows are visible already."""

    def close(self) -> None:
        """End, whether it finished or not."""


class ImportTarget(Protocol):
    """What an import needs of a collection."""

    @property
    def schema(self) -> Schema: ...

    def begin_import(self, request: LoadRequest) -> Import:
        """Start to write."""
