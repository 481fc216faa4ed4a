"""Do embedders of sparse vectors, of token vectors and of all at once keep their contracts?"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from elanus.plugins import (
    HybridEmbedder,
    HybridVectors,
    MultiVectorEmbedder,
    SparseEmbedder,
    SparseVectors,
    TokenVectors,
    VectorKind,
    embedding_from_config,
    fingerprint,
    fingerprints_match,
    get_embedding,
    plugin_config,
)
from elanus.plugins.asynchronous import aembed_documents, aembed_queries
from elanus.testing.embedder import CONTRACT_TEXTS

_TEXTS = list(CONTRACT_TEXTS)


class _AnyKind:
    """Cases of every kind; a subclass says how two results are compared."""

    tolerance: float = 1e-5
    kind = VectorKind.DENSE

    def rows(self, made: Any) -> list[Any]:
        """Return one comparable value per text."""
        raise NotImplementedError

    def test_info_is_complete_and_stays_the_same(self, embedder: Any) -> None:
        info = embedder.info
        assert info.name
        assert info.kind is self.kind
        assert info.dim >= 0
        embedder.embed_documents(["one text"])
        assert embedder.info == info

    def test_it_is_accepted_as_an_embedding(self, embedder: Any) -> None:
        assert get_embedding(embedder) is embedder

    def test_each_text_gets_its_own(self, embedder: Any) -> None:
        for embed in (embedder.embed_documents, embedder.embed_queries):
            together = self.rows(embed(_TEXTS))
            assert len(together) == len(_TEXTS)
            for text, row in zip(_TEXTS, together, strict=True):
                self._assert_close(self.rows(embed([text]))[0], row)
            backward = self.rows(embed(_TEXTS[::-1]))[::-1]
            for one, other in zip(together, backward, strict=True):
                self._assert_close(one, other)

    def test_no_texts_give_nothing(self, embedder: Any) -> None:
        assert self.rows(embedder.embed_documents([])) == []
        assert self.rows(embedder.embed_queries([])) == []

    def test_threads_get_what_one_thread_gets(self, embedder: Any) -> None:
        texts = _TEXTS[:5]
        expected = self.rows(embedder.embed_documents(texts))
        with ThreadPoolExecutor(4) as pool:
            for given in pool.map(embedder.embed_documents, [texts] * 6):
                for one, other in zip(self.rows(given), expected, strict=True):
                    self._assert_close(one, other)

    def test_an_event_loop_gets_the_same(self, embedder: Any) -> None:
        texts = _TEXTS[:5]

        async def together() -> tuple[Any, ...]:
            documents, queries = aembed_documents(embedder, texts), aembed_queries(embedder, texts)
            return tuple(await asyncio.gather(documents, queries))

        made = asyncio.run(together())
        expected = embedder.embed_documents(texts), embedder.embed_queries(texts)
        for given, wanted in zip(made, expected, strict=True):
            for one, other in zip(self.rows(given), self.rows(wanted), strict=True):
                self._assert_close(one, other)

    def test_configuration_builds_the_same_embedder(self, embedder: Any) -> None:
        config = plugin_config(embedder)
        assert json.loads(json.dumps(config)) == config
        if config["params"] is not None and self.kind is not VectorKind.HYBRID:
            rebuilt = embedding_from_config(config, self.kind)
            assert rebuilt.info == embedder.info

    def test_fingerprint_tells_the_model_again(self, embedder: Any) -> None:
        assert fingerprints_match(fingerprint(embedder), fingerprint(embedder))

    def _assert_close(self, one: Any, other: Any) -> None:
        np.testing.assert_allclose(one, other, rtol=0, atol=self.tolerance)


def _check_sparse(made: SparseVectors, count: int) -> None:
    assert made.offsets.dtype == np.int64
    assert made.offsets.shape == (count + 1,)
    assert made.indices.dtype == np.uint32
    assert made.values.dtype == np.float32
    assert np.isfinite(made.values).all()
    for first, last in zip(made.offsets[:-1], made.offsets[1:], strict=True):
        assert (np.diff(made.indices[first:last].astype(np.int64)) > 0).all()


def _check_tokens(made: TokenVectors, count: int) -> None:
    assert made.offsets.dtype == np.int64
    assert made.offsets.shape == (count + 1,)
    assert (np.diff(made.offsets) >= 1).all()
    assert made.vectors.dtype == np.float32
    assert made.vectors.shape[0] == made.offsets[-1]
    assert np.isfinite(made.vectors).all()


class SparseEmbedderContract(_AnyKind):
    """Cases that every sparse embedder passes.

    A subclass, whose name starts with ``Test``, defines a pytest fixture ``embedder``, as for
    ``EmbedderContract``.

    Attributes:
        tolerance: Largest difference between two computations of one value.
    """

    kind = VectorKind.SPARSE

    def rows(self, made: Any) -> list[Any]:
        return list(made.to_dicts())

    def test_vectors_have_the_form_of_the_contract(self, embedder: SparseEmbedder) -> None:
        for made in (embedder.embed_documents(_TEXTS), embedder.embed_queries(_TEXTS)):
            assert isinstance(made, SparseVectors)
            _check_sparse(made, len(_TEXTS))
            if embedder.info.dim:
                assert made.indices.max(initial=0) < embedder.info.dim

    def _assert_close(self, one: Any, other: Any) -> None:
        for index in {*one, *other}:
            difference = abs(one.get(index, 0.0) - other.get(index, 0.0))
            assert difference <= self.tolerance, (index, difference)


class MultiVectorEmbedderContract(_AnyKind):
    """Cases that every embedder of token vectors passes; as ``SparseEmbedderContract``."""

    kind = VectorKind.MULTIVECTOR

    def rows(self, made: Any) -> list[Any]:
        return list(made.to_lists())

    def test_vectors_have_the_form_of_the_contract(self, embedder: MultiVectorEmbedder) -> None:
        for made in (embedder.embed_documents(_TEXTS), embedder.embed_queries(_TEXTS)):
            assert isinstance(made, TokenVectors)
            _check_tokens(made, len(_TEXTS))
            assert made.vectors.shape[1] == embedder.info.dim
            if embedder.info.normalized:
                lengths = np.linalg.norm(made.vectors.astype(np.float64), axis=1)
                np.testing.assert_allclose(lengths, 1.0, atol=1e-4)


class HybridEmbedderContract(_AnyKind):
    """Cases that every hybrid embedder passes; as ``SparseEmbedderContract``."""

    kind = VectorKind.HYBRID

    def rows(self, made: Any) -> list[Any]:
        return list(made.dense)

    def test_all_three_have_the_form_of_the_contract(self, embedder: HybridEmbedder) -> None:
        made = embedder.embed_documents(_TEXTS)
        assert isinstance(made, HybridVectors)
        assert made.dense.dtype == np.float32
        assert made.dense.shape == (len(_TEXTS), embedder.info.dim)
        _check_sparse(made.sparse, len(_TEXTS))
        _check_tokens(made.tokens, len(_TEXTS))

    def test_views_give_a_part_each(self, embedder: HybridEmbedder) -> None:
        made: Any = embedder.embed_queries(_TEXTS[:3])
        dense: Any = embedder.view(VectorKind.DENSE).embed_queries(_TEXTS[:3])
        sparse: Any = embedder.view(VectorKind.SPARSE).embed_queries(_TEXTS[:3])
        tokens: Any = embedder.view(VectorKind.MULTIVECTOR).embed_queries(_TEXTS[:3])
        np.testing.assert_allclose(dense, made.dense, atol=self.tolerance)
        np.testing.assert_array_equal(sparse.indices, made.sparse.indices)
        np.testing.assert_allclose(tokens.vectors, made.tokens.vectors, atol=self.tolerance)
