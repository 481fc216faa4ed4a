"""Every exception elanus raises, as one tree that can be caught at any depth.

A message says what, where, what was expected, what was given, and the next step. The values
also sit on attributes, so that a program need not parse the text.
"""

from __future__ import annotations


class ElanusError(Exception):
    """Root of every error that elanus raises on purpose."""


# --- the caller's input ---------------------------------------------------------------------


class InvalidArgumentError(ElanusError, ValueError):
    """An argument has the wrong type, shape or value."""


class SchemaError(InvalidArgumentError):
    """A schema is not one that a collection can have."""


class EntityError(InvalidArgumentError):
    """An entity does not fit its schema.

    Attributes:
        field: Name of the field at fault, or None when the whole entity is.
        row: Position of the entity in the batch, from 0, or None for a whole column.
    """

    def __init__(self, message: str, *, field: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row = row


class FilterError(InvalidArgumentError):
    """A filter expression cannot be read, or names or types in it do not fit the schema.

    Attributes:
        expression: The whole expression as text.
        position: Offset of the fault in ``expression``, in characters from 0, or None.
        hint: What to write instead, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        expression: str = "",
        position: int | None = None,
        hint: str | None = None,
    ) -> None:
        self.expression = expression
        self.position = position
        self.hint = hint
        super().__init__(_with_caret(message, expression, position, hint))


def _with_caret(message: str, expression: str, position: int | None, hint: str | None) -> str:
    lines = [message]
    if expression and position is not None:
        # One long line is cut around the fault, so that the caret stays on the screen.
        start = max(0, position - 60)
        shown = expression[start : start + 120].replace("\n", " ").replace("\t", " ")
        lead = "..." if start else ""
        lines += [f"  {lead}{shown}", "  " + " " * (len(lead) + position - start) + "^"]
    if hint:
        lines.append(f"  {hint}")
    return "\n".join(lines)


# --- things that are not there, or already are ----------------------------------------------


class NotFoundError(ElanusError, LookupError):
    """Something named by the caller does not exist."""


class CollectionNotFoundError(NotFoundError):
    """No collection has this name.

    Attributes:
        name: The name that was asked for.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class FieldNotFoundError(NotFoundError):
    """No field has this name.

    Attributes:
        name: The name that was asked for.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class IndexNotFoundError(NotFoundError):
    """A field has no index of the kind that was asked for."""


class HistoryError(NotFoundError):
    """The past state that ``as_of`` names was not kept."""


class AlreadyExistsError(ElanusError):
    """Something with this name or key exists already."""


class CollectionExistsError(AlreadyExistsError):
    """A collection with this name exists already."""


class EntityExistsError(AlreadyExistsError):
    """An inserted primary key is taken; ``upsert`` replaces instead.

    Attributes:
        pk: The first primary key that is taken.
        row: Its position in the batch, from 0.
    """

    def __init__(self, message: str, *, pk: object = None, row: int | None = None) -> None:
        super().__init__(message)
        self.pk = pk
        self.row = row


# --- what a handle may not do ---------------------------------------------------------------


class NotAllowedError(ElanusError, PermissionError):
    """A restricted handle may not do this, or may not write this entity.

    Attributes:
        row: Position of the entity in the batch, from 0, or None.
    """

    def __init__(self, message: str, *, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


# --- the state of an object -----------------------------------------------------------------


class StateError(ElanusError):
    """The object is in a state in which the call makes no sense."""


class ClosedError(StateError):
    """The database was closed."""


class NotLoadedError(StateError):
    """The collection is not loaded."""


class ReadOnlyError(StateError):
    """The database was opened for reading only."""


# --- searches that end early ----------------------------------------------------------------


class SearchTimeoutError(ElanusError, TimeoutError):
    """A search took longer than its ``timeout``. A later one may be in time."""


class SearchCancelledError(ElanusError):
    """A search was ended from another thread."""


# --- bytes on disk --------------------------------------------------------------------------


class StorageError(ElanusError):
    """Reading or writing files failed."""


class CorruptionError(StorageError):
    """Stored bytes are not what was written.

    Attributes:
        path: The damaged file, relative to the database.
        offset: Where the damage starts, in bytes, or None when the whole file is meant.
    """

    def __init__(self, message: str, *, path: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset


class FormatVersionError(StorageError):
    """Files were written by a newer version of elanus than this one can read."""


class DatabaseLockedError(StorageError):
    """Another process holds the database for writing.

    Attributes:
        pid: Process id of the holder, or None when it is not known.
    """

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StorageFailedError(StorageError):
    """A write or sync failed; the database takes no writes until it is opened again."""


class DiskFullError(StorageError):
    """The medium has no room for a write; nothing of it was stored.

    Attributes:
        path: Where the room is missing.
        free: Bytes that were free, or None when it is not known.
        needed: Bytes that had to be free, or None when it is not known.
    """

    def __init__(
        self, message: str, *, path: str = "", free: int | None = None, needed: int | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.free = free
        self.needed = needed


# --- plug-ins -------------------------------------------------------------------------------


class PluginError(ElanusError):
    """A plug-in is missing or failed."""


class PluginNotInstalledError(PluginError):
    """A plug-in, or a package that it needs, is not installed.

    Attributes:
        name: The plug-in that was asked for.
        extra: The distribution to install, or None when no known one provides it.
    """

    def __init__(self, message: str, *, name: str = "", extra: str | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.extra = extra


class AnalyzerNotFoundError(SchemaError, PluginNotInstalledError):
    """No tokenizer, filter or analyzer has this name: it is misspelt, or its plug-in is missing."""


class ModelMismatchError(PluginError):
    """A collection was embedded with another model than the one given.

    Attributes:
        stored: Fingerprint that the collection was written with.
        given: Fingerprint of the model at hand.
    """

    def __init__(self, message: str, *, stored: str = "", given: str = "") -> None:
        super().__init__(message)
        self.stored = stored
        self.given = given


class AnalyzerMismatchError(PluginError):
    """What analyzes the texts of a field makes other terms than those that are stored.

    Attributes:
        stored: Fingerprint of the analyzer that made them.
        given: Fingerprint of the analyzer at hand.
    """

    def __init__(self, message: str, *, stored: str = "", given: str = "") -> None:
        super().__init__(message)
        self.stored = stored
        self.given = given


class ProviderError(PluginError):
    """A model or the service behind it failed.

    Attributes:
        retryable: True when the same call may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


# --- servers --------------------------------------------------------------------------------


class ServerError(ElanusError):
    """A server cannot be reached, or does not answer as one of elanus does."""


class ServerConnectionError(ServerError, ConnectionError):
    """A server cannot be reached, or the connection broke.

    Attributes:
        host: Of the server.
        port: Of the server.
        is_unknown: Whether it is unknown if a write was applied; False: it was not, or the call
            only reads.
    """

    def __init__(
        self, message: str, *, host: str = "", port: int = 0, is_unknown: bool = False
    ) -> None:
        super().__init__(message)
        self.host = host
        self.port = port
        self.is_unknown = is_unknown


class ServerTimeoutError(ServerError, TimeoutError):
    """A server did not answer within the ``timeout`` of the connection.

    Attributes:
        timeout_s: The seconds.
    """

    def __init__(self, message: str, *, timeout_s: float | None = None) -> None:
        super().__init__(message)
        self.timeout_s = timeout_s


class ServerBusyError(ServerError):
    """A server has too much to do; nothing was done. Try again later.

    Attributes:
        retry_after_s: Seconds after which the server would do it; None: it does not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MessageTooLargeError(ServerError, ValueError):
    """A request or an answer is larger than the server takes; nothing was done.

    Attributes:
        size: Bytes that it has.
        limit: Bytes that it may have.
    """

    def __init__(self, message: str, *, size: int = 0, limit: int = 0) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class ProtocolError(ServerError):
    """Bytes on a connection are not what elanus sends."""


class AccessError(ElanusError, PermissionError):
    """A server does not let the user do it."""


class AuthenticationError(AccessError):
    """A server does not know the user, or the password is another one."""


class PermissionDeniedError(AccessError):
    """The user has no privilege for the call."""


class InternalError(ElanusError):
    """An invariant of elanus itself is broken. Please report it."""
