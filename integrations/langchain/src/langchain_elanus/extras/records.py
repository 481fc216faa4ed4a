"""How are records of the indexing API asked for from an event loop?"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

from langchain_core.indexing import RecordManager
from langchain_core.runnables import run_in_executor


class RecordsInThread(RecordManager, ABC):
    """Records whose asynchronous methods run the synchronous ones in a thread."""

    async def acreate_schema(self) -> None:
        """Do what ``create_schema`` does, without blocking the event loop."""
        await run_in_executor(None, self.create_schema)

    async def aget_time(self) -> float:
        """Do what ``get_time`` does, without blocking the event loop."""
        return await run_in_executor(None, self.get_time)

    async def aupdate(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        """Do what ``update`` does, without blocking the event loop."""
        await run_in_executor(
            None, self.update, keys, group_ids=group_ids, time_at_least=time_at_least
        )

    async def aexists(self, keys: Sequence[str]) -> list[bool]:
        """Do what ``exists`` does, without blocking the event loop."""
        return await run_in_executor(None, self.exists, keys)

    async def alist_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """Do what ``list_keys`` does, without blocking the event loop."""
        return await run_in_executor(
            None, self.list_keys, before=before, after=after, group_ids=group_ids, limit=limit
        )

    async def adelete_keys(self, keys: Sequence[str]) -> None:
        """Do what ``delete_keys`` does, without blocking the event loop."""
        await run_in_executor(None, self.delete_keys, keys)
