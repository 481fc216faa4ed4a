"""How do the companions of the store open the table of their rows?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Unpack

import elanus
from elanus.documents import Closing, Place, PlaceOptions, Table, check_options


class TableUser(Closing):
    """Something that keeps its rows in a table.

    Args:
        fields: What a row holds; one of them is the primary key.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        ttl_s: Seconds that a row of a new collection lives; None: for ever.
        **options: See ``PlaceOptions``.

    Raises:
        TypeError: An option does not exist.
        ValueError: ``several_processes`` without a folder.
        DatabaseLockedError: Another process has the folder open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        fields: Sequence[elanus.Field],
        collection_name: str,
        uri: str | os.PathLike[str],
        *,
        ttl_s: float | None = None,
        **options: Unpack[PlaceOptions],
    ) -> None:
        check_options(options, PlaceOptions.__annotations__, "a companion")
        place = Place(elanus.connect, uri, **options)
        self._table = Table(place, collection_name, fields, ttl_s=ttl_s)

    @property
    def collection(self) -> elanus.Collection | None:
        """The elanus collection, or None before the first write; with ``several_processes`` it
        only reads.
        """
        found: elanus.Collection | None = self._table.collection
        return found

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        self._table.close()
