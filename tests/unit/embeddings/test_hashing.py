"""The embedder without a model: the same vector on every machine, near for shared words."""

import hashlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError
from elanus_embeddings import HashEmbedder


def slow_vector(text: str, dim: int) -> list[float]:
    """Feature hashing worked out one feature at a time."""
    words = text.lower().split()
    vector = [0.0] * dim

    def add(feature: str, weight: float) -> None:
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        vector[number % dim] += -weight if number >> 63 else weight

    for word in sorted(set(words)):
        weight = min(len(word), 6) / 6 * math.sqrt(words.count(word))
        add(f"w{word}", weight)
        padded = f"^{word}$"
        for start in range(len(padded) - 2):
            add(f"c{padded[start : start + 3]}", 0.35 * weight)
    for one, other in itertools.pairwise(words):
        add(f"p{one} {other}", 0.3)
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


@pytest.mark.parametrize(
    "text",
    ["key", "rotate the key", "the key the key the", "Rotating Keys is a chore", "日本 東京 東京"],
)
def test_vectors_are_those_of_the_slow_twin(text: str) -> None:
    (vector,) = HashEmbedder(dim=64).embed_documents([text])
    np.testing.assert_allclose(vector, slow_vector(text, 64), atol=1e-6)


def test_vectors_never_change() -> None:
    # Stored collections hold such vectors: a change of these numbers breaks them.
    (vector,) = HashEmbedder(dim=8).embed_documents(["Rotate the access key."])
    np.testing.assert_allclose(vector, GOLDEN, atol=1e-6)


def test_case_punctuation_and_compatibility_forms_do_not_matter() -> None:
    embedder = HashEmbedder()
    one, other = embedder.embed_documents(["ﬁle name, STRASSE", "File   NAME; straße!"])
    assert one.tolist() == other.tolist()


def test_the_order_of_words_matters_a_little() -> None:
    one, other = HashEmbedder().embed_documents(["dog bites man", "man bites dog"])
    assert 0.8 < float(one @ other) < 0.99


def test_shared_words_and_stems_bring_texts_near() -> None:
    embedder = HashEmbedder()
    (query,) = embedder.embed_queries(["how do I rotate an access key"])
    scores = (
        embedder.embed_documents(
            [
                "To rotate an access key, open the console.",
                "Rotating keys: access rotation is done in the console.",
                "The weather in Paris stays mild until October.",
            ]
        )
        @ query
    )
    assert scores[0] > scores[1] > scores[2] + 0.1


@given(st.text(), st.sampled_from([1, 2, 256]))
def test_every_text_has_a_vector_of_length_one(text: str, dim: int) -> None:
    (vector,) = HashEmbedder(dim=dim).embed_documents([text])
    assert vector.shape == (dim,)
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5


def test_texts_without_words_share_one_vector() -> None:
    vectors = HashEmbedder().embed_documents(["", "?!", " \n"])
    assert (vectors == vectors[0]).all()
    assert sorted(np.unique(vectors[0]).tolist()) == [0.0, 1.0]


@pytest.mark.parametrize("dim", [0, -1, 2**20 + 1, True, 2.5, "256"])
def test_a_dim_out_of_range_is_refused(dim: int) -> None:
    with pytest.raises(InvalidArgumentError, match="dim must be an integer from 1 to 1048576"):
        HashEmbedder(dim=dim)


GOLDEN = [0.4146442, 0.1036611, -0.2813657, -0.2073221, 0.2073221, -0.3109832, 0.4886878, 0.5627314]
