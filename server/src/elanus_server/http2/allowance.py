"""How often may a client do something that costs us more than it costs the client?"""

from __future__ import annotations


class Allowance:
    """So often at once, and then so often each second.

    Args:
        most: Times at once.
        per_s: Times each second that are allowed anew.
    """

    def __init__(self, most: int, per_s: float) -> None:
        self._most = self._left = float(most)
        self._per_s = per_s
        self._at_s = 0.0

    def take(self, now_s: float) -> bool:
        """Take one; return False when there is none left."""
        self._left = min(self._left + (now_s - self._at_s) * self._per_s, self._most)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def fill(self) -> None:
        """Allow as many at once as in the beginning."""
        self._left = self._most
