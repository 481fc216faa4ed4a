"""Texts of headers in the Huffman code of HPACK (RFC 7541, appendix B)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

# Bits of the code of each byte, and of the end of the text. Codes of one length are numbered in the
# order of the bytes, shorter ones first, so nothing else needs to be known.
# fmt: off
_LENGTHS = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
)
# fmt: on
_END = 256


class _Step(NamedTuple):
    """What four bits of a text lead to.

    Attributes:
        state: In which the next four are read; -1: no text has these bits.
        told: The byte that they complete, if any.
        may_end: Whether the text may end here: what is left over are ones, fewer than eight.
    """

    state: int
    told: bytes
    may_end: bool


@cache
def _steps() -> list[list[_Step]]:
    """Return the steps from each state by the next four bits.

    A state is the beginning of a code. Codes have five bits at least, so four bits complete one
    byte at most.
    """
    codes: dict[tuple[int, int], int] = {}
    code = last = 0
    for length, byte in sorted((length, byte) for byte, length in enumerate(_LENGTHS)):
        code <<= length - last
        codes[length, code] = byte
        code, last = code + 1, length
    begun = {(n, code >> length - n) for length, code in codes for n in range(length)}
    states = {one: number for number, one in enumerate(sorted(begun))}
    return [[_step(one, bits, codes, states) for bits in range(16)] for one in sorted(begun)]


def _step(
    begun: tuple[int, int],
    bits: int,
    codes: dict[tuple[int, int], int],
    states: dict[tuple[int, int], int],
) -> _Step:
    length, code = begun
    told = b""
    for place in (3, 2, 1, 0):
        length, code = length + 1, code << 1 | bits >> place & 1
        byte = codes.get((length, code))
        if byte is not None:
            if byte == _END:
                return _Step(-1, b"", may_end=False)
            told, length, code = bytes((byte,)), 0, 0
    may_end = length < 8 and code == (1 << length) - 1
    return _Step(states[length, code], told, may_end)


def decode(raw: bytes) -> bytes:
    """Return a text.

    Raises:
        ValueError: It is none of this code.
    """
    steps = _steps()
    state, may_end = 0, True
    told = []
    for byte in raw:
        for bits in (byte >> 4, byte & 15):
            state, text, may_end = steps[state][bits]
            if state < 0:
                raise ValueError("the end of a text in the middle of it")
            if text:
                told.append(text)
    if not may_end:
        raise ValueError("a text ends in the middle of a code")
    return b"".join(told)
