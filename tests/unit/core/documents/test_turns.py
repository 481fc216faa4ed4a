"""Who may change what was read at a server, and what of those who never came back?"""

import time

import pytest

import elanus
from elanus.documents.turns import TURNS, turn
from elanus.errors import DatabaseLockedError


def holders(database: elanus.Database) -> list[str]:
    return [row["id"] for row in database.collection(TURNS).query()]


def test_a_turn_is_given_back_also_after_an_error() -> None:
    with elanus.connect(":memory:") as database:
        with turn(database, "a", wait_s=1):
            assert holders(database) == ["a"]
        with pytest.raises(ZeroDivisionError), turn(database, "a", wait_s=1):
            raise ZeroDivisionError
        assert holders(database) == []


def test_one_name_has_one_turn_and_others_are_free() -> None:
    with elanus.connect(":memory:") as database, turn(database, "a", wait_s=1):
        with (
            pytest.raises(DatabaseLockedError, match="a: other programs"),
            turn(database, "a", wait_s=0.01),
        ):
            pass
        with turn(database, "b", wait_s=0):
            assert holders(database) == ["a", "b"]


def test_a_turn_that_has_run_out_is_taken_and_not_given_back_by_the_old_holder() -> None:
    with elanus.connect(":memory:") as database:
        old = turn(database, "a", wait_s=1)
        old.__enter__()
        turns = database.collection(TURNS)
        (row,) = turns.query()
        assert 25 < row["until"] - time.time() <= 30
        turns.upsert([{**row, "until": time.time() - 1}])
        with turn(database, "a", wait_s=0):
            old.__exit__(None, None, None)
            assert holders(database) == ["a"]
        assert holders(database) == []
