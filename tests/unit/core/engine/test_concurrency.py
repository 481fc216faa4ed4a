"""Many threads: every write is whole, every read is of one moment, nobody is refused."""

import threading

import pytest

import elanus
from elanus.errors import EntityExistsError
from support.builders import paper_schema, papers

BATCH = 8
QUERY = [0.3, -1.0, 0.5, 0.2]


def run_all(functions):
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - reported by the test below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)


@pytest.fixture
def collection(tmp_path):
    with elanus.connect(tmp_path / "kb") as db:
        yield db.create_collection("papers", paper_schema())


def test_readers_see_whole_batches_while_writers_write(collection):
    done = threading.Event()

    def write(first):
        for start in range(first, first + 25 * BATCH, BATCH):
            collection.insert(papers(BATCH, first=start))

    def read():
        while not done.is_set():
            assert collection.count() % BATCH == 0
            keys = [row["id"] for row in collection.query(output=["id"])]
            assert len(keys) % BATCH == 0
            hits = collection.search(QUERY, limit=5)
            assert len({h.id for h in hits}) == len(hits)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        run_all([lambda f=i * 1_000: write(f) for i in range(4)])
        collection.flush()
        collection.compact()
    finally:
        done.set()
        for reader in readers:
            reader.join(timeout=60)
    expected = sorted(i * 1_000 + k for i in range(4) for k in range(25 * BATCH))
    assert [row["id"] for row in collection.query(output=["id"])] == expected


def test_one_of_many_inserts_of_a_key_wins(collection):
    outcomes = []

    def insert(title):
        try:
            collection.insert([{**papers(1)[0], "title": title}])
            outcomes.append(title)
        except EntityExistsError:
            pass

    run_all([lambda t=f"title {i}": insert(t) for i in range(12)])
    assert [row["title"] for row in collection.query(output=["title"])] == outcomes
    assert len(outcomes) == 1


def test_an_upserted_key_is_there_at_every_moment(collection):
    collection.insert(papers(BATCH))
    done = threading.Event()

    def write():
        for seed in range(60):
            collection.upsert(papers(BATCH, seed=seed))
            if seed % 20 == 10:
                collection.flush()
        done.set()

    def read():
        while not done.is_set():
            rows = collection.get(list(range(BATCH)), ["meta"])
            assert [row["id"] for row in rows] == list(range(BATCH))
            assert collection.count() == BATCH

    run_all([write, read, read])


def test_deletes_count_each_row_once(collection):
    collection.insert(papers(40))
    counts = []
    run_all([lambda: counts.append(collection.delete(list(range(0, 40, 2)))) for _ in range(6)])
    assert sum(counts) == 20
    assert collection.count() == 20
