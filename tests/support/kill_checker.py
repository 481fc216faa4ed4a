"""Kills writing processes again and again, and compares what comes back with what they were told.

``run_kills`` is the whole loop. Each thread of the writer owns its keys, so what has to be found is
known for each of them: everything acknowledged, and the call under way whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.kill_writer import COLLECTIONS, KEYS_PER_THREAD, THREADS
from support.tally import count

Rows = dict[int, tuple[int, int]]
"""Version and batch by key."""


@dataclass
class Expected:
    """What was acknowledged, and the call under way of each thread."""

    collections: dict[str, Rows] = field(default_factory=dict)
    pending: dict[int, dict[str, Any]] = field(default_factory=dict)
    acknowledged: int = 0

    def take(self, line: dict[str, Any]) -> None:
        """Read a line of a writer."""
        if "found" in line:
            self.check({name: as_rows(rows) for name, rows in line["found"].items()})
        elif "started" in line:
            self.pending[line["thread"]] = line
        elif "done" in line:
            self.acknowledged += 1
            apply(self.collections, self.pending.pop(line["thread"]))
        elif "failed" in line:
            raise AssertionError(f"the writer failed:\n{line['failed']}")

    def check(self, found: dict[str, Rows]) -> None:
        """Compare with what a new process found, and go on from there."""
        for thread in range(THREADS):
            without = of_thread(self.collections, thread)
            allowed = [without]
            if thread in self.pending:
                call = self.pending[thread]
                allowed.append({name: dict(rows) for name, rows in without.items()})
                apply(allowed[-1], call)
            mine = of_thread(found, thread)
            for state in (mine, *allowed):
                for name in COLLECTIONS:
                    # Made by the writer itself when missing, so only their rows count.
                    state.setdefault(name, {})
            assert mine in allowed, explain(thread, mine, allowed, self.pending.get(thread))
        self.collections = {name: dict(rows) for name, rows in found.items()}
        self.pending.clear()


def as_rows(rows: list[list[int]]) -> Rows:
    return {pk: (version, batch) for pk, version, batch in rows}


def of_thread(collections: dict[str, Rows], thread: int) -> dict[str, Rows]:
    """Return the rows and the own collection of one thread."""
    return {
        name: {pk: value for pk, value in rows.items() if pk // KEYS_PER_THREAD == thread}
        for name, rows in collections.items()
        if name in COLLECTIONS or name == f"own{thread}"
    }


def apply(collections: dict[str, Rows], call: dict[str, Any]) -> None:
    """Do a call to a model."""
    name, what = call["collection"], call["started"]
    if what in ("insert", "upsert"):
        version, batch = call["value"]
        collections.setdefault(name, {}).update(dict.fromkeys(call["keys"], (version, batch)))
    elif what == "delete":
        for pk in call["keys"]:
            collections[name].pop(pk, None)
    elif what == "create":
        collections[name] = {}
    elif what == "drop":
        collections.pop(name, None)


def explain(
    thread: int, mine: dict[str, Rows], allowed: list[dict[str, Rows]], call: dict[str, Any] | None
) -> str:
    """Say what differs, not all that there is."""
    lines = [f"thread {thread}, call under way: {call}"]
    for state in allowed:
        for name in sorted(mine.keys() | state.keys()):
            have, want = mine.get(name), state.get(name)
            if have != want:
                a, b = set((have or {}).items()), set((want or {}).items())
                lines.append(
                    f"{name}: lost {sorted(b - a)}, too many {sorted(a - b)}, {have is None}"
                )
    return "\n".join(lines)


class Writers:
    """The program of ``support.kill_writer``, one child at a time."""

    def __init__(self) -> None:
        tests = Path(__file__).resolve().parent.parent
        paths = [str(tests), *sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.kill_writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
        )

    def life(self, expected: Expected, **job: Any) -> None:
        """Let one child live and die, and take in what it says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        failure: AssertionError | None = None
        for text in self._process.stdout:
            line: dict[str, Any] = {}
            with contextlib.suppress(ValueError):  # cut by the kill
                line = json.loads(text)
            if "dead" in line:
                break
            try:
                if failure is None:
                    expected.take(line)
            except AssertionError as error:
                failure = error
        else:
            raise AssertionError("the program that forks the writers died")
        if failure is not None:
            raise failure

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def run_kills(
    folder: Path, kills: int, *, seed: int, seconds: float = 0.5, durability: str = "commit"
) -> Expected:
    """Kill ``kills`` writers, half of them at a random time, half at a random step.

    Args:
        folder: The database.
        kills: How many.
        seed: Makes the choices repeatable; where a kill by time hits is not.
        seconds: Longest life of a writer that is killed by time.
        durability: What the writers ask for; a kill takes nothing with any.
    """
    rng = random.Random(seed)
    expected = Expected()
    writers = Writers()
    try:
        for number in range(kills):
            by_time = number % 2 == 0
            try:
                writers.life(
                    expected,
                    folder=str(folder),
                    seed=rng.randrange(1 << 30),
                    seconds=rng.uniform(0.01, seconds) if by_time else 0,
                    steps=0
                    if by_time
                    else rng.choice((rng.randrange(1, 60), rng.randrange(60, 1200))),
                    durability=durability,
                )
            except AssertionError as failure:
                raise AssertionError(f"seed {seed}, kill {number}: {failure}") from failure
            count("writers killed")
    finally:
        writers.close()
    count("calls acknowledged by killed writers", expected.acknowledged)
    count("acknowledged rows lost", 0)
    return expected
