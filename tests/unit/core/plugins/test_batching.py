"""Batches by length, and the checks on what an embedder returns."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import (
    ModelInfo,
    Role,
    embed_texts,
    length_batches,
    normalize_rows,
    token_batches,
)
from elanus.types import Float32Array


class LengthEmbedder:
    """Maps a text to (its length, 0 for documents or 1 for queries), and records its calls."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(name="length", dim=2)

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        self.calls.append(list(texts))
        return np.array([[len(text), 0] for text in texts], dtype=np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        self.calls.append(list(texts))
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


class FaultyEmbedder(LengthEmbedder):
    """Returns whatever the test wants."""

    def __init__(self, answer: Callable[[int], object]) -> None:
        super().__init__()
        self._answer = answer

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._answer(len(texts))  # type: ignore[return-value]


def test_rows_follow_the_texts_and_batches_the_lengths() -> None:
    embedder = LengthEmbedder()
    vectors = embed_texts(embedder, ["aa", "bbbb", "", "ccc", "d"], batch_size=2)
    assert vectors.tolist() == [[2, 0], [4, 0], [0, 0], [3, 0], [1, 0]]
    assert vectors.dtype == np.float32
    assert embedder.calls == [["bbbb", "ccc"], ["aa", "d"], [""]]


def test_queries_go_to_the_query_side() -> None:
    assert embed_texts(LengthEmbedder(), ["ab"], role=Role.QUERY).tolist() == [[2, 1]]


def test_no_texts_need_no_call() -> None:
    embedder = LengthEmbedder()
    assert embed_texts(embedder, []).shape == (0, 2)
    assert embedder.calls == []


def test_progress_counts_texts_up_to_all() -> None:
    seen: list[tuple[int, int]] = []
    texts = ["x"] * 5
    embed_texts(LengthEmbedder(), texts, batch_size=2, progress=lambda *at: seen.append(at))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_length_batches_sort_inside_a_window_only() -> None:
    # A window has 16 batches; the longest text of all is in the second one.
    lengths = [1] * 16 + [9]
    batches = list(length_batches(lengths, 1))
    assert batches[-1] == [16]
    assert batches[:16] == [[i] for i in range(16)]


@given(st.lists(st.integers(0, 50), max_size=80), st.integers(1, 7))
def test_length_batches_visit_every_position_once(lengths: list[int], size: int) -> None:
    batches = list(length_batches(lengths, size))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


def test_token_batches_bound_padded_tokens() -> None:
    counts = [3, 10, 4, 1, 5, 25]
    # 25 alone exceeds the bound; 2 x 10 fits exactly; then 4 + 3 + 1 pad to 3 x 4.
    assert list(token_batches(counts, 20, 3)) == [[5], [1, 4], [2, 0, 3]]


def test_token_batches_bound_the_number_of_texts() -> None:
    assert list(token_batches([1, 1, 1, 1, 1], 100, 2)) == [[0, 1], [2, 3], [4]]


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 500), st.integers(1, 9))
def test_token_batches_keep_both_bounds(counts: list[int], tokens: int, texts: int) -> None:
    batches = list(token_batches(counts, tokens, texts))
    assert sorted(i for batch in batches for i in batch) == list(range(len(counts)))
    for batch in batches:
        padded = max(counts[i] for i in batch) * len(batch)
        assert len(batch) <= texts
        assert padded <= tokens or len(batch) == 1


@pytest.mark.parametrize(("tokens", "texts"), [(0, 1), (1, 0)])
def test_token_batches_need_room(tokens: int, texts: int) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        list(token_batches([1], tokens, texts))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: [[0.0, 0.0]] * n, r"expected a float32 array of shape \(2, 2\), got list"),
        (lambda n: np.zeros((n, 2)), r"got float64 of shape \(2, 2\)"),
        (lambda n: np.zeros((n, 3), np.float32), r"got float32 of shape \(2, 3\)"),
        (lambda n: np.zeros((n + 1, 2), np.float32), r"got float32 of shape \(3, 2\)"),
        (
            lambda n: np.array([[0, 1], [np.nan, 0]], np.float32),
            "the vector of text 1 of 2 has a value that is not finite",
        ),
    ],
)
def test_what_breaks_the_contract_is_refused(answer: Callable[[int], object], message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        embed_texts(FaultyEmbedder(answer), ["one", "two"])


def test_a_plain_string_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"pass \[text\]"):
        embed_texts(LengthEmbedder(), "abc")


def test_a_text_that_is_not_a_string_is_named_by_its_position() -> None:
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\]: expected a string, got int"):
        embed_texts(LengthEmbedder(), ["a", 5])  # type: ignore[list-item]


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="batch_size must be at least 1, got 0"):
        embed_texts(LengthEmbedder(), ["a"], batch_size=0)


def test_rows_are_scaled_to_length_one_and_zeros_stay() -> None:
    given_rows = np.array([[3, 4], [0, 0], [0, -2]], dtype=np.float32)
    scaled = normalize_rows(given_rows)
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0], [0, -1]], rtol=1e-7)
    assert scaled.dtype == np.float32
    assert given_rows.tolist() == [[3, 4], [0, 0], [0, -2]]


def test_normalizing_survives_squares_that_leave_float32() -> None:
    np.testing.assert_allclose(
        normalize_rows(np.array([[3e30, 4e30]], dtype=np.float32)), [[0.6, 0.8]], rtol=1e-6
    )
