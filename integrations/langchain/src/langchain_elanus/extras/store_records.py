"""Which documents did the indexing API write? What is stored says so itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from elanus.sync import Lineage
from langchain_elanus.extras.records import RecordsInThread
from langchain_elanus.vectorstore import ElanusVectorStore


class ElanusStoreRecords(RecordsInThread):
    """The records of ``index()`` and ``aindex()`` as the lineage of the store's own documents.

    Store and records cannot disagree: a document that somebody deleted is written again, and one
    whose write was interrupted too. They are the records of ``sync`` as well, which goes on from
    what ``index`` wrote without embedding it again. ``upsert_kwargs=records.upsert_kwargs`` makes
    document and record one commit; else a second one writes the record. When a document was seen
    is known to this object only, so one run of ``index`` at a time has a source.

    Args:
        store: The store that ``index`` is given, not a server's.
        source: Name of the source, the namespace.
        source_id_key: Key in the metadata by which ``index`` groups documents.
    """

    def __init__(
        self, store: ElanusVectorStore, source: str, *, source_id_key: str | None = "source"
    ) -> None:
        super().__init__(source)
        self._records = store.records_of(source)
        self._source_id_key = source_id_key
        self._seen: dict[str, float] = {}
        self._now = 0.0

    @property
    def upsert_kwargs(self) -> dict[str, Any]:
        """What ``index(upsert_kwargs=...)`` hands to the store."""
        return {"source": self.namespace, "source_id_key": self._source_id_key}

    def create_schema(self) -> None:
        """Do nothing: the store has what is needed."""

    def get_time(self) -> float:
        """Return the time in seconds since 1970; it never stands still or goes back."""
        self._now = max(time.time(), self._now + _TICK_S)
        return self._now

    def update(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        """Note that documents were seen now, and write the lineage of those without.

        Args:
            keys: Ids of the documents.
            group_ids: The source document of each, or None.
            time_at_least: A time that must not lie in the future.

        Raises:
            ValueError: The lengths differ, or ``time_at_least`` lies in the future.
        """
        if group_ids and len(keys) != len(group_ids):
            raise ValueError(f"group_ids: expected {len(keys)}, one per key, got {len(group_ids)}")
        now = self.get_time()
        if time_at_least and time_at_least > now:
            raise ValueError(f"time_at_least: {time_at_least} lies in the future; it is {now}")
        known = self._records.get(keys)
        missing: dict[str, Lineage | None] = {}
        for key, group in zip(keys, group_ids or [None] * len(keys), strict=True):
            self._seen[key] = now
            if key not in known:
                continue
            wanted = self._records.lineage(key, group)
            mine = known[key]
            if mine is None or mine.source != wanted.source or (group and mine.document != group):
                missing[key] = wanted
        self._records.set(missing)

    def exists(self, keys: Sequence[str]) -> list[bool]:
        """Return of each key whether the store has it from this source."""
        known = self._records.get(keys)
        source = self._records.source
        return [(found := known.get(key)) is not None and found.source == source for key in keys]

    def list_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str | None] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """Return ids of documents of this source, sorted.

        Args:
            before: Only those not seen since.
            after: Only those seen after this time.
            group_ids: Only those of these source documents; None: those that are their own.
            limit: At most so many.
        """
        found = []
        for key, lineage in sorted(self._records.all().items()):
            seen = self._seen.get(key, 0.0)
            if (before and seen >= before) or (after and seen <= after):
                continue
            group = None if lineage.document == key else lineage.document
            if not group_ids or group in group_ids:
                found.append(key)
        return found[: limit or None]

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Forget documents; those that are still there become nobody's."""
        for key in keys:
            self._seen.pop(key, None)
        self._records.set(dict.fromkeys(self._records.get(keys)))


_TICK_S = 1e-6
"""Least distance of two times that a double of this size keeps apart, with room to spare."""
