"""A writing process that is going to be killed, and tells what was acknowledged until then.

Started as a program it waits for jobs on its input and forks a child for each: a fresh process
costs milliseconds that way. Every line of output is JSON. A child first reports what it found in
the database; then its threads write, each line naming a call that starts or that was acknowledged.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from elanus.api.collection import Collection
from elanus.engine import growing
from elanus.engine.background import merge_job
from elanus.engine.context import Durability
from elanus.engine.database import DatabaseEngine
from elanus.storage.directory import FileDirectory
from elanus.storage.local_directory import LocalDirectory
from support.builders import paper_schema, papers
from support.disk_model import Step
from support.fault_directory import FaultDirectory
from support.oracle import nearest

COLLECTIONS = ("papers", "notes")
THREADS = 4
KEYS_PER_THREAD = 1_000_000
FLUSH_ROWS = 200
QUERY = [0.5, -0.2, 1.0, 0.1]
_SIGKILL = 9


class KillDirectory(FaultDirectory):
    """Kills its process at a step, in the middle of a write where there is one."""

    def __init__(self, inner: FileDirectory, steps: int, *, half: bool) -> None:
        super().__init__(inner)
        self._steps_left = steps
        self._half = half

    def check(self, step: Step) -> None:
        self._steps_left -= 1
        if self._steps_left > 0:
            return
        if step.kind == "write" and self._half:
            file = self._inner.open_append(step.path)
            file.write([step.content[: len(step.content) // 2]])
        os.kill(os.getpid(), _SIGKILL)

    def record(self, step: Step) -> None:
        """Forget it: only the count matters, and a long run has many."""


def say(**line: Any) -> None:
    os.write(1, (json.dumps(line) + "\n").encode())


def row(pk: int, version: int, batch: int) -> dict[str, Any]:
    """Return the only content that a key may have in a version."""
    made = papers(1, first=pk, seed=version)[0]
    return {**made, "meta": {"version": version, "batch": batch, "thread": pk // KEYS_PER_THREAD}}


class Child:
    """One life of the writer."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.rng = random.Random(job["seed"])
        directory: FileDirectory = LocalDirectory(Path(job["folder"]))
        if job["steps"]:
            directory = KillDirectory(directory, job["steps"], half=job["seed"] % 2 == 0)
        self.engine = DatabaseEngine(directory, durability=Durability(job["durability"]))
        self.found = {name: self.look(name) for name in sorted(self.engine.catalog().collections)}
        say(found=self.found)
        for name in COLLECTIONS:
            if name not in self.found:
                self.engine.create(name, paper_schema(), {})
                self.found[name] = []

    def look(self, name: str) -> list[tuple[int, int, int]]:
        """Return (key, version, batch) of every row, after checking rows and searches."""
        collection = Collection(self.engine.open(name))
        rows = collection.query(output=["title", "year", "meta", "dense"])
        assert len(rows) == collection.count()
        for found in self.rng.sample(rows, min(len(rows), 20)):
            meta = found["meta"]
            expected = row(found["id"], meta["version"], meta["batch"])
            assert found == {n: expected[n] for n in found if n != "dense"} | {
                "dense": found["dense"]
            }, found
        near = nearest("COSINE", QUERY, {r["id"]: r["dense"] for r in rows}, 10)
        hits = collection.search(QUERY, limit=10, recall=1.0)
        assert len(hits) == len(near)
        for hit, (_, score) in zip(hits, near, strict=True):
            assert abs(hit.score - score) < 1e-5, (hits, near)
        return [(r["id"], r["meta"]["version"], r["meta"]["batch"]) for r in rows]

    def run(self) -> None:
        threads = [threading.Thread(target=self.work, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def work(self, number: int) -> None:
        try:
            worker = Worker(self, number)
            while True:
                worker.step()
        except BaseException:  # noqa: BLE001 - the edge of the process: the test has to see it
            say(failed=traceback.format_exc())
            os.kill(os.getpid(), _SIGKILL)


class Worker:
    """One thread and its keys."""

    def __init__(self, child: Child, number: int) -> None:
        self.engine = child.engine
        self.number = number
        self.rng = random.Random(f"{child.rng.random()} {number}")
        self.calls = 0
        self.rows: dict[str, dict[int, tuple[int, int]]] = {}
        for name, rows in child.found.items():
            mine = [r for r in rows if r[0] // KEYS_PER_THREAD == number]
            self.rows[name] = {pk: (version, batch) for pk, version, batch in mine}
        everything = [r for rows in self.rows.values() for r in rows]
        self.next_key = max(everything, default=number * KEYS_PER_THREAD) + 1
        self.has_own = f"own{number}" in child.found

    def step(self) -> None:
        name = self.rng.choice(COLLECTIONS)
        mine = self.rows[name]
        dice = self.rng.random()
        if dice < 0.45 and len(mine) < 250:
            count = self.rng.choice((1, 1, 5, 20, 60))
            keys = list(range(self.next_key, self.next_key + count))
            self.next_key += count
            self.write("insert", name, keys, version=0, batch=keys[0])
        elif dice < 0.70 and mine:
            keys = self.rng.sample(sorted(mine), min(len(mine), self.rng.choice((1, 3, 10))))
            version = 1 + max(mine[pk][0] for pk in keys)
            self.write("upsert", name, keys, version=version, batch=self.next_key)
        elif dice < 0.85 and mine:
            keys = self.rng.sample(sorted(mine), min(len(mine), self.rng.choice((1, 5, 30))))
            self.call("delete", name, lambda c: c.delete(keys), keys=keys)
            for pk in keys:
                del mine[pk]
        elif dice < 0.92 and mine:
            batch = self.rng.choice(sorted(mine.values()))[1]
            expression = f"meta['batch'] == {batch} and meta['thread'] == {self.number}"
            keys = [pk for pk, value in mine.items() if value[1] == batch]
            self.call("delete", name, lambda c: c.delete(expression), keys=keys)
            for pk in keys:
                del mine[pk]
        elif dice < 0.95:
            self.call("flush", name, lambda c: c.flush())
        elif dice < 0.97:
            self.call("compact", name, lambda c: c.compact())
        elif dice < 0.98:
            self.call("set_properties", name, lambda c: c.set_properties({"n": self.calls}))
        elif dice < 0.99:
            self.call("create_index", name, lambda c: c.create_index("dense", "HNSW"))
        else:
            self.toggle_own()

    def write(self, what: str, name: str, keys: list[int], *, version: int, batch: int) -> None:
        rows = [row(pk, version, batch) for pk in keys]
        self.call(what, name, lambda c: getattr(c, what)(rows), keys=keys, value=[version, batch])
        self.rows[name].update(dict.fromkeys(keys, (version, batch)))

    def toggle_own(self) -> None:
        """Create or drop the collection of this thread."""
        name = f"own{self.number}"
        what = "drop" if self.has_own else "create"
        self.started(what, name)
        if self.has_own:
            self.engine.drop(name)
        else:
            self.engine.create(name, paper_schema(), {})
        self.has_own = not self.has_own
        self.done()

    def call(self, what: str, name: str, act: Any, **more: Any) -> None:
        self.started(what, name, **more)
        act(Collection(self.engine.open(name)))
        self.done()

    def started(self, what: str, name: str, **more: Any) -> None:
        self.calls += 1
        say(thread=self.number, started=what, collection=name, **more)

    def done(self) -> None:
        say(thread=self.number, done=self.calls)


def live(job: dict[str, Any]) -> None:
    """Be the child: write until killed."""
    try:
        Child(job).run()
    except BaseException:  # noqa: BLE001 - the edge of the process: the test has to see it
        say(failed=traceback.format_exc())
    finally:
        os.kill(os.getpid(), _SIGKILL)


def main() -> None:
    """Fork a child for each job that is read, kill it when its time is over, and say so."""
    growing.FLUSH_ROWS = FLUSH_ROWS
    merge_job.RECORDED_BYTES = 0  # every merge goes on after a kill
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            live(job)
        if job["seconds"]:
            time.sleep(job["seconds"])
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        # A line of the child may have been cut.
        os.write(1, b"\n" + json.dumps({"dead": pid}).encode() + b"\n")


if __name__ == "__main__":
    main()
