"""Latent semantic analysis, against the exact decomposition."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from elanus.errors import CorruptionError, InvalidArgumentError, NotFoundError
from elanus.plugins import get_embedder, plugin_config
from elanus_embeddings import LsaEmbedder, TruncatedEmbedder
from elanus_embeddings.lsa import _words

TEXTS = [
    "rotate the access key in the console",
    "an access key is rotated each year",
    "keys and the console: rotate a key",
    "the weather in paris is mild in may",
    "mild weather, paris in the rain of may",
    "rain and weather of the year",
    "",
    "如何轮换密钥",
]


def test_similarities_are_those_of_the_exact_decomposition() -> None:
    found = LsaEmbedder.fit(TEXTS, dim=4, min_count=1)
    counted = [Counter(_words(text)) for text in TEXTS]
    words = sorted({word for counts in counted for word in counts})
    weights = np.zeros((len(TEXTS), len(words)))
    for row, counts in enumerate(counted):
        for column, word in enumerate(words):
            documents = sum(word in other for other in counted)
            idf = np.log((1 + len(TEXTS)) / (1 + documents)) + 1
            if counts[word]:
                weights[row, column] = (1 + np.log(counts[word])) * idf
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    projected = weights @ np.linalg.svd(weights)[2][:3].T
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    projected /= np.where(lengths > 1e-5, lengths, 1.0)
    made = found.embed_documents(TEXTS)
    assert found.info.dim == 4
    # The empty text has only itself; the others keep the angles of the exact directions.
    np.testing.assert_allclose(made[6], [0, 0, 0, 1])
    np.testing.assert_allclose(
        (made @ made.T)[:6, :6], (projected @ projected.T)[:6, :6], atol=1e-4
    )


def test_texts_that_share_no_word_are_near_through_others() -> None:
    found = LsaEmbedder.fit(TEXTS, dim=3, min_count=1)
    key, weather = found.embed_documents(["rotated key", "rain"])
    documents = found.embed_documents(TEXTS)
    assert set(np.argsort(-(documents @ key))[:3].tolist()) == {0, 1, 2}
    assert set(np.argsort(-(documents @ weather))[:3].tolist()) == {3, 4, 5}


def test_fits_are_repeatable_and_saved(tmp_path: Path) -> None:
    found = LsaEmbedder.fit(TEXTS, dim=5, min_count=1)
    again = LsaEmbedder.fit(TEXTS, dim=5, min_count=1)
    np.testing.assert_array_equal(found.embed_documents(TEXTS), again.embed_documents(TEXTS))
    assert plugin_config(found)["params"] is None
    found.save(tmp_path / "lsa.npz")
    read = get_embedder(f"lsa:{tmp_path / 'lsa.npz'}")
    assert read.info == found.info
    np.testing.assert_array_equal(read.embed_queries(TEXTS), found.embed_queries(TEXTS))
    assert plugin_config(found) == plugin_config(read)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"LsaEmbedder\.fit"):
        LsaEmbedder(tmp_path / "absent")
    (tmp_path / "damaged").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CorruptionError, match="is not a saved embedder"):
        LsaEmbedder(tmp_path / "damaged")


def test_nothing_to_fit_on() -> None:
    with pytest.raises(InvalidArgumentError, match="no text has a word"):
        LsaEmbedder.fit(["", "?!"])
    with pytest.raises(InvalidArgumentError, match="dim must be at least 2"):
        LsaEmbedder.fit(TEXTS, dim=1)


def test_leading_dimensions_of_any_embedder() -> None:
    whole = get_embedder("hash", dim=64).embed_documents(TEXTS)[:, :16]
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    found = TruncatedEmbedder(get_embedder("hash", dim=64), 16)
    expected = whole / np.where(lengths > 0, lengths, 1)
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected, atol=1e-6)
    rebuilt = get_embedder("truncated", **plugin_config(found)["params"])  # type: ignore[arg-type]
    np.testing.assert_array_equal(rebuilt.embed_queries(TEXTS), found.embed_queries(TEXTS))
    with pytest.raises(InvalidArgumentError, match=r"dim must be an integer in \[1, 64\]"):
        TruncatedEmbedder(get_embedder("hash", dim=64), 65)
