"""A field whose vectors another model of the server is to make."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from elanus.api.comparing import Comparison
from elanus.api.migration import BATCH_SIZE, EmbeddingMigration
from elanus.engine.definition.backfill import Coverage

if TYPE_CHECKING:
    from elanus.remote.collection import RemoteCollection

_WAIT_S = 5.0
"""Seconds that one call waits, so that none keeps a thread of the server for longer."""


class RemoteMigration(EmbeddingMigration):
    """The migration of a field of a server, which embeds there."""

    def __init__(
        self,
        collection: RemoteCollection,
        field: str,
        successor: str,
        compare: Callable[..., Comparison],
    ) -> None:
        # What the base looks at of its engine is the schema, which a collection has too.
        super().__init__(collection, field, successor, compare)  # type: ignore[arg-type]
        self._collection = collection

    @property
    def state(self) -> str:
        """As of ``EmbeddingMigration``."""
        return str(self._seen()["state"])

    @property
    def is_running(self) -> bool:
        """As of ``EmbeddingMigration``."""
        return bool(self._seen()["is_running"])

    def progress(self) -> Coverage:
        """As of ``EmbeddingMigration``."""
        found: Coverage = self._seen()["progress"]
        return found

    def start(self, *, batch_size: int = BATCH_SIZE) -> EmbeddingMigration:
        """As of ``EmbeddingMigration``."""
        self._ask("start", batch_size=batch_size)
        return self

    def run(self, *, batch_size: int = BATCH_SIZE) -> Coverage:
        """As of ``EmbeddingMigration``."""
        self.start(batch_size=batch_size)
        return self.wait()

    def stop(self) -> None:
        """As of ``EmbeddingMigration``."""
        self._ask("stop")

    def wait(self, timeout: float | None = None) -> Coverage:
        """As of ``EmbeddingMigration``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _WAIT_S if deadline is None else max(0.0, deadline - time.monotonic())
            found: Coverage = self._ask("wait", timeout=min(left, _WAIT_S))
            if left == 0.0 or not self.is_running:
                return found

    def switch(self, *, force: bool = False) -> None:
        """As of ``EmbeddingMigration``."""
        self._ask("switch", force=force)

    def rollback(self) -> None:
        """As of ``EmbeddingMigration``."""
        self._ask("rollback")

    def finish(self) -> None:
        """As of ``EmbeddingMigration``."""
        self._ask("finish")

    def abandon(self) -> None:
        """As of ``EmbeddingMigration``."""
        self._ask("abandon")

    def _seen(self) -> Any:
        return self._collection.ask("migration_state", self.field, self.successor)

    def _ask(self, action: str, **kwargs: Any) -> Any:
        return self._collection.ask("migration", self.field, self.successor, action, **kwargs)
