"""Threads that work for an event loop, and what bounds them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from elanus_server import threads as threads_module
from elanus_server.admission import Admission, TooBusyError, TooLateError
from elanus_server.threads import Job, Threads


async def _done(threads: Threads, work: Any) -> Any:
    future = asyncio.get_running_loop().create_future()

    def told(found: Any, error: BaseException | None) -> None:
        if error is None:
            future.set_result(found)
        else:
            future.set_exception(error)

    assert threads.give(Job(work, lambda has_begun: None, told))
    return await future


def test_jobs_are_done_by_as_many_threads_as_there_may_be() -> None:
    async def run() -> None:
        threads = Threads(3, "test")
        meeting = threading.Barrier(3, timeout=30)
        # Each waits for the others: three are needed, and three are enough.
        assert (
            len(set(await asyncio.gather(*[_done(threads, meeting.wait) for _ in range(9)]))) == 3
        )
        # One after the other they need no more threads than there are.
        names = {await _done(threads, lambda: threading.current_thread().name) for _ in range(20)}
        assert names <= {"test_0", "test_1", "test_2"}
        with pytest.raises(ZeroDivisionError):
            await _done(threads, lambda: 1 // 0)
        threads.close(RuntimeError())
        assert not threads.give(Job(int, lambda has_begun: None, lambda found, error: None))

    asyncio.run(run())


def test_what_waits_is_dropped_in_the_end_and_what_was_begun_is_not() -> None:
    async def run() -> None:
        threads, gate = Threads(1, "test"), threading.Event()
        begun = threading.Event()

        def first() -> str:
            begun.set()
            gate.wait(30)
            return "done"

        running = asyncio.ensure_future(_done(threads, first))
        waiting = asyncio.ensure_future(_done(threads, int))
        await asyncio.to_thread(begun.wait, 30)
        closing = asyncio.ensure_future(asyncio.to_thread(threads.close, KeyError("closed")))
        with pytest.raises(KeyError):
            await waiting
        gate.set()
        assert await running == "done"
        await closing

    asyncio.run(run())


def test_who_waits_no_more_makes_room_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "_MOST_CANCELLED", 3)

    async def run() -> None:
        admission, gate, begun = Admission(1, 1, 100), threading.Event(), threading.Event()
        order: list[int] = []
        first = admission.begin(lambda c: (begun.set(), gate.wait(30)), lambda found, error: None)
        await asyncio.to_thread(begun.wait, 30)
        for number in range(8):
            room = admission.room(60)
            waiting = admission.begin(lambda c: order.append(-1), _not_told, room=room)
            room.give_up()
            with pytest.raises(TooBusyError, match="2 calls are under way"):
                admission.begin(lambda c: None, _not_told)
            assert (admission.load.waiting, admission.load.held_bytes) == (1, 60)
            waiting.cancel()
            assert (admission.load.waiting, admission.load.held_bytes) == (0, 0), number
        told = asyncio.get_running_loop().create_future()
        admission.begin(lambda c: order.append(1), lambda found, error: told.set_result(error))
        # What runs is counted until it ends.
        first.cancel()
        assert admission.load.running == 1
        gate.set()
        assert await told is None
        assert order == [1]
        admission.close()
        assert (admission.load.running, admission.load.waiting) == (0, 0)

    asyncio.run(run())


def _not_told(found: Any, error: BaseException | None) -> None:
    raise AssertionError("nobody waits")


def test_bytes_are_counted_until_nobody_needs_them() -> None:
    async def run() -> None:
        admission, gate = Admission(1, 1, 100), threading.Event()
        room = admission.room(60)
        with pytest.raises(TooBusyError, match="60 bytes are under way"):
            admission.room(41)
        other = admission.room(40)
        with pytest.raises(TooBusyError):
            other.grow(41)
        other.give_up()
        room.grow(70)
        assert admission.load.held_bytes == 70
        call = asyncio.ensure_future(admission.run(lambda c: gate.wait(30), room=room))
        await asyncio.sleep(0)
        # Nobody waits any more, and the thread still works on it.
        room.give_up()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert admission.load.held_bytes == 70
        gate.set()
        admission.close()
        assert admission.load.held_bytes == 0
        # A single one may always come, and grow.
        large = admission.room(1)
        large.grow(1_000)
        assert admission.load.held_bytes == 1_000
        with pytest.raises(TooBusyError, match="stopping"):
            await admission.run(lambda c: None)
        with pytest.raises(TooLateError):
            await admission.run(lambda c: None, timeout_s=0.0)

    asyncio.run(run())
