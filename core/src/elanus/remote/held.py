"""What does a server keep for a client between two calls?

Iterators over a snapshot, and imports whose rows nobody sees yet. Each has a number that only its
user can name; what nobody asks for is given up after a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from elanus.api.iteration import seq_of
from elanus.engine.writing.load_request import LoadRequest
from elanus.query.projection import project
from elanus.schema.batches import Column, ColumnBatch
from elanus.schema.collection import DYNAMIC_FIELD, Schema
from elanus.types import PrimaryKey

if TYPE_CHECKING:
    from elanus.remote.collection import RemoteCollection

BatchT = TypeVar("BatchT")


class Held:
    """Something that a server keeps.

    Args:
        collection: Of what.
        number: What the server calls it.
    """

    def __init__(self, collection: RemoteCollection, number: str) -> None:
        self._collection = collection
        self._number = number
        self._closed = False

    def _ask(self, call: str, **kwargs: Any) -> Any:
        return self._collection.ask_held(self._number, call, **kwargs)

    def close(self) -> None:
        """Let the server give it up. Idempotent."""
        if not self._closed:
            self._closed = True
            self._ask("close")


class RemoteIterator(Held, Generic[BatchT]):
    """Batches of an iterator of a server, one after the other.

    Attributes:
        token: Where it is: pass it as ``token=`` to go on from here.
    """

    def __init__(self, collection: RemoteCollection, opened: Mapping[str, Any]) -> None:
        super().__init__(collection, opened["held"])
        self.token: str = opened["token"]
        self._place = 0
        self._is_over = False

    @property
    def seq(self) -> int:
        """Sequence number of what it sees; ``as_of`` takes it for as long as the iterator lives."""
        return seq_of(self.token)

    def __iter__(self) -> RemoteIterator[BatchT]:
        return self

    def __next__(self) -> BatchT:
        if self._is_over:
            raise StopIteration
        # Whoever asks for the same place again gets the same batch again.
        answer = self._ask("next", place=self._place)
        self._place += 1
        self.token = answer["token"]
        if answer["batch"] is None:
            # The server has forgotten it.
            self._is_over = self._closed = True
            raise StopIteration
        batch: BatchT = answer["batch"]
        return batch


def stored_batches(
    collection: RemoteCollection, opened: Mapping[str, Any], schema: Schema
) -> Iterator[ColumnBatch]:
    """Yield what a server reads as columns."""
    batches: RemoteIterator[Any] = RemoteIterator(collection, opened)
    try:
        for columns in batches:
            yield columns.batch(schema)
    finally:
        batches.close()


class RemoteLoad(Held):
    """The entities of a sync, which nobody sees before ``finish``."""

    def add(self, entities: Sequence[Mapping[str, Any]]) -> None:
        self._ask("add", entities=list(entities))

    def finish(self, removed: Sequence[PrimaryKey]) -> None:
        self._ask("finish", removed=list(removed))


class RemoteImport(Held):
    """The rows of an import, which nobody sees before ``finish``.

    Attributes:
        is_committed: As of ``api.import_target.Import``.
        resumed: As there.
        num_rows: As there.
        skipped: As there.
    """

    def __init__(
        self, collection: RemoteCollection, opened: Mapping[str, Any], request: LoadRequest
    ) -> None:
        super().__init__(collection, opened["held"])
        self._request = request
        self._schema = collection.seen_schema
        self.is_committed: bool = opened["is_committed"]
        self.resumed: Mapping[str, Any] | None = opened["resumed"]
        self.num_rows: int = opened["num_rows"]
        self.skipped: int = opened["skipped"]

    def add(self, batch: ColumnBatch) -> None:
        if len(batch):
            rows = entities_of(self._schema, batch)
            self._follow(self._ask("add", entities=rows, progress=dict(self._request.progress())))

    def finish(self) -> None:
        answer = self._ask("finish", accept=False)
        self._follow(answer)
        if answer["conflicts"]:
            # Reported, and nobody minds: they are left out.
            answer = self._ask("finish", accept=True)
            self._follow({**answer, "conflicts": ()})

    def forget(self) -> None:
        self._ask("forget")

    def _follow(self, answer: Mapping[str, Any]) -> None:
        self.num_rows, self.skipped = answer["num_rows"], answer["skipped"]
        if answer["conflicts"]:
            self._request.report(answer["conflicts"])


class _Columns:
    """A batch as projections read one."""

    def __init__(self, batch: ColumnBatch) -> None:
        self._batch = batch
        self.num_rows = batch.num_rows

    def column(self, name: str) -> Column:
        return self._batch.columns[name]


def entities_of(schema: Schema, batch: ColumnBatch) -> list[dict[str, Any]]:
    """Return the rows of a batch as ``insert`` takes them."""
    names = [field.name for field in schema.value_fields if field.name in batch.columns]
    source: Any = _Columns(batch)
    rows = np.arange(len(batch), dtype=np.int64)
    made = project(schema, source, rows, names)
    if schema.dynamic and DYNAMIC_FIELD in batch.columns:
        for entity in made:
            entity.update(schema.undeclared(entity.pop(DYNAMIC_FIELD, None)))
    return made
