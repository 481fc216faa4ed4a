import numpy as np
import pytest

from elanus.engine.writing.ingest import AutoIds
from elanus.schema.batches import FixedColumn, strings_to_column


@pytest.mark.parametrize(
    ("keys", "following"),
    [
        ([], 1),
        ([-5, -1], 1),
        ([3, 70, 12], 71),
    ],
)
def test_automatic_numbers_follow_those_that_are_taken(keys: list[int], following: int) -> None:
    auto_ids = AutoIds()
    auto_ids.note(FixedColumn(np.array(keys, dtype=np.int64)))
    assert auto_ids.take(2) == range(following, following + 2)


@pytest.mark.parametrize(
    ("keys", "following"),
    [
        ([], 1),
        (["doc", "-7", "", "1.5"], 1),
        (["9", "10", "doc"], 11),
        # Digits, but no number; a number that Python refuses to read; one beyond any counter.
        (["²", "4", "9" * 5000, "9" * 19], 5),
    ],
)
def test_automatic_texts_follow_those_that_are_taken(keys: list[str], following: int) -> None:
    auto_ids = AutoIds()
    auto_ids.note(strings_to_column(keys))
    assert auto_ids.take(2) == range(following, following + 2)
