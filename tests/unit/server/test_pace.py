"""Which calls are answered without a thread."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from elanus_server.admission import Admission, Load, TooBusyError, TooLateError, kind_of
from elanus_server.pace import Pace

SHORT, LITTLE, LONG, FAR = 0.0002, 0.002, 0.005, 0.2


def learned(pace: Pace, calls: int) -> bool:
    """Return whether a kind is short after so many short calls in threads."""
    for _ in range(calls):
        pace.took_in_thread("k", SHORT)
    return pace.is_short("k")


def test_calls_that_were_short_many_times_in_a_row_need_no_thread():
    pace = Pace()
    assert not pace.is_short("k")
    assert not learned(pace, 31)
    assert learned(pace, 1)
    assert not pace.is_short("another")
    pace.took_in_thread("k", LONG)
    assert not learned(pace, 31)


def test_one_longer_call_among_many_is_forgiven_and_two_are_not():
    pace = Pace()
    assert learned(pace, 32)
    for _ in range(32):
        pace.took_here("k", SHORT, SHORT)
    pace.took_here("k", LONG, LONG)
    assert pace.is_short("k")
    pace.took_here("k", LONG, LONG)
    assert not learned(pace, 63)
    assert learned(pace, 1)


def test_some_that_are_a_little_longer_leave_a_kind_where_it_is_and_many_do_not():
    pace = Pace()
    for _ in range(3):
        assert not learned(pace, 15)
        pace.took_in_thread("k", LITTLE)
    assert learned(pace, 15)
    for _ in range(100):
        for _ in range(15):
            pace.took_here("k", SHORT, SHORT)
        pace.took_here("k", LITTLE, LITTLE)
        assert pace.is_short("k")
    for _ in range(4):
        pace.took_here("k", LITTLE, LITTLE)
    assert not pace.is_short("k")
    # It is no mistake to have had it here: it comes back as easily.
    assert learned(pace, 8)
    never = Pace()
    for _ in range(1_000):
        for _ in range(7):
            never.took_in_thread("k", SHORT)
        never.took_in_thread("k", LITTLE)
        assert not never.is_short("k")


@pytest.mark.parametrize("took", [(FAR, FAR), (SHORT, FAR)])
def test_a_call_that_held_everything_up_sends_its_kind_back_for_longer_each_time(took):
    pace = Pace()
    for needed in (32, 64, 128):
        assert not learned(pace, needed - 1)
        assert learned(pace, 1)
        for _ in range(2 * needed):
            pace.took_here("k", SHORT, SHORT)
        pace.took_here("k", *took)
        assert not pace.is_short("k")
    # A thousand short calls make up for one mistake.
    assert learned(pace, 256)
    for _ in range(3_000):
        pace.took_here("k", SHORT, SHORT)
    pace.took_here("k", FAR, FAR)
    assert not learned(pace, 63)
    assert learned(pace, 1)


def test_kinds_are_forgotten_after_a_while():
    pace = Pace()
    assert learned(pace, 32)
    for number in range(1_024):
        pace.took_in_thread(number, SHORT)
    assert not pace.is_short("k")


def test_who_asks_for_the_first_time_is_another_kind():
    kinds = {
        kind_of("Search", "", b"x" * 100),
        kind_of("Search", "someone", b"x" * 100),
        kind_of("Query", "", b"x" * 100),
        kind_of("Search", "", b"x" * 1_000),
    }
    assert len(kinds) == 4
    assert kind_of("Search", "", b"y" * 101) in kinds


def test_short_calls_are_answered_where_they_come_in_and_long_ones_elsewhere():
    async def threads_of(calls: int, *, is_short: bool) -> list[bool]:
        admission = Admission(2, 2, 1_000, Pace())

        def answer(_: object) -> bool:
            ends = time.thread_time() + (0 if is_short else 2 * LONG)
            while time.thread_time() < ends:
                pass
            return threading.current_thread() is threading.main_thread()

        try:
            return [await admission.run(answer, kind="k") for _ in range(calls)]
        finally:
            admission.close()

    found = asyncio.run(threads_of(40, is_short=True))
    assert found[:32] == [False] * 32
    assert found[-1]
    assert not any(asyncio.run(threads_of(40, is_short=False)))


def test_calls_without_a_thread_are_bounded_and_counted_as_well():
    async def ask() -> None:
        pace = Pace()
        learned(pace, 32)
        admission = Admission(1, 0, 10, pace)
        try:
            with admission.held(), pytest.raises(TooBusyError):
                await admission.run(lambda _: None, kind="k")
            room = admission.room(7)
            assert await admission.run(lambda _: admission.load, room=room, kind="k") == Load(
                running=1, held_bytes=7, refused=1
            )
            with pytest.raises(ZeroDivisionError):
                await admission.run(lambda _: 1 / 0, room=room, kind="k")
            with pytest.raises(TooLateError):
                await admission.run(lambda _: time.sleep(0.02), timeout_s=0.01, kind="k")
            room.give_up()
            assert (admission.load.running, admission.load.held_bytes) == (0, 0)
        finally:
            admission.close()

    asyncio.run(ask())
