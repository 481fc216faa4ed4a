"""How does a program use a database that a server holds?

``elanus.connect("http://...")`` gives a ``Database`` whose calls go over HTTP/1.1. A server needs
the same tables and the same codec: they are here.
"""

from elanus.engine.writing.load_request import LoadRequest, OnConflict
from elanus.remote.codec import begun, decode, encode
from elanus.remote.methods import (
    AGAIN_HEADER,
    COLLECTION_CALLS,
    DATABASE_CALLS,
    HELD_CALLS,
    PATH,
    PROTOCOL,
    TIMEOUT_HEADER,
    TYPE,
    Effect,
    effect_of,
)
from elanus.remote.values import ANSWERS, REQUESTS, SEARCHES, error_to_json, is_known_error

__all__ = [
    "AGAIN_HEADER",
    "ANSWERS",
    "COLLECTION_CALLS",
    "DATABASE_CALLS",
    "HELD_CALLS",
    "PATH",
    "PROTOCOL",
    "REQUESTS",
    "SEARCHES",
    "TIMEOUT_HEADER",
    "TYPE",
    "Effect",
    "LoadRequest",
    "OnConflict",
    "begun",
    "decode",
    "effect_of",
    "encode",
    "error_to_json",
    "is_known_error",
]
