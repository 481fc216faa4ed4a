"""How is an error told to a client?

By Milvus' number, its name in the older enumeration, and a text that programs compare parts of.
"""

from __future__ import annotations

import re
from typing import Any

from elanus.errors import (
    AlreadyExistsError,
    CollectionExistsError,
    CollectionNotFoundError,
    DiskFullError,
    ElanusError,
    FieldNotFoundError,
    FilterError,
    IndexNotFoundError,
    InternalError,
    InvalidArgumentError,
    NotAllowedError,
    NotFoundError,
    NotLoadedError,
    PluginError,
    ReadOnlyError,
    SearchCancelledError,
    SearchTimeoutError,
    StateError,
    StorageError,
)
from elanus_server.wire import common

UNAVAILABLE = 2
RATE_LIMIT = 8
QUOTA = 9
COLLECTION_NOT_FOUND = 100
COLLECTION_NOT_LOADED = 101
COLLECTION_LIMIT = 102
COLLECTION_LOADED = 104
ILLEGAL_SCHEMA = 105
VECTOR_CLUSTERING_KEY = 107
SCHEMA_MISMATCH = 109
PARTITION_NOT_FOUND = 200
INDEX_NOT_FOUND = 700
INDEX_DUPLICATE = 702
DATABASE_NOT_FOUND = 800
DATABASE_NAME = 802
INVALID_PARAMETER = 1100
MISSING_PARAMETER = 1101
TOO_LARGE = 1102
NOT_AUTHENTICATED = 1400
NOT_PERMITTED = 1401
ALIAS_NOT_FOUND = 1600
ALIAS_CONFLICT = 1601
FIELD_NOT_FOUND = 1700
FIELD_NAME = 1701
UNEXPECTED = 65535

# The enumeration that clients of before 2.3 look at; the Node client still does.
_LEGACY = {
    COLLECTION_NOT_FOUND: common.CollectionNotExists,
    SCHEMA_MISMATCH: common.SchemaMismatch,
    PARTITION_NOT_FOUND: common.MetaFailed,
    INDEX_NOT_FOUND: common.IndexNotExist,
    INVALID_PARAMETER: common.IllegalArgument,
    MISSING_PARAMETER: common.IllegalArgument,
    TOO_LARGE: common.IllegalArgument,
    RATE_LIMIT: common.RateLimit,
    QUOTA: common.ForceDeny,
    NOT_AUTHENTICATED: common.PermissionDenied,
    NOT_PERMITTED: common.PermissionDenied,
}
_INPUT = {
    COLLECTION_NOT_FOUND,
    COLLECTION_LIMIT,
    COLLECTION_LOADED,
    ILLEGAL_SCHEMA,
    VECTOR_CLUSTERING_KEY,
    SCHEMA_MISMATCH,
    PARTITION_NOT_FOUND,
    INDEX_NOT_FOUND,
    DATABASE_NOT_FOUND,
    DATABASE_NAME,
    INVALID_PARAMETER,
    MISSING_PARAMETER,
    TOO_LARGE,
    ALIAS_NOT_FOUND,
    ALIAS_CONFLICT,
    FIELD_NOT_FOUND,
    FIELD_NAME,
}


class MilvusError(ElanusError):
    """An error as Milvus words it.

    Attributes:
        code: Its number.
        retriable: Whether the same call may succeed later.
    """

    def __init__(self, code: int, reason: str, *, retriable: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.retriable = retriable


def invalid(reason: str) -> MilvusError:
    """Return the error of a wrong argument."""
    return MilvusError(INVALID_PARAMETER, f"{reason}: invalid parameter")


def not_permitted(reason: str) -> MilvusError:
    """Return the error of what nobody may do."""
    return MilvusError(NOT_PERMITTED, f"{reason}: privilege not permitted")


def mismatch(reason: str, expected: object, actual: object) -> MilvusError:
    """Return the error of an argument that differs from what it has to be."""
    told = f"{reason}: invalid parameter[expected={expected}][actual={actual}]"
    return MilvusError(INVALID_PARAMETER, told)


def collection_not_found(database: str, name: str) -> MilvusError:
    """Return the error of a collection that is not there."""
    return MilvusError(
        COLLECTION_NOT_FOUND, f"collection not found[database={database}][collection={name}]"
    )


def database_not_found(name: str) -> MilvusError:
    """Return the error of a database that is not there."""
    return MilvusError(DATABASE_NOT_FOUND, f"database not found[database={name}]")


# The first class that fits counts: the narrower ones come first.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (CollectionNotFoundError, COLLECTION_NOT_FOUND),
    (IndexNotFoundError, INDEX_NOT_FOUND),
    (FieldNotFoundError, FIELD_NOT_FOUND),
    (NotFoundError, INVALID_PARAMETER),
    (CollectionExistsError, INVALID_PARAMETER),
    (AlreadyExistsError, INVALID_PARAMETER),
    (InvalidArgumentError, INVALID_PARAMETER),
    (NotLoadedError, COLLECTION_NOT_LOADED),
    (ReadOnlyError, 7),
    (NotAllowedError, NOT_PERMITTED),
    (StateError, INVALID_PARAMETER),
    (SearchTimeoutError, UNEXPECTED),
    (SearchCancelledError, UNEXPECTED),
    (DiskFullError, 5),
    (StorageError, 1002),
    (PluginError, UNEXPECTED),
    (InternalError, UNEXPECTED),
    (ElanusError, UNEXPECTED),
)
_UNKNOWN_FIELD = re.compile(r"\Ano field '([^']*)'")
_RETRIABLE = (SearchTimeoutError, DiskFullError)


def as_milvus(error: ElanusError) -> MilvusError:
    """Return an error of the engine as Milvus words it."""
    if isinstance(error, MilvusError):
        return error
    code = next(code for kind, code in _CODES if isinstance(error, kind))
    if isinstance(error, FilterError):
        told = _UNKNOWN_FIELD.sub(r"field \1 not exist", str(error))
        shown = f"cannot parse expression: {error.expression}, error: {told}"
        return MilvusError(code, f"failed to create query plan: {shown}")
    return MilvusError(code, str(error), retriable=isinstance(error, _RETRIABLE))


def status_in(response: Any) -> Any:
    """Return the ``Status`` in a response, which may be one itself; one that all went well where
    the response cannot tell an error."""
    if isinstance(response, common.Status):
        return response
    for name in ("status", "alter_status"):
        if hasattr(response, name):
            return getattr(response, name)
    return common.Status()


def status_of(error: MilvusError) -> Any:
    """Return the ``Status`` of an error; both numbers in it are other than 0."""
    is_input = str(error.code in _INPUT).lower()
    beside = {"is_input_error": is_input}
    if error.code == COLLECTION_NOT_FOUND:
        # pymilvus' asynchronous delete looks for costs and not for errors. Without costs it stops
        # with a ValueError, which is as well, but for a collection that is not there: LangChain's
        # store deletes from it before it has made it.
        beside["report_value"] = "0"
    return common.Status(
        error_code=_LEGACY.get(error.code, common.UnexpectedError),
        code=error.code,
        reason=str(error),
        detail=str(error),
        retriable=error.retriable,
        extra_info=beside,
    )
