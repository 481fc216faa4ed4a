"""Does an embedder keep the contract of ``elanus.plugins.Embedder``?"""

from __future__ import annotations

import asyncio
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from elanus.plugins import (
    Embedder,
    VectorKind,
    embed_texts,
    embedder_from_config,
    fingerprint,
    fingerprints_match,
    get_embedder,
    plugin_config,
)
from elanus.plugins.asynchronous import aembed_documents, aembed_queries, aembed_texts
from elanus.types import Float32Array, MetricType

CONTRACT_TEXTS = (
    "How do I rotate an access key?",
    "",
    "Keys are rotated in the console, under Security.",
    "   \n\t ",
    "Übergrößenträger, naïve café №5, ½ cup",
    "如何轮换密钥。密钥每年轮换一次。",
    "👩‍👩‍👧‍👦 emoji with joiners, combining a\u0301, right to left: שלום",
    "0",
    "a\x00b",
    "word " * 3000,
)


class EmbedderContract:
    """Cases that every dense embedder passes.

    A subclass, whose name starts with ``Test``, defines a pytest fixture ``embedder`` of any scope
    that returns the embedder::

        class TestMyEmbedder(EmbedderContract):
            @pytest.fixture(scope="class")
            @classmethod
            def embedder(cls):
                return MyEmbedder()

    Attributes:
        tolerance: Largest difference between two computations of one number of a vector.
    """

    tolerance: float = 1e-5

    def test_info_is_complete_and_stays_the_same(self, embedder: Embedder) -> None:
        info = embedder.info
        assert isinstance(info.name, str)
        assert info.name
        assert info.kind is VectorKind.DENSE
        assert info.dim >= 1
        assert isinstance(info.metric, MetricType)
        assert info.max_tokens is None or info.max_tokens >= 1
        embedder.embed_documents(["one text"])
        assert embedder.info == info

    def test_it_is_accepted_as_an_embedder(self, embedder: Embedder) -> None:
        assert get_embedder(embedder) is embedder

    def test_documents_give_one_finite_float32_row_each(self, embedder: Embedder) -> None:
        _check_matrix(
            embedder.embed_documents(list(CONTRACT_TEXTS)), len(CONTRACT_TEXTS), embedder.info.dim
        )

    def test_queries_give_one_finite_float32_row_each(self, embedder: Embedder) -> None:
        _check_matrix(
            embedder.embed_queries(list(CONTRACT_TEXTS)), len(CONTRACT_TEXTS), embedder.info.dim
        )

    def test_no_texts_give_no_rows(self, embedder: Embedder) -> None:
        _check_matrix(embedder.embed_documents([]), 0, embedder.info.dim)
        _check_matrix(embedder.embed_queries([]), 0, embedder.info.dim)

    def test_texts_may_come_as_a_tuple(self, embedder: Embedder) -> None:
        given = embedder.embed_documents(tuple(CONTRACT_TEXTS[:3]))
        self._assert_close(given, embedder.embed_documents(list(CONTRACT_TEXTS[:3])))

    def test_the_same_texts_give_the_same_vectors(self, embedder: Embedder) -> None:
        texts = list(CONTRACT_TEXTS)
        self._assert_close(embedder.embed_documents(texts), embedder.embed_documents(texts))
        self._assert_close(embedder.embed_queries(texts), embedder.embed_queries(texts))

    def test_a_vector_does_not_depend_on_the_batch(self, embedder: Embedder) -> None:
        together = embedder.embed_documents(list(CONTRACT_TEXTS))
        single = np.concatenate([embedder.embed_documents([text]) for text in CONTRACT_TEXTS])
        self._assert_close(together, single)
        queries = np.concatenate([embedder.embed_queries([text]) for text in CONTRACT_TEXTS])
        self._assert_close(embedder.embed_queries(list(CONTRACT_TEXTS)), queries)

    def test_rows_follow_the_order_of_the_texts(self, embedder: Embedder) -> None:
        forward = embedder.embed_documents(list(CONTRACT_TEXTS))
        backward = embedder.embed_documents(list(reversed(CONTRACT_TEXTS)))
        self._assert_close(forward, backward[::-1])

    def test_different_texts_give_different_vectors(self, embedder: Embedder) -> None:
        one, other = embedder.embed_documents([CONTRACT_TEXTS[0], CONTRACT_TEXTS[5]])
        assert np.abs(one - other).max() > 10 * self.tolerance

    def test_length_is_one_when_it_is_claimed(self, embedder: Embedder) -> None:
        if embedder.info.normalized:
            for vectors in (
                embedder.embed_documents(list(CONTRACT_TEXTS)),
                embedder.embed_queries(list(CONTRACT_TEXTS)),
            ):
                lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
                np.testing.assert_allclose(lengths, 1.0, atol=1e-4)

    def test_threads_get_the_vectors_of_one_thread(self, embedder: Embedder) -> None:
        texts = list(CONTRACT_TEXTS[:7])
        expected = embedder.embed_documents(texts)
        with ThreadPoolExecutor(4) as pool:
            for given in pool.map(embedder.embed_documents, [texts] * 8):
                self._assert_close(given, expected)

    def test_an_event_loop_gets_the_same_vectors(self, embedder: Embedder) -> None:
        texts = list(CONTRACT_TEXTS[:7])

        async def together() -> list[Float32Array]:
            return await asyncio.gather(*(aembed_texts(embedder, texts) for _ in range(3)))

        expected = embedder.embed_documents(texts)
        for given in asyncio.run(together()):
            self._assert_close(given, expected)
        self._assert_close(asyncio.run(aembed_documents(embedder, texts)), expected)
        queries = asyncio.run(aembed_queries(embedder, texts))
        self._assert_close(queries, embedder.embed_queries(texts))

    def test_batching_by_length_keeps_the_order(self, embedder: Embedder) -> None:
        texts = list(CONTRACT_TEXTS)
        given = embed_texts(embedder, texts, batch_size=3)
        self._assert_close(given, embedder.embed_documents(texts))

    def test_configuration_survives_json(self, embedder: Embedder) -> None:
        config = plugin_config(embedder)
        assert set(config) == {"name", "params"}
        assert json.loads(json.dumps(config)) == config

    def test_configuration_builds_the_same_embedder(self, embedder: Embedder) -> None:
        config = plugin_config(embedder)
        if config["params"] is not None:
            rebuilt = embedder_from_config(config)
            assert rebuilt.info == embedder.info
            texts = list(CONTRACT_TEXTS[:3])
            self._assert_close(rebuilt.embed_documents(texts), embedder.embed_documents(texts))

    def test_fingerprint_tells_the_model_again(self, embedder: Embedder) -> None:
        computed = fingerprint(embedder)
        assert fingerprints_match(computed, fingerprint(embedder))
        assert computed.endswith(f":{embedder.info.name}") or embedder.info.fingerprint

    def test_pickling_works_or_says_clearly_that_it_does_not(self, embedder: Embedder) -> None:
        try:
            raw = pickle.dumps(embedder)
        except (TypeError, pickle.PicklingError, AttributeError) as error:
            if not str(error):
                raise AssertionError("the error of pickling says nothing") from error
            return
        copy = pickle.loads(raw)
        assert copy.info == embedder.info
        texts = list(CONTRACT_TEXTS[:3])
        self._assert_close(copy.embed_documents(texts), embedder.embed_documents(texts))

    def _assert_close(self, given: Float32Array, expected: Float32Array) -> None:
        np.testing.assert_allclose(given, expected, rtol=0, atol=self.tolerance)


def _check_matrix(vectors: Float32Array, count: int, dim: int) -> None:
    assert isinstance(vectors, np.ndarray)
    assert vectors.dtype == np.float32
    assert vectors.shape == (count, dim)
    assert vectors.flags.c_contiguous
    assert np.isfinite(vectors).all()
