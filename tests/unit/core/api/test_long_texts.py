"""Texts far beyond the 65,535 bytes of Milvus, through the log, segments, indexes and a merge."""

from __future__ import annotations

from pathlib import Path

import elanus
from elanus import BM25, DataType, Field, Schema

LENGTH = 40_000


def test_texts_have_no_length_but_the_one_that_is_declared(tmp_path: Path) -> None:
    texts = {pk: f"begin{pk} " + "ü" * LENGTH + f" end{pk}" for pk in range(3)}
    fields = [
        Field("id", DataType.INT64, primary=True),
        Field("text", DataType.VARCHAR, analyzer="standard"),
        Field("meta", DataType.JSON),
        Field("words", DataType.ARRAY, element_type=DataType.VARCHAR),
        Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
    ]

    def check(collection: elanus.Collection) -> None:
        assert {row["id"]: row["text"] for row in collection.query()} == texts
        for condition in (
            "text like 'begin1%'",
            "text like '%end1'",
            "text =~ 'ü end1$'",
            "text_match(text, 'end1')",
            "meta['t'] like '%end1'",
            "text in {given}",
            "array_contains(words, {one})",
        ):
            given = {"given": [texts[1], "x"], "one": texts[1]}
            assert [row["id"] for row in collection.query(condition, params=given)] == [1]
        assert collection.search("end2", "bm25").ids == [2]

    with elanus.connect(tmp_path / "db") as database:
        made = database.create_collection("c", Schema(fields))
        for pk, text in texts.items():
            made.insert([{"id": pk, "text": text, "meta": {"t": text}, "words": [text]}])
            if pk == 1:
                made.flush()
        check(made)
    with elanus.connect(tmp_path / "db") as database:
        again = database.collection("c")
        check(again)
        again.create_index("text", "NGRAM", {"min_gram": 2, "max_gram": 3})
        again.create_index("words", "INVERTED")
        again.compact()
        again.wait_indexed()
        check(again)
        again.create_index("text", "TRIE")
        again.wait_indexed()
        check(again)
