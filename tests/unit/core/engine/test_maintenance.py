"""Urgent jobs come first, also inside long ones; delays end when somebody waits."""

import threading

import pytest

from elanus.engine.background.maintenance import Maintenance, Priority


@pytest.fixture
def maintenance():
    made = Maintenance()
    yield made
    made.close()


def test_more_urgent_jobs_run_inside_a_long_one(maintenance):
    done = []
    started, go_on = threading.Event(), threading.Event()

    def index(checkpoint):
        started.set()
        assert go_on.wait(10)
        checkpoint()
        done.append("index")

    def compact(checkpoint):
        maintenance.submit(Priority.FLUSH, "flush 2", lambda c: done.append("flush 2"))
        # The second index build is not more urgent than the merge, so it waits.
        checkpoint()
        done.append("compact")

    maintenance.submit(Priority.INDEX, "index", index)
    assert started.wait(10)
    maintenance.submit(Priority.INDEX, "other index", lambda c: done.append("other index"))
    maintenance.submit(Priority.COMPACT, "compact", compact)
    maintenance.submit(Priority.FLUSH, "flush", lambda c: done.append("flush"))
    go_on.set()
    maintenance.wait_idle()
    assert done == ["flush", "flush 2", "compact", "index", "other index"]


def test_a_delay_ends_when_somebody_waits(maintenance):
    done = []
    maintenance.submit(Priority.INDEX, "index", lambda c: done.append("index"), delay_s=1_000)
    maintenance.wait_idle()
    assert done == ["index"]


def test_a_job_that_waits_is_replaced_by_the_next_with_its_key(maintenance):
    done = []
    hold, held = threading.Event(), threading.Event()

    def block(checkpoint):
        held.set()
        assert hold.wait(10)

    maintenance.submit(Priority.FLUSH, "block", block)
    assert held.wait(10)
    for number in range(3):
        maintenance.submit(
            Priority.INDEX, "index", lambda c, n=number: done.append(n), delay_s=1_000
        )
    maintenance.submit(Priority.INDEX, "index", lambda c: done.append("now"))
    maintenance.submit(Priority.INDEX, "index", lambda c: done.append("again"))
    hold.set()
    maintenance.wait_idle()
    assert done == ["now"]


def test_a_failure_is_told_once_and_stops_nothing(maintenance):
    done = []

    def fail(checkpoint):
        raise ValueError("no")

    maintenance.submit(Priority.FLUSH, "fail", fail)
    maintenance.submit(Priority.INDEX, "index", lambda c: done.append("index"))
    with pytest.raises(ValueError, match="no"):
        maintenance.wait_idle()
    maintenance.wait_idle()
    assert done == ["index"]


def test_closing_ends_a_job_at_its_checkpoint():
    maintenance = Maintenance()
    started = threading.Event()
    rounds = []

    def endless(checkpoint):
        while True:
            started.set()
            checkpoint()
            rounds.append(1)

    maintenance.submit(Priority.INDEX, "endless", endless)
    maintenance.submit(Priority.INDEX, "later", lambda c: rounds.append("later"), delay_s=1_000)
    assert started.wait(10)
    maintenance.close()
    assert "later" not in rounds
    maintenance.submit(Priority.FLUSH, "late", lambda c: rounds.append("late"))
    assert "late" not in rounds
