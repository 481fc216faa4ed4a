"""Processes that write and read one database at once, and check every answer they get.

Whatever is written keeps invariants that a wrong answer breaks: the rows of a batch carry the
batch's version and come and go together; versions of a batch only grow; a search, a count and a
query on one snapshot agree. ``python -m support.crowd_process writer|reader <folder> <seconds>``.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import elanus
from elanus.engine import growing
from elanus.errors import CollectionNotFoundError, NotFoundError

BATCHES = 40
ROWS = 25
DIM = 8
FLUSH_ROWS = 400


def schema() -> elanus.Schema:
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("batch", elanus.INT32),
            elanus.Field("version", elanus.INT64),
            elanus.Field("title", elanus.VARCHAR, analyzer="standard"),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ]
    )


def rows_of(batch: int, version: int) -> list[dict[str, Any]]:
    """Return the only rows that a batch may have in a version."""
    return [
        {
            "id": batch * 1000 + n,
            "batch": batch,
            "version": version,
            "title": f"batch{batch} version{version}",
            "v": [float(batch), float(version % 1000), float(n)] + [0.0] * (DIM - 3),
        }
        for n in range(ROWS)
    ]


def write(folder: Path, seconds: float, seed: int) -> dict[str, int]:
    """Replace, delete, flush, merge, and create and drop a second collection, for a while."""
    growing.FLUSH_ROWS = FLUSH_ROWS
    rng = random.Random(seed)
    counts = {"batches": 0, "flushes": 0, "merges": 0, "drops": 0}
    with elanus.connect(folder) as db:
        if not db.has_collection("crowd"):
            db.create_collection("crowd", schema())
        collection = db.collection("crowd")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        end = time.monotonic() + seconds
        version = max((row["version"] for row in collection.query(output=["version"])), default=0)
        while time.monotonic() < end:
            version += 1
            batch = rng.randrange(BATCHES)
            dice = rng.random()
            if dice < 0.80:
                collection.upsert(rows_of(batch, version))
                counts["batches"] += 1
            elif dice < 0.93:
                collection.delete(f"batch == {batch}")
            elif dice < 0.96:
                collection.flush()
                counts["flushes"] += 1
            elif dice < 0.98:
                collection.compact()
                counts["merges"] += 1
            elif db.has_collection("fleeting"):
                db.drop_collection("fleeting")
                counts["drops"] += 1
            else:
                db.create_collection("fleeting", schema()).insert(rows_of(0, 1))
    return counts


class Reader:
    """One thread that asks again and again."""

    def __init__(self, db: elanus.Database, seed: int) -> None:
        self.db = db
        self.collection = db.collection("crowd")
        self.rng = random.Random(seed)
        self.seen: dict[int, int] = {}
        self.answers = 0

    def step(self) -> None:
        self.rng.choice([self.whole_batches, self.near, self.text, self.one_batch, self.fleeting])()
        self.answers += 1

    def whole_batches(self) -> None:
        rows = self.collection.query(output=["batch", "version"])
        found: dict[int, list[int]] = {}
        for row in rows:
            assert row["id"] // 1000 == row["batch"], row
            found.setdefault(row["batch"], []).append(row["version"])
        for batch, versions in found.items():
            assert len(versions) == ROWS, f"{len(versions)} rows of batch {batch}"
            assert len(set(versions)) == 1, f"batch {batch} is of versions {set(versions)}"
            self.saw(batch, versions[0])

    def one_batch(self) -> None:
        batch = self.rng.randrange(BATCHES)
        count = self.collection.count(f"batch == {batch}")
        assert count in (0, ROWS), f"{count} rows of batch {batch}"

    def near(self) -> None:
        batch = self.rng.randrange(BATCHES)
        query = [float(batch), 0.0, 0.0] + [0.0] * (DIM - 3)
        hits = self.collection.search(
            query, "v", 100, filter=f"batch == {batch}", output=["version"], recall=1.0
        )
        assert len(hits) in (0, ROWS), f"{len(hits)} hits of batch {batch}"
        assert sorted(h.id for h in hits) == [batch * 1000 + n for n in range(len(hits))]
        versions = {h.entity["version"] for h in hits}
        assert len(versions) <= 1, f"batch {batch} is of versions {versions}"
        for hit in hits:
            expected = float((hit.entity["version"] % 1000) ** 2 + (hit.id % 1000) ** 2)
            assert abs(hit.score - expected) <= 1e-5 * expected, (hit.id, hit.score, expected)
        for version in versions:
            self.saw(batch, version)

    def text(self) -> None:
        batch = self.rng.randrange(BATCHES)
        hits = self.collection.search(f"batch{batch}", "bm25", 100, output=["title", "batch"])
        assert len(hits) in (0, ROWS), f"{len(hits)} hits of the text of batch {batch}"
        assert {h.entity["batch"] for h in hits} <= {batch}
        assert len({h.entity["title"] for h in hits}) <= 1

    def fleeting(self) -> None:
        try:
            assert self.db.collection("fleeting").count() in (0, ROWS)
        except (CollectionNotFoundError, NotFoundError):
            return
        except elanus.ElanusError as error:
            assert "dropped" in str(error), error  # noqa: PT017

    def saw(self, batch: int, version: int) -> None:
        before = self.seen.get(batch, 0)
        assert version >= before, f"batch {batch} went back from version {before} to {version}"
        self.seen[batch] = version


def read(folder: Path, seconds: float, seed: int, threads: int) -> dict[str, int]:
    """Ask from several threads, opening the database again now and then."""
    failures: list[str] = []
    answers = [0] * threads
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        rng = random.Random(seed * 100 + number)
        seen: dict[int, int] = {}
        try:
            while time.monotonic() < end and not failures:
                with elanus.connect(folder, read_only=True) as db:
                    reader = Reader(db, rng.randrange(1 << 30))
                    reader.seen = seen
                    for _ in range(rng.choice((1, 20, 500))):
                        if time.monotonic() >= end:
                            break
                        reader.step()
                    answers[number] += reader.answers
        except BaseException:  # noqa: BLE001 - the edge of the process: the test has to see it
            failures.append(traceback.format_exc())

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise AssertionError(failures[0])
    return {"answers": sum(answers)}


def main() -> None:
    role, folder, seconds, seed, threads = sys.argv[1:]
    if role == "writer":
        counts = write(Path(folder), float(seconds), int(seed))
    else:
        counts = read(Path(folder), float(seconds), int(seed), int(threads))
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
