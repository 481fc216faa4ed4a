"""The cache: nothing twice, nothing lost, nothing of another model."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from elanus.errors import (
    ClosedError,
    CorruptionError,
    FormatVersionError,
    InvalidArgumentError,
    ProviderError,
    StorageError,
)
from elanus.plugins import ModelInfo, VectorKind, plugin_config
from elanus.types import Float32Array
from elanus_embeddings import CachedEmbedder, HashEmbedder


class Recorder:
    """The hash embedder, recording texts it was asked for, and failing on demand."""

    def __init__(self, dim: int = 16, max_tokens: int | None = None, sign: int = 1) -> None:
        self._inner = HashEmbedder(dim)
        self._max_tokens = max_tokens
        self._sign = np.float32(sign)
        self.documents: list[str] = []
        self.queries: list[str] = []
        self.fail_after: int | None = None

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(name="recorder", dim=self._inner.info.dim, max_tokens=self._max_tokens)

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        if self.fail_after is not None and len(self.documents) >= self.fail_after:
            raise ProviderError("the service is down", retryable=True)
        self.documents += texts
        return self._inner.embed_documents(texts) * self._sign

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        self.queries += texts
        return self._inner.embed_queries(texts) * self._sign

    def forget(self) -> None:
        self.documents.clear()
        self.queries.clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.sqlite"


def asked(recorder: Recorder) -> list[str]:
    """The texts it was asked for, without the probes of fingerprints."""
    probes = ("The quick brown fox", "Wie drehe ich", "def parse")
    return [text for text in recorder.documents if not text.startswith(probes)]


def test_a_text_is_embedded_once(path: Path) -> None:
    recorder = Recorder()
    with CachedEmbedder(recorder, path) as cached:
        first = cached.embed_documents(["a", "b", "a"])
        second = cached.embed_documents(["b", "c", "a"])
        assert (cached.hits, cached.misses) == (3, 3)
    assert sorted(asked(recorder)) == ["a", "b", "c"]
    expected = HashEmbedder(16).embed_documents(["a", "b", "a", "b", "c", "a"])
    np.testing.assert_array_equal(np.concatenate([first, second]), expected)


def test_vectors_outlive_the_process(path: Path) -> None:
    with CachedEmbedder(Recorder(), path) as cached:
        before = cached.embed_documents(["a", "b"])
    recorder = Recorder()
    with CachedEmbedder(recorder, path) as cached:
        np.testing.assert_array_equal(cached.embed_documents(["b", "a"]), before[::-1])
    assert asked(recorder) == []


def test_what_was_done_before_a_failure_is_kept(path: Path) -> None:
    texts = [f"text {i}" for i in range(1200)]
    recorder = Recorder()
    with CachedEmbedder(recorder, path) as cached:
        cached.embed_documents([])
        recorder.fail_after = 700
        with pytest.raises(ProviderError, match="the service is down"):
            cached.embed_documents(texts)
    again = Recorder()
    with CachedEmbedder(again, path) as cached:
        vectors = cached.embed_documents(texts)
    # 512 texts go between two commits: the first 512 of them were on disk.
    assert sorted(asked(again)) == sorted(texts[512:])
    np.testing.assert_array_equal(vectors, HashEmbedder(16).embed_documents(texts))


def test_documents_and_queries_are_kept_apart(path: Path) -> None:
    recorder = Recorder()
    with CachedEmbedder(recorder, path) as cached:
        cached.embed_documents(["a"])
        recorder.forget()
        cached.embed_queries(["a"])
        cached.embed_queries(["a"])
    assert recorder.queries == ["a"]


@pytest.mark.parametrize("other", [Recorder(dim=32), Recorder(sign=-1), Recorder(max_tokens=8)])
def test_another_model_does_not_get_these_vectors(path: Path, other: Recorder) -> None:
    with CachedEmbedder(Recorder(), path) as cached:
        cached.embed_documents(["a"])
    with CachedEmbedder(other, path) as cached:
        vectors = cached.embed_documents(["a"])
    assert asked(other) == ["a"]
    np.testing.assert_array_equal(vectors, other.embed_documents(["a"]))
    # And the first model still gets its own.
    recorder = Recorder()
    with CachedEmbedder(recorder, path) as cached:
        cached.embed_documents(["a"])
    assert asked(recorder) == []


def test_two_caches_share_one_file(path: Path) -> None:
    one, other = Recorder(), Recorder()
    with CachedEmbedder(one, path) as first, CachedEmbedder(other, path) as second:
        first.embed_documents(["a"])
        second.embed_documents(["a", "b"])
        first.embed_documents(["b"])
    assert (asked(one), asked(other)) == (["a"], ["b"])


def test_many_texts_are_looked_up_in_one_call(path: Path) -> None:
    texts = [f"text {i}" for i in range(2500)]
    recorder = Recorder()
    with CachedEmbedder(recorder, path) as cached:
        first = cached.embed_documents(texts)
        recorder.forget()
        np.testing.assert_array_equal(cached.embed_documents(texts), first)
    assert recorder.documents == []


def test_the_configuration_is_that_of_the_embedder_inside(path: Path) -> None:
    with CachedEmbedder(HashEmbedder(16), path) as cached:
        assert plugin_config(cached) == {"name": "hash", "params": {"dim": 16}}


def test_a_file_of_something_else_is_reported(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to have a header" * 50)
    with pytest.raises(CorruptionError, match=r"is damaged .*: delete it") as caught:
        CachedEmbedder(HashEmbedder(), path)
    assert caught.value.path == str(path)


def test_a_vector_of_the_wrong_size_is_reported(path: Path) -> None:
    with CachedEmbedder(HashEmbedder(16), path) as cached:
        cached.embed_documents(["a"])
        with sqlite3.connect(path) as database:
            database.execute("UPDATE vectors SET vector = x'00'")
        database.close()
        with pytest.raises(CorruptionError, match="a vector has 1 bytes, expected 64"):
            cached.embed_documents(["a"])


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    CachedEmbedder(HashEmbedder(), path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 2")
    database.commit()
    with pytest.raises(FormatVersionError, match="has format 2, this version reads up to 1"):
        CachedEmbedder(HashEmbedder(), path)
    assert database.execute("PRAGMA user_version").fetchone() == (2,)
    database.close()


def test_a_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot open the embedding cache"):
        CachedEmbedder(HashEmbedder(), tmp_path / "missing" / "vectors.sqlite")


def test_a_closed_cache_says_so(path: Path) -> None:
    cached = CachedEmbedder(HashEmbedder(), path)
    cached.close()
    cached.close()
    with pytest.raises(ClosedError, match="was closed"):
        cached.embed_documents(["a"])


def test_sparse_embedders_are_refused(path: Path) -> None:
    class Sparse(Recorder):
        @property
        def info(self) -> ModelInfo:
            return ModelInfo(name="sparse", kind=VectorKind.SPARSE)

    with pytest.raises(InvalidArgumentError, match="'sparse', which makes sparse ones"):
        CachedEmbedder(Sparse(), path)
    assert not path.exists()
