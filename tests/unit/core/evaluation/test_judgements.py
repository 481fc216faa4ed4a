"""Queries and judgements in every form they come in, and what is wrong with them."""

import pytest

from elanus.errors import InvalidArgumentError
from elanus.evaluation.judgements import join, read_qrels, read_queries

QUERIES = {"1": "graphs", "2": "logs"}
EXPECTED = {"1": {"7": 2.0, "8": 1.0}, "2": {"9": 1.0}}


def test_forms_of_queries():
    assert read_queries({1: "graphs", "2": "logs"}) == QUERIES
    assert read_queries([(1, "graphs"), ["2", "logs"]]) == QUERIES
    for bad in ({}, [], ["graphs"], [("1", "a"), (1, "b")]):
        with pytest.raises(InvalidArgumentError, match="queries"):
            read_queries(bad)


@pytest.mark.parametrize(
    "text",
    [
        "1 0 7 2\n1 0 8 1\n\n2 0 9 1\n",
        "query-id\tcorpus-id\tscore\n1\t7\t2\n1\t8\t1\n2\t9\t1\n",
        "1 Q0 7 2\r\n1 Q0 8 1\r\n2 Q0 9 1",
    ],
)
def test_files_of_trec_and_beir(tmp_path, text):
    file = tmp_path / "qrels.txt"
    file.write_bytes(text.encode())
    assert read_qrels(file) == EXPECTED
    assert read_qrels(str(file)) == EXPECTED


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / "qrels.txt"
    for bad in ("1 7", "1 0 7 two", "1 0 0 7 2", "1 0 7 nan"):
        file.write_text(f"1 0 7 2\n{bad}\n")
        with pytest.raises(InvalidArgumentError, match=r"line 2: expected .* got '"):
            read_qrels(file)


def test_relevant_entities_without_gains_have_one():
    assert read_qrels({1: ["7", "8"]}) == {"1": {"7": 1.0, "8": 1.0}}
    assert read_qrels({1: {"7", "8"}}) == {"1": {"7": 1.0, "8": 1.0}}
    for bad in ({"1": "7"}, {"1": 7}, {"1": {"7": "high"}}, {"1": {"7": float("inf")}}):
        with pytest.raises(InvalidArgumentError, match="query '1'"):
            read_qrels(bad)


def test_queries_meet_their_judgements():
    queries = {**QUERIES, "3": "nobody judged it", "4": "nothing is relevant"}
    judged = join(queries, {"1": {"7": 2, "8": 0}, "2": {"9": 1}, "4": {"7": 0}}, int)
    assert judged.ids == ("1", "2")
    assert judged.queries == ("graphs", "logs")
    assert judged.gains == ({7: 2.0}, {9: 1.0})
    assert judged.left_out == ("3", "4")
    assert judged.relevance.counts.tolist() == [1, 1]
    assert judged.gains_of([[9, 7], []], 3).tolist() == [[0, 2, 0], [0, 0, 0]]


def test_ids_that_are_not_there_are_named():
    with pytest.raises(InvalidArgumentError, match=r"no such query: 'x'; expected ids .* '1'"):
        join(QUERIES, {"1": {"7": 1}, "x": {"7": 1}}, int)
    many = {f"x{i}": {"7": 1} for i in range(9)}
    with pytest.raises(InvalidArgumentError, match="'x4' and 4 more"):
        join(QUERIES, many, int)
    with pytest.raises(InvalidArgumentError, match="whole numbers, got 'seven'"):
        join(QUERIES, {"1": {"seven": 1}}, int)
    with pytest.raises(InvalidArgumentError, match="no query has a relevant entity"):
        join(QUERIES, {"1": {"7": 0}}, int)
