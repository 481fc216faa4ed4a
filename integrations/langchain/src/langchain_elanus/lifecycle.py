"""Who opens and closes the database of a store?"""

from __future__ import annotations

import os

import elanus
from elanus.documents import Closing


class DatabaseUser(Closing):
    """Something over a database, its own or a shared one; closes only its own.

    Args:
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server.
        shared: An open database to use instead.
    """

    def __init__(
        self, uri: str | os.PathLike[str], token: str | None, shared: elanus.Database | None
    ) -> None:
        self._owns_database = shared is None
        self._database = elanus.connect(uri, token=token) if shared is None else shared

    def close(self) -> None:
        """Close the database, unless it was given or others in this process use it."""
        if self._owns_database:
            self._database.close()
