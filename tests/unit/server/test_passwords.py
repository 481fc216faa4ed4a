"""Passwords are checked by Argon2, and what was found is remembered."""

from __future__ import annotations

import pytest

from elanus_server.failures import MilvusError
from elanus_server.security import passwords
from elanus_server.security.passwords import KnownCredentials, hashed


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that Argon2 was asked about, in order."""
    asked: list[str] = []
    matches = passwords._matches

    def noted(stored: str, password: str) -> bool:
        asked.append(password)
        return matches(stored, password)

    monkeypatch.setattr(passwords, "_matches", noted)
    return asked


def test_a_password_is_kept_as_a_hash_of_argon2_that_is_its_own() -> None:
    one, other = hashed("whale-song"), hashed("whale-song")
    assert one.startswith("$argon2id$")
    assert one != other
    assert "whale" not in one
    for wrong in ("short", "x" * 73):
        with pytest.raises(MilvusError, match="invalid password length"):
            hashed(wrong)


def test_right_and_wrong_credentials_are_checked_once(checked: list[str]) -> None:
    known, stored = KnownCredentials(), hashed("whale-song")
    for _ in range(3):
        assert known.is_right("ann", "whale-song", stored)
        assert not known.is_right("ann", "wrong-song", stored)
    assert checked == ["whale-song", "wrong-song"]


def test_who_is_not_there_is_checked_as_long_as_who_is(checked: list[str]) -> None:
    known = KnownCredentials()
    assert not known.is_right("nobody", "whale-song", None)
    assert checked == ["whale-song"]
    assert not known.is_right("", "whale-song", None)
    assert len(checked) == 1


def test_what_was_right_is_worth_nothing_for_another_user_or_password(checked: list[str]) -> None:
    known, stored, later = KnownCredentials(), hashed("whale-song"), hashed("other-song")
    assert known.is_right("ann", "whale-song", stored)
    # Ann has another password now, and bob never had this one.
    assert not known.is_right("ann", "whale-song", later)
    assert not known.is_right("bob", "whale-song", later)
    # Where one ends and the other begins counts, too.
    assert not known.is_right("ann\0whale-song", "", stored)
    assert len(checked) == 4


def test_no_more_is_remembered_than_there_is_room_for(
    checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_KNOWN", 2)
    known, stored = KnownCredentials(), hashed("whale-song")
    for name in ("a", "b", "a", "c", "a", "b"):
        assert known.is_right(name, "whale-song", stored)
    # The one that was not asked about for longest is forgotten: b, when c came.
    assert len(checked) == 4
