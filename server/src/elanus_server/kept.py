"""What does the server itself keep?

Values by name, in properties of the database that only the server uses: as durable as everything
else in the folder, and part of its backups.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from elanus import Database
from elanus.errors import AlreadyExistsError

RESERVED_DATABASE = "_elanus_server"
"""Database of the server itself; clients do not see it."""


class Kept:
    """JSON values of the server, by name. Safe from many threads.

    Args:
        database: Any database of the folder.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()

    def read(self, name: str, default: Any) -> Any:
        """Return a value; ``default`` where nothing was kept."""
        if RESERVED_DATABASE not in self._database.list_databases():
            return default
        return self._database.database_properties(RESERVED_DATABASE).get(name, default)

    def change(self, name: str, default: Any, change: Callable[[Any], Any]) -> Any:
        """Replace a value by what ``change`` makes of it, durably, and return that.

        Args:
            name: Of the value.
            default: What ``change`` gets where nothing was kept.
            change: May raise, and nothing changes.
        """
        with self._lock:
            wanted = change(self.read(name, default))
            if RESERVED_DATABASE not in self._database.list_databases():
                with suppress(AlreadyExistsError):  # another part of the server was faster
                    self._database.create_database(RESERVED_DATABASE)
            self._database.alter_database_properties(RESERVED_DATABASE, {name: wanted})
            return wanted
