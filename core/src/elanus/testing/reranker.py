"""Does a reranker keep the contract of ``elanus.plugins.Reranker``?"""

from __future__ import annotations

import asyncio
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from elanus.plugins import (
    Reranker,
    ScoreKind,
    get_reranker,
    plugin_config,
    rank,
    reranker_from_config,
)
from elanus.plugins.asynchronous import arank
from elanus.types import Float32Array

_QUERY = "how to rotate a key"
_DOCUMENTS = (
    "Keys are rotated in the console: rotate a key under Security.",
    "",
    "The weather in Paris is mild.",
    "   \n\t ",
    "如何轮换密钥。Übergröße, naïve café ½",
    "?!",
    "rotate " * 3000,
)


class RerankerContract:
    """Cases that every reranker passes.

    A subclass, whose name starts with ``Test``, defines a pytest fixture ``reranker`` of any scope
    that returns the reranker.

    Attributes:
        tolerance: Largest difference between two computations of one score.
    """

    tolerance: float = 1e-5

    def test_info_is_complete_and_stays_the_same(self, reranker: Reranker) -> None:
        info = reranker.info
        assert isinstance(info.name, str)
        assert info.name
        assert isinstance(info.score_kind, ScoreKind)
        reranker.score(_QUERY, ["one text"])
        assert reranker.info == info

    def test_it_is_accepted_as_a_reranker(self, reranker: Reranker) -> None:
        assert get_reranker(reranker) is reranker

    def test_each_document_gets_one_finite_float32_score(self, reranker: Reranker) -> None:
        _check_scores(reranker.score(_QUERY, list(_DOCUMENTS)), len(_DOCUMENTS))

    def test_no_documents_give_no_scores(self, reranker: Reranker) -> None:
        _check_scores(reranker.score(_QUERY, []), 0)

    def test_documents_without_words_get_finite_scores(self, reranker: Reranker) -> None:
        _check_scores(reranker.score(_QUERY, ["", " ", "?!"]), 3)

    def test_a_query_without_words_gets_finite_scores(self, reranker: Reranker) -> None:
        _check_scores(reranker.score("", list(_DOCUMENTS)), len(_DOCUMENTS))
        _check_scores(reranker.score("?!", list(_DOCUMENTS)), len(_DOCUMENTS))

    def test_a_long_query_gets_finite_scores(self, reranker: Reranker) -> None:
        _check_scores(reranker.score("key " * 3000, list(_DOCUMENTS[:2])), 2)

    def test_documents_may_come_as_a_tuple(self, reranker: Reranker) -> None:
        self._assert_close(
            reranker.score(_QUERY, _DOCUMENTS), reranker.score(_QUERY, list(_DOCUMENTS))
        )

    def test_the_same_call_gives_the_same_scores(self, reranker: Reranker) -> None:
        documents = list(_DOCUMENTS)
        self._assert_close(reranker.score(_QUERY, documents), reranker.score(_QUERY, documents))

    def test_scores_follow_the_order_of_the_documents(self, reranker: Reranker) -> None:
        forward = reranker.score(_QUERY, list(_DOCUMENTS))
        backward = reranker.score(_QUERY, list(reversed(_DOCUMENTS)))
        self._assert_close(forward, backward[::-1])

    def test_scores_lie_in_the_range_of_their_kind(self, reranker: Reranker) -> None:
        scores = reranker.score(_QUERY, list(_DOCUMENTS))
        if reranker.info.score_kind is not ScoreKind.LOGIT:
            assert (scores >= 0).all()
        if reranker.info.score_kind is ScoreKind.PROBABILITY:
            assert (scores <= 1).all()

    def test_a_score_does_not_depend_on_other_documents_unless_relevance(
        self, reranker: Reranker
    ) -> None:
        if reranker.info.score_kind is not ScoreKind.RELEVANCE:
            single = np.concatenate([reranker.score(_QUERY, [text]) for text in _DOCUMENTS])
            self._assert_close(reranker.score(_QUERY, list(_DOCUMENTS)), single)

    def test_threads_get_the_scores_of_one_thread(self, reranker: Reranker) -> None:
        documents = list(_DOCUMENTS[:6])
        expected = reranker.score(_QUERY, documents)
        with ThreadPoolExecutor(4) as pool:
            for given in pool.map(lambda _: reranker.score(_QUERY, documents), range(8)):
                self._assert_close(given, expected)

    def test_an_event_loop_gets_the_same_ranking(self, reranker: Reranker) -> None:
        documents = list(_DOCUMENTS)
        ranked = rank(reranker, _QUERY, documents, top_k=3)
        assert asyncio.run(arank(reranker, _QUERY, documents, top_k=3)) == ranked
        scores = reranker.score(_QUERY, documents)
        assert [one.index for one in ranked] == np.argsort(-scores, kind="stable")[:3].tolist()

    def test_configuration_survives_json(self, reranker: Reranker) -> None:
        config = plugin_config(reranker)
        assert set(config) == {"name", "params"}
        assert json.loads(json.dumps(config)) == config

    def test_configuration_builds_the_same_reranker(self, reranker: Reranker) -> None:
        config = plugin_config(reranker)
        if config["params"] is not None:
            rebuilt = reranker_from_config(config)
            assert rebuilt.info == reranker.info
            documents = list(_DOCUMENTS)
            self._assert_close(rebuilt.score(_QUERY, documents), reranker.score(_QUERY, documents))

    def test_pickling_works_or_says_clearly_that_it_does_not(self, reranker: Reranker) -> None:
        try:
            raw = pickle.dumps(reranker)
        except (TypeError, pickle.PicklingError, AttributeError) as error:
            if not str(error):
                raise AssertionError("the error of pickling says nothing") from error
            return
        copy = pickle.loads(raw)
        assert copy.info == reranker.info
        documents = list(_DOCUMENTS)
        self._assert_close(copy.score(_QUERY, documents), reranker.score(_QUERY, documents))

    def _assert_close(self, given: Float32Array, expected: Float32Array) -> None:
        np.testing.assert_allclose(given, expected, rtol=0, atol=self.tolerance)


def _check_scores(scores: Float32Array, count: int) -> None:
    assert isinstance(scores, np.ndarray)
    assert scores.dtype == np.float32
    assert scores.shape == (count,)
    assert np.isfinite(scores).all()
