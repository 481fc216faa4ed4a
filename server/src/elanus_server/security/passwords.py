"""Are these credentials right?

A client sends user and password with every call. Argon2 takes tens of milliseconds by design, so
what was found right or wrong is remembered, under a keyed hash that is worth nothing outside of
this process: a client with an old password that tries again and again costs nothing.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
import threading
from collections import OrderedDict

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from elanus_server.failures import invalid

SHORTEST, LONGEST = 6, 72
"""Bytes of a password, as with Milvus."""
MAX_KNOWN = 10_000
"""Credentials that are remembered."""
CHECKED_AT_ONCE = 2
"""Passwords that are checked at once, each in 64 MiB: whoever guesses many takes no more."""
_hasher = PasswordHasher()


@functools.cache
def _nobody() -> str:
    """Return what is checked when there is no such user, so that time does not tell whether there
    is one. Servers without users need not take the time to make it."""
    return _hasher.hash(secrets.token_urlsafe(16))


def check_length(password: str) -> None:
    """Refuse a new password.

    Raises:
        MilvusError: It is too short or too long.
    """
    size = len(password.encode())
    if not SHORTEST <= size <= LONGEST:
        raise invalid(
            f"invalid password length: out of range {SHORTEST} <= value <= {LONGEST}, got {size}"
        )


def hashed(password: str) -> str:
    """Return what is kept of a password.

    Raises:
        MilvusError: It is too short or too long.
    """
    check_length(password)
    return _hasher.hash(password)


class KnownCredentials:
    """Checks passwords, and remembers which were right. Safe from many threads."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._checking = threading.Semaphore(CHECKED_AT_ONCE)
        self._known: OrderedDict[bytes, bool] = OrderedDict()

    def is_right(self, user: str, password: str, stored: str | None) -> bool:
        """Whether a password is that of a user.

        Args:
            user: Name of the user.
            password: As given.
            stored: What is kept of the right one; None: there is no such user.
        """
        if not user:
            return False
        text = "\0".join([user, password, stored or ""]).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, key=self._key, digest_size=32).digest()
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
        nobody = _nobody()
        with self._checking:
            is_right = _matches(stored or nobody, password) and stored is not None
        with self._lock:
            self._known[digest] = is_right
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return is_right


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
