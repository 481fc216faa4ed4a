"""Does a plug-in for the analysis of texts keep its contract (``elanus.plugins.texts``)?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import elanus
from elanus.testing.embedder import CONTRACT_TEXTS

_TEXTS = [
    *CONTRACT_TEXTS,
    "keys\tand keys",
    "\uff41\uff42\uff43 \ufb01ne",
    "x" * 300,
    "\ud800 half of a pair",
]
_STORED = [text for text in _TEXTS if "\ud800" not in text]
_FIELD = "text"

Spec = str | Mapping[str, object]


class AnalyzerContract:
    """Cases that every tokenizer, filter and analyzer passes.

    A subclass, whose name starts with ``Test``, defines a pytest fixture ``analyzer`` of any scope
    that returns parameters, as ``Field(analyzer=...)`` takes them, in which the plug-in takes
    part::

        class TestMyFilter(AnalyzerContract):
            @pytest.fixture(scope="class")
            @classmethod
            def analyzer(cls):
                return {"tokenizer": "standard", "filter": [{"type": "my-filter", "size": 3}]}
    """

    def test_parameters_survive_json(self, analyzer: Spec) -> None:
        assert json.loads(json.dumps(analyzer)) == analyzer

    def test_terms_are_strings_that_are_not_empty(self, analyzer: Spec) -> None:
        for terms in elanus.run_analyzer(_TEXTS, analyzer):
            assert all(isinstance(term, str) and term for term in terms)

    def test_some_text_has_terms_and_a_text_of_nothing_has_none(self, analyzer: Spec) -> None:
        assert any(elanus.run_analyzer(_TEXTS, analyzer))
        assert elanus.run_analyzer("", analyzer) == []

    def test_terms_do_not_depend_on_what_came_before(self, analyzer: Spec) -> None:
        forward = elanus.run_analyzer(_TEXTS, analyzer)
        assert elanus.run_analyzer(_TEXTS[::-1], analyzer) == forward[::-1]
        assert elanus.run_analyzer(_TEXTS, _built_anew(analyzer, "again")) == forward

    def test_tokens_stand_in_the_text_in_order(self, analyzer: Spec) -> None:
        for text in _TEXTS:
            tokens = elanus.run_analyzer(text, analyzer, with_detail=True)
            assert [one.token for one in tokens] == elanus.run_analyzer(text, analyzer)
            assert all(0 <= t.start_offset <= t.end_offset <= len(text) for t in tokens)
            assert all(a.position <= b.position for a, b in pairwise(tokens))

    def test_threads_get_the_terms_of_one_thread(self, analyzer: Spec) -> None:
        expected = elanus.run_analyzer(_TEXTS, analyzer)
        anew = _built_anew(analyzer, "threads")
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda _: elanus.run_analyzer(_TEXTS, anew), range(8))
        assert all(one == expected for one in found)

    def test_texts_are_found_by_their_terms_before_and_after_reopening(
        self, analyzer: Spec, tmp_path: Path
    ) -> None:
        with elanus.connect(tmp_path / "db") as db:
            _store(db, analyzer)
            _check_found(db, analyzer)
        with elanus.connect(tmp_path / "db") as db:
            _check_found(db, analyzer)
            db.collection("texts").flush()
            _check_found(db, analyzer)


def _built_anew(analyzer: Spec, purpose: str) -> Spec:
    """Return parameters that mean the same; those that were built before remember their tokens."""
    return {"by_field": purpose, "analyzers": {"default": analyzer}}


def _store(db: elanus.Database, analyzer: Spec) -> None:
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field(_FIELD, elanus.VARCHAR, analyzer=analyzer),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25(_FIELD)),
        ]
    )
    rows = [{"id": row, _FIELD: text} for row, text in enumerate(_STORED)]
    db.create_collection("texts", schema).insert(rows)


def _check_found(db: elanus.Database, analyzer: Spec) -> None:
    """Hold searches against the terms themselves: a text is found by whatever shares a term."""
    terms = [set(elanus.run_analyzer(text, analyzer)) for text in _STORED]
    texts = db.collection("texts")
    for text, wanted in zip(_STORED, terms, strict=True):
        expected = {row for row, found in enumerate(terms) if found & wanted}
        hits = texts.search(text, "bm25", len(_STORED))
        assert set(hits.ids) == expected, text
        matched = texts.query("text_match(text, {words})", params={"words": text})
        assert {row["id"] for row in matched} == expected, text
