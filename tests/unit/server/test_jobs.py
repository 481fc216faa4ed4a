"""Jobs are done in order, remembered, and forgotten when there are too many."""

import threading

import pytest

import elanus
from elanus.errors import InvalidArgumentError
from elanus_server.kept import Kept
from elanus_server.service import jobs as module
from elanus_server.service.jobs import Jobs


@pytest.fixture
def kept():
    with elanus.connect(":memory:") as database:
        yield Kept(database)


def done(jobs, kind, work, **asked):
    ended = threading.Event()

    def working(job, tell):
        try:
            return work(job, tell)
        finally:
            ended.set()

    job = jobs.start(kind, "default", "c", asked, working)
    assert ended.wait(60)
    return job.number


def test_job_says_what_it_did_or_why_it_failed(kept):
    jobs = Jobs(kept)

    def fails(job, tell):
        raise InvalidArgumentError("no such thing")

    good = done(jobs, "import", lambda job, tell: {"rows": job.asked["n"]}, n=3)
    bad = done(jobs, "import", fails)
    worse = done(jobs, "import", lambda job, tell: 1 / 0)
    jobs.close()
    told = {job.number: job for job in Jobs(kept).all("import")}
    assert list(told) == [worse, bad, good]
    assert (told[good].state, told[good].results, told[good].progress) == (
        "completed",
        {"rows": 3},
        100,
    )
    assert (told[bad].state, told[bad].reason) == ("failed", "no such thing")
    assert told[worse].reason == "ZeroDivisionError: division by zero"
    assert Jobs(kept).find("restore", good) is None


def test_what_cannot_go_on_has_failed_and_says_so(kept, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Jobs, "_run", lambda self, job, work: None)
        jobs = Jobs(kept)
        first = jobs.start("import", "default", "c", {}, dict).number
        second = jobs.start("prewarm", "default", "c", {}, dict).number
        jobs.close()
    later, went_on = Jobs(kept), threading.Event()

    def again(job, tell):
        went_on.set()
        return {}

    later.resume({"import": (again, True), "prewarm": (again, False)})
    assert went_on.wait(60)
    later.close()
    last = Jobs(kept)
    assert last.find("import", first).state == "completed"
    assert last.find("prewarm", second).state == "failed"
    assert "the server was ended before the job was" in last.find("prewarm", second).reason


def test_oldest_jobs_are_forgotten(kept, monkeypatch):
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    jobs = Jobs(kept)
    numbers = [done(jobs, "import", lambda job, tell: {}) for _ in range(5)]
    jobs.close()
    assert [job.number for job in Jobs(kept).all()] == numbers[:1:-1]
