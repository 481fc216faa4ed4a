"""fastembed's own classes for token vectors and SPLADE, as plug-ins, against values of torch."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from elanus.plugins import get_multivector_embedder, get_sparse_embedder
from elanus.testing import MultiVectorEmbedderContract, SparseEmbedderContract

FOLDER = Path(os.environ["FASTEMBED_MODELS"])
TEXTS = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))


def colbert():
    return get_multivector_embedder(
        "fastembed:colbert-ir/colbertv2.0",
        kind="multivector",
        folder=str(FOLDER / "colbert"),
        offline=True,
        threads=1,
    )


def splade():
    return get_sparse_embedder(
        "fastembed:prithivida/Splade_PP_en_v1",
        kind="sparse",
        folder=str(FOLDER / "splade"),
        offline=True,
        threads=1,
    )


class TestColbert(MultiVectorEmbedderContract):
    tolerance = 1e-4

    @pytest.fixture(scope="class")
    def embedder(self):
        return colbert()


class TestSplade(SparseEmbedderContract):
    tolerance = 1e-4

    @pytest.fixture(scope="class")
    def embedder(self):
        return splade()


@pytest.mark.parametrize("role", ["documents", "queries"])
def test_token_vectors_are_those_of_torch(role):
    made = getattr(colbert(), f"embed_{role}")(TEXTS).to_lists()
    expected = np.load(FOLDER / f"{role}.npz")
    assert len(made) == len(TEXTS)
    for place, rows in enumerate(made):
        np.testing.assert_allclose(rows, expected[str(place)], atol=1e-4)


def test_sparse_vectors_are_those_of_sentence_transformers():
    made = splade().embed_documents(TEXTS).to_dicts()
    expected = json.loads((FOLDER / "sparse.json").read_text(encoding="utf-8"))
    for row, wanted in zip(made, expected, strict=True):
        wanted = {int(index): value for index, value in wanted.items()}
        assert {i: v for i, v in row.items() if v > 1e-4} == pytest.approx(wanted, abs=1e-3)
