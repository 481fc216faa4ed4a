"""Patterns that the kernel reads, by each CPU variant, against Python."""

from __future__ import annotations

import random

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.filter.matching.patterns import like_matcher, text_matcher
from elanus.kernels.text_patterns import ANY_TEXT, match_pattern
from elanus.schema.batches import strings_to_column

LENGTHS = range(131)


def _texts(drawn: random.Random) -> list[str]:
    """Return a text of every length, with what is looked for at its end if it has room for it."""
    texts = ["".join(drawn.choices("aabÄ", k=length)) for length in LENGTHS]
    return [
        text[:-3] + "bcd" if len(text) >= 3 and drawn.random() < 0.5 else text for text in texts
    ]


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.usefixtures("variant")
def test_every_length_is_read_to_its_end(ignore_case: bool) -> None:
    drawn = random.Random(3)
    for _ in range(10):
        texts = _texts(drawn)
        drawn.shuffle(texts)
        column = strings_to_column(texts)
        for pattern in ("%bcd", "%bcd%", "a%bcd", "%b_d", "%b%c%", "_%", "%" + "a" * 40 + "%"):
            matches = like_matcher(pattern, ignore_case=ignore_case)
            assert matches.matching(column).tolist() == [matches(text) for text in texts]
        for part in ("bcd", "B", "", "d" * 200, "äb"):
            matches = text_matcher(part, ignore_case=ignore_case)
            assert matches.matching(column).tolist() == [matches(text) for text in texts]


@pytest.mark.usefixtures("variant")
def test_many_texts_are_read_in_chunks() -> None:
    """A chunk is 256 KB; one text is longer."""
    texts = [f"{i} of many {i * i}" for i in range(40_000)]
    texts[20_000] = "x" * 600_000 + "many 81!"
    column = strings_to_column(texts)
    for pattern in ("%many 81%", "7%1", "%\\%%", "%9_9%"):
        matches = like_matcher(pattern)
        assert matches.matching(column).tolist() == [matches(text) for text in texts]


def test_texts_that_cannot_be_decided_are_named() -> None:
    column = strings_to_column(["Ab", "aÄb", "\u212ab", "xÄ", "ab"])
    found, undecided = match_pattern(
        column.offsets, column.data, b"a" + ANY_TEXT + b"b", ignores_case=True
    )
    assert found.tolist() == [True, False, False, False, True]
    assert undecided.tolist() == [1, 2]


def test_offsets_that_do_not_ascend_are_refused() -> None:
    data = np.zeros(4, dtype=np.uint8)
    with pytest.raises(InvalidArgumentError, match="offsets: expected ascending places"):
        match_pattern(np.array([0, 3, 2]), data, ANY_TEXT)
