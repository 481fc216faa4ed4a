"""Which documents did the indexing API write, and when?"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Unpack
from urllib.parse import quote

import elanus
from elanus.documents import PlaceOptions
from langchain_elanus.extras.records import RecordsInThread
from langchain_elanus.extras.table import TableUser


class ElanusRecordManager(TableUser, RecordsInThread):
    """The records of ``index()`` and ``aindex()``, beside the documents that they are about.

    Args:
        namespace: Keeps the records of several stores of one collection apart.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        namespace: str,
        *,
        collection_name: str = "langchain_records",
        uri: str | os.PathLike[str] = "./elanus_data",
        **options: Unpack[PlaceOptions],
    ) -> None:
        RecordsInThread.__init__(self, namespace)
        fields = [
            elanus.Field("id", elanus.VARCHAR, primary=True),
            elanus.Field("namespace", elanus.VARCHAR, partition_key=True),
            elanus.Field("key", elanus.VARCHAR),
            elanus.Field("group_id", elanus.VARCHAR, nullable=True),
            elanus.Field("updated_at", elanus.DOUBLE),
        ]
        TableUser.__init__(self, fields, collection_name, uri, **options)
        self._latest: float | None = None

    def create_schema(self) -> None:
        """Make the collection, unless it is there; the first ``update`` does it as well."""
        self._table.create()

    def get_time(self) -> float:
        """Return the time in seconds since 1970, never before that of a record that is there.

        A clock that was set back would let ``index`` take old records for new ones.
        """
        found = self.collection
        latest = None
        if found is not None:
            condition = {"namespace": self.namespace}
            (whole,) = found.aggregate("max(updated_at)", filter=condition)
            latest = whole["max(updated_at)"]
        now = time.time()
        self._latest = now if latest is None or latest < now else latest + _TICK_S
        return self._latest

    def update(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        """Note that keys were written now, all of them or none.

        Args:
            keys: Those of the documents.
            group_ids: The source of each document, or None.
            time_at_least: A time that must not lie in the future.

        Raises:
            ValueError: The lengths differ, or ``time_at_least`` lies in the future.
        """
        if group_ids and len(keys) != len(group_ids):
            raise ValueError(f"group_ids: expected {len(keys)}, one per key, got {len(group_ids)}")
        # Asked once for every run, not for every batch: it looks at all records.
        now = max(time.time(), self.get_time() if self._latest is None else self._latest)
        if time_at_least and time_at_least > now:
            raise ValueError(
                f"time_at_least: {time_at_least} lies in the future; the database has {now}"
            )
        groups = group_ids or [None] * len(keys)
        self._table.upsert(
            [
                {
                    "id": self._id(key),
                    "namespace": self.namespace,
                    "key": key,
                    "group_id": group,
                    "updated_at": now,
                }
                for key, group in zip(keys, groups, strict=True)
            ]
        )

    def exists(self, keys: Sequence[str]) -> list[bool]:
        """Return of each key whether it was noted."""
        ids = [self._id(key) for key in keys]
        found = self._table.get(ids, ["key"])
        return [i in found for i in ids]

    def list_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str | None] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """Return keys, sorted.

        Args:
            before: Only those last written before this time.
            after: Only those last written after this time.
            group_ids: Only those of these sources.
            limit: At most so many.
        """
        conditions: list[dict[str, Any]] = [{"namespace": self.namespace}]
        if before:
            conditions.append({"updated_at": {"$lt": before}})
        if after:
            conditions.append({"updated_at": {"$gt": after}})
        if group_ids:
            named: dict[str, Any] = {"group_id": {"$in": [g for g in group_ids if g is not None]}}
            without = [{"group_id": None}] if None in group_ids else []
            conditions.append({"$or": [named, *without]})
        rows = self._table.query({"$and": conditions}, ["key"], limit=limit or None)
        return [row["key"] for row in rows]

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Forget keys."""
        self._table.delete([self._id(key) for key in keys])

    def _id(self, key: str) -> str:
        # No namespace, once quoted, has a slash: two of them never share an id.
        return f"{quote(self.namespace, safe='')}/{key}"


_TICK_S = 1e-6
"""Least distance of two times that a double of this size keeps apart, with room to spare."""
