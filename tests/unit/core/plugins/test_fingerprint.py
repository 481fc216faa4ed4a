"""Fingerprints tell models apart, and tell the same model again in spite of float noise."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import FormatVersionError, InvalidArgumentError, ModelMismatchError
from elanus.plugins import (
    ModelInfo,
    SparseVectors,
    VectorKind,
    fingerprint,
    fingerprints_match,
    require_same_model,
)
from elanus.plugins.fingerprint import PROBES
from elanus.types import Float32Array

DIM = 64


class TableEmbedder:
    """Looks vectors up in a table; queries may be moved by an offset."""

    def __init__(
        self, vectors: Float32Array, name: str = "table", query_shift: float = 0.0
    ) -> None:
        self._vectors = vectors.astype(np.float32)
        self._name = name
        self._query_shift = np.float32(query_shift)

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(name=self._name, dim=self._vectors.shape[1])

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._vectors[[PROBES.index(text) for text in texts]]

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self.embed_documents(texts) + self._query_shift


class SparseTableEmbedder:
    def __init__(self, rows: list[dict[int, float]]) -> None:
        self._rows = rows

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(name="sparse", kind=VectorKind.SPARSE)

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        return SparseVectors.from_dicts([self._rows[PROBES.index(text)] for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> SparseVectors:
        return self.embed_documents(texts)


class DeclaredEmbedder(TableEmbedder):
    """Vouches for a fingerprint instead of being probed."""

    def __init__(self, declared: str) -> None:
        super().__init__(unit_vectors(0))
        self._declared = declared

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(name="declared", dim=DIM, fingerprint=self._declared)

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        raise AssertionError("it must not be probed")


def unit_vectors(seed: int, dim: int = DIM) -> Float32Array:
    vectors = np.random.default_rng(seed).standard_normal((len(PROBES), dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def noisy(vectors: Float32Array, size: float, seed: int) -> Float32Array:
    """Move each row by a random vector of length ``size``."""
    noise = np.random.default_rng(seed).standard_normal(vectors.shape)
    noise *= size / np.linalg.norm(noise, axis=1, keepdims=True)
    return (vectors + noise).astype(np.float32)


def test_the_form_is_stable() -> None:
    # One axis per probe: a projection is the sign pattern of that axis, +1 or -1, so 32 or -32
    # steps. A change of this text would make every stored fingerprint unreadable.
    vectors = np.eye(len(PROBES), 4, dtype=np.float32)
    given_text = fingerprint(TableEmbedder(vectors, name="a:b"))
    version, dim, sketch, name = given_text.split(":", 3)
    assert (version, dim, name) == ("1", "4", "a:b")
    assert sketch == EXPECTED_SKETCH


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_float_noise_of_half_precision_matches(seed: int, noise_seed: int) -> None:
    vectors = unit_vectors(seed)
    one = fingerprint(TableEmbedder(vectors))
    other = fingerprint(TableEmbedder(noisy(vectors, 0.012, noise_seed)))
    assert fingerprints_match(one, other)


def test_a_difference_across_a_rounding_boundary_matches() -> None:
    # Every projection of this vector lies exactly between two steps, so the last bit decides.
    step = 1 / 32
    below = np.zeros((len(PROBES), 2), dtype=np.float32)
    below[:, 0], below[:, 1] = 0.5 * step, np.sqrt(1 - (0.5 * step) ** 2)
    above = below.copy()
    above[:, 0] = np.nextafter(below[:, 0], np.float32(1))
    one, other = fingerprint(TableEmbedder(below)), fingerprint(TableEmbedder(above))
    assert fingerprints_match(one, other)


@given(st.integers(0, 10**6))
def test_other_models_do_not_match(seed: int) -> None:
    one = fingerprint(TableEmbedder(unit_vectors(seed)))
    assert not fingerprints_match(one, fingerprint(TableEmbedder(unit_vectors(seed + 1))))


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_model_trained_further_does_not_match(seed: int, noise_seed: int) -> None:
    vectors = unit_vectors(seed)
    # Cosine 0.98 between the old and the new vector.
    trained = noisy(vectors, 0.2, noise_seed)
    one, other = fingerprint(TableEmbedder(vectors)), fingerprint(TableEmbedder(trained))
    assert not fingerprints_match(one, other)


def test_another_query_prompt_does_not_match() -> None:
    vectors = unit_vectors(3)
    one = fingerprint(TableEmbedder(vectors))
    assert not fingerprints_match(one, fingerprint(TableEmbedder(vectors, query_shift=0.1)))


def test_another_scale_does_not_match() -> None:
    vectors = unit_vectors(4)
    one = fingerprint(TableEmbedder(vectors))
    assert not fingerprints_match(one, fingerprint(TableEmbedder(vectors * 1.1)))


def test_another_dim_does_not_match() -> None:
    one = fingerprint(TableEmbedder(unit_vectors(5, 8)))
    padded = np.pad(unit_vectors(5, 8), ((0, 0), (0, 1)))
    assert not fingerprints_match(one, fingerprint(TableEmbedder(padded)))


def test_the_name_does_not_matter() -> None:
    vectors = unit_vectors(6)
    one = fingerprint(TableEmbedder(vectors, name="by name"))
    assert fingerprints_match(one, fingerprint(TableEmbedder(vectors, name="/models/by:folder")))


def test_a_model_of_zeros_matches_itself_only() -> None:
    zeros = fingerprint(TableEmbedder(np.zeros((len(PROBES), DIM), dtype=np.float32)))
    assert fingerprints_match(zeros, zeros)
    assert not fingerprints_match(zeros, fingerprint(TableEmbedder(unit_vectors(0))))


def test_sparse_models_have_fingerprints() -> None:
    rows = [{5: 1.0, 70_000: 2.0}, {}, {2**32 - 1: 0.5}]
    one = fingerprint(SparseTableEmbedder(rows))
    assert fingerprints_match(one, fingerprint(SparseTableEmbedder(rows)))
    moved = [{5: 1.0, 70_001: 2.0}, {}, {2**32 - 1: 0.5}]
    assert not fingerprints_match(one, fingerprint(SparseTableEmbedder(moved)))


def test_a_declared_fingerprint_is_taken_without_probing() -> None:
    declared = fingerprint(TableEmbedder(unit_vectors(9)))
    assert fingerprint(DeclaredEmbedder(declared)) == declared
    with pytest.raises(InvalidArgumentError, match="not a model fingerprint: 'abc'"):
        fingerprint(DeclaredEmbedder("abc"))


def test_the_right_model_passes() -> None:
    embedder = TableEmbedder(unit_vectors(1))
    require_same_model(fingerprint(embedder), embedder, where="collection 'kb'")


def test_the_wrong_model_is_an_error_that_names_both_and_the_way_out() -> None:
    stored = fingerprint(TableEmbedder(unit_vectors(1), name="old-model"))
    wrong = TableEmbedder(unit_vectors(2, 32), name="new-model")
    with pytest.raises(ModelMismatchError) as caught:
        require_same_model(stored, wrong, where="collection 'kb'")
    message = str(caught.value)
    assert message.startswith(
        "collection 'kb': its vectors were made by 'old-model' (dim 64), but the embedder given is "
        "'new-model' (dim 32)"
    )
    assert "move to 'new-model' by migrate_embeddings" in message
    assert (caught.value.stored, caught.value.given) == (stored, fingerprint(wrong))


@pytest.mark.parametrize("text", ["", "1", "1:4:AAAA:x", "1:four::x", "1:4:%%%:x", "0:4:AAAA:x"])
def test_what_is_not_a_fingerprint_is_refused(text: str) -> None:
    good = fingerprint(TableEmbedder(unit_vectors(1)))
    with pytest.raises(InvalidArgumentError, match="not a model fingerprint"):
        fingerprints_match(good, text)


def test_a_newer_fingerprint_asks_for_a_newer_elanus() -> None:
    good = fingerprint(TableEmbedder(unit_vectors(1)))
    with pytest.raises(FormatVersionError, match="version 2, this elanus reads up to 1"):
        fingerprints_match("2:something new", good)


# SplitMix64 of 0, 1, 2 and 0 again, worked out with plain integers.
EXPECTED_SKETCH = (
    "AACAPyAgICDgIOAgIOAgIODgICAg4CAgIODg4CAg4CAgICDgAACAP-DgIOAgICAgIOAg4OAgIOAg4OAgICDgICDg"
    "4ODgIOAgAACAPyAgICDg4CDgIOAg4ODgIOAg4OAg4ODg4ODg4ODg4OAgAACAPyAgICDgIOAgIOAgIODgICAg4CAg"
    "IODg4CAg4CAgICDg"
)
