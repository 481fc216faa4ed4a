"""Random samples: their size, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest

from elanus.errors import FilterError
from elanus.filter import RandomSample, batch_columns, compile_filter, random_sample
from elanus.filter.columns import FilterColumns
from elanus.schema.batches import slice_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType

NUMBERS = Schema([Field("id", DataType.INT64, primary=True)])
TEXTS = Schema([Field("id", DataType.VARCHAR, primary=True)])
N = 20_000
NUMBER_ROWS = batch_columns(entities_to_batch(NUMBERS, {"id": np.arange(N)}))
TEXT_ROWS = batch_columns(entities_to_batch(TEXTS, {"id": [f"key {i}" for i in range(N)]}))


def sample(text: str, schema: Schema = NUMBERS, rows: FilterColumns = NUMBER_ROWS) -> set[int]:
    bound = compile_filter(text, schema)
    assert bound is not None
    return set(np.flatnonzero(bound.evaluate(rows)).tolist())


@pytest.mark.parametrize(("schema", "rows"), [(NUMBERS, NUMBER_ROWS), (TEXTS, TEXT_ROWS)])
@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.9])
def test_size_is_the_fraction(schema: Schema, rows: FilterColumns, fraction: float) -> None:
    sizes = [len(sample(f"random_sample({fraction}, seed={s})", schema, rows)) for s in range(8)]
    deviation = (N * fraction * (1 - fraction)) ** 0.5
    assert all(abs(size - N * fraction) < 5 * deviation for size in sizes)


def test_samples_of_other_seeds_are_independent() -> None:
    first, second = (sample(f"random_sample(0.5, seed={s})") for s in (1, 2))
    assert abs(len(first & second) - N / 4) < 5 * (N * 3 / 16) ** 0.5


def test_all_rows_and_their_negation() -> None:
    assert sample("random_sample(1)") == set(range(N))
    chosen = sample("random_sample(0.3, seed=5)")
    assert sample("not random_sample(0.3, seed=5)") == set(range(N)) - chosen
    assert sample("id < 100 and random_sample(0.3, seed=5)") == {i for i in chosen if i < 100}
    # A smaller sample of a seed is part of a larger one.
    assert sample("random_sample(0.1, seed=5)") < chosen


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    bound = compile_filter("random_sample(0.3, seed=5)", TEXTS)
    assert bound is not None
    whole = bound.evaluate(TEXT_ROWS)
    keys = slice_column(TEXT_ROWS.column("id"), 50, 100).to_pylist()
    part = bound.evaluate(batch_columns(entities_to_batch(TEXTS, {"id": keys})))
    assert part.tolist() == whole[50:100].tolist()


def test_a_seed_is_drawn_once_for_each_compilation() -> None:
    bounds = [compile_filter("random_sample(0.5)", NUMBERS) for _ in range(2)]
    assert bounds[0] != bounds[1]
    assert compile_filter(str(bounds[0]), NUMBERS) == bounds[0]
    assert bounds[0] is not None
    assert isinstance(bounds[0].tree, RandomSample)


def test_every_form() -> None:
    wanted = compile_filter("random_sample(0.5, seed=7)", NUMBERS)
    assert compile_filter(random_sample(0.5, seed=7), NUMBERS) == wanted
    conditions = {"$sampleRate": {"fraction": 0.5, "seed": 7}}
    assert compile_filter(conditions, NUMBERS) == wanted
    params = {"p": 0.5, "s": 7}
    assert compile_filter("random_sample({p}, seed={s})", NUMBERS, params=params) == wanted
    assert compile_filter({"$sampleRate": 0.5}, NUMBERS) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random_sample(0)", "'random_sample' takes a number above 0 and up to 1"),
        ("random_sample(1.5)", "'random_sample' takes a number above 0 and up to 1"),
        ("random_sample(true)", "'random_sample' takes a number above 0 and up to 1"),
        ("random_sample(id)", "'random_sample' takes a number above 0 and up to 1"),
        (
            "random_sample(0.5, seed=-1)",
            "'seed' is an integer from 0 to 9223372036854775807, got -1",
        ),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text, NUMBERS)
    assert message in str(caught.value)


def test_a_dict_with_other_keys_is_refused() -> None:
    with pytest.raises(FilterError, match="expected a number, or a dict of 'fraction' and 'seed'"):
        compile_filter({"$sampleRate": {"fraction": 0.5}}, NUMBERS)
