"""Who makes a call?"""

from __future__ import annotations


class Caller(str):
    """The name of a user, and what is left of their rights where they came with a token.

    It is a text, so that whoever only needs the name need not know of tokens; whoever asks for
    rights hands on the whole.

    Attributes:
        roles: Of the user's roles those that count; None: all of them.
        read_only: Only what changes nothing may be called.
        token: Number of the token; empty: they came with a password.
    """

    __slots__ = ("read_only", "roles", "token")

    roles: frozenset[str] | None
    read_only: bool
    token: str

    def __new__(
        cls,
        name: str,
        roles: frozenset[str] | None = None,
        *,
        read_only: bool = False,
        token: str = "",
    ) -> Caller:
        made = super().__new__(cls, name)
        made.roles, made.read_only, made.token = roles, read_only, token
        return made

    @classmethod
    def of(cls, name: str) -> Caller:
        """Return what a name stands for; a name alone has every right of the user."""
        return name if isinstance(name, Caller) else cls(name)

    @property
    def rights(self) -> tuple[str, frozenset[str] | None]:
        """What callers have in common who may see the same."""
        return str(self), self.roles
