"""Handles that are copied, pickled or taken along by a fork: shared, or refused in words."""

import copy
import multiprocessing
import pickle
from pathlib import Path

import pytest

import elanus


@pytest.fixture
def database(tmp_path: Path) -> elanus.Database:
    return elanus.connect(tmp_path / "kb")


def test_copies_are_the_handle_itself(database: elanus.Database) -> None:
    with database:
        docs = database.documents("notes")
        for one in (database, docs, docs.collection):
            assert copy.copy(one) is one
            assert copy.deepcopy({"inside": [one]})["inside"][0] is one


def test_a_pickle_says_how_to_open_it_elsewhere(database: elanus.Database) -> None:
    with database, elanus.connect(":memory:") as memory:
        docs = database.documents("notes")
        refused = {
            r"connect\('.*/kb', read_only=True\)$": database,
            r"connect\(path, read_only=True\).collection\('notes'\)$": docs.collection,
            r"connect\(path, read_only=True\).documents\('notes'\)$": docs,
            "in memory cannot be pickled: other processes need a folder": memory,
        }
        for words, one in refused.items():
            with pytest.raises(TypeError, match=words):
                pickle.dumps(one)


def test_what_was_found_can_be_pickled(database: elanus.Database) -> None:
    with database:
        docs = database.documents("notes")
        docs.add(["keys rotate"], ids=["keys"])
        (hit,) = pickle.loads(pickle.dumps(docs.search("keys")))
        assert (hit.id, hit.text) == ("keys", "keys rotate")
        schema = docs.collection.schema
        assert pickle.loads(pickle.dumps(schema)) == schema


def ids_in(where: str, answers: "multiprocessing.Queue[list[str]]") -> None:
    """Do what the message of a refused pickle says."""
    with elanus.connect(where, read_only=True) as reader:
        answers.put([hit.id for hit in reader.documents("notes").search("keys")])


def test_another_process_reads_what_the_message_says(
    database: elanus.Database, tmp_path: Path
) -> None:
    with database:
        database.documents("notes").add(["keys rotate"], ids=["keys"])
        spawning = multiprocessing.get_context("spawn")
        answers: multiprocessing.Queue[list[str]] = spawning.Queue()
        worker = spawning.Process(target=ids_in, args=(str(tmp_path / "kb"), answers))
        worker.start()
        assert answers.get(timeout=60) == ["keys"]
        worker.join()
