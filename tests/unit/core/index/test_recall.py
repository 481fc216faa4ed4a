"""The curve is a table: hand-worked look-ups, and the measurement against a known index."""

import math

import numpy as np
import pytest

from elanus.index.recall import LADDER, LIMITS, RecallCurve, measure_recall

NAN = float("nan")


def curve_of(*points):
    """Return a curve with the given recall at the first steps of the ladder, then 1."""
    row = [*points, *[1.0] * (len(LADDER) - len(points))]
    return RecallCurve((tuple(row), tuple(row), (NAN, *row[1:])), 1000.0, 10.0)


def test_candidate_list_is_interpolated_between_measured_steps():
    curve = curve_of(0.5, 0.9, 0.98)  # at 10, 16 and 24 rows
    # recall 0.92 is asked as 0.932 = 0.9 + 0.4 * 0.08, so 16 + 0.4 * 8 = 19.2 rows
    assert curve.ef_for(0.92, 10) == 20
    assert curve.ef_for(0.4, 10) == 10
    assert curve.ef_for(0.4, 1) == 10
    assert curve.ef_for(0.99, 10) == 29


def test_larger_limits_scale_the_candidate_list():
    curve = curve_of(0.5, 0.9, 0.98)
    assert curve.ef_for(0.92, 200) == 200
    assert curve.ef_for(0.999, 1000) == max(1000, math.ceil(curve.ef_for(0.999, 100) / 1) * 10)


def test_unreachable_recall_asks_for_an_exact_scan():
    low = RecallCurve(tuple(tuple([0.5] * len(LADDER)) for _ in LIMITS), 1.0, 1.0)
    assert low.ef_for(0.95, 10) is None


def test_estimate_reads_the_curve():
    curve = curve_of(0.5, 0.9, 0.98)
    assert curve.estimate(13, 10) == pytest.approx(0.7)
    assert curve.estimate(5, 10) == 0.5
    assert curve.estimate(10_000, 10) == 1.0


def test_curve_survives_its_stored_form():
    curve = curve_of(0.5, 0.9)
    stored = RecallCurve.from_json(curve.to_json())
    assert stored.to_json() == curve.to_json()
    assert stored.ef_for(0.95, 10) == curve.ef_for(0.95, 10)


def test_curve_stored_without_its_steps_has_the_first_ones():
    stored = {"recall": [[0.5, *[0.9] * 7, 0.95, *[1.0] * 5]] * 3}
    stored |= {"ns_per_candidate": 1.0, "ns_per_scanned_row": 1.0}
    curve = RecallCurve.from_json(stored)
    assert curve.estimate(10, 10) == 0.5
    assert curve.estimate(128, 10) == 0.9
    assert curve.estimate(192, 10) == 0.95
    assert math.isnan(curve.recall[2][LADDER.index(104)])
    assert curve.estimate(112, 100) == pytest.approx(0.9)


def test_lists_just_above_the_largest_limit_are_measured_for_it_alone():
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    asked = set()

    def exact(queries, limit):
        distances = ((queries[:, None] - rows[None]) ** 2).sum(axis=2)
        return np.argsort(distances, axis=1, kind="stable")[:, :limit]

    def half(queries, limit, ef):
        asked.add((limit, ef))
        found = exact(queries, limit)
        return np.where(np.arange(limit) % 2, found, -1)

    curve = measure_recall(rows, None, exact, half, sample_rows=20)
    assert {(101, 104), (101, 112)} <= asked
    assert not {(11, 104), (11, 112)} & asked
    assert curve.ef_for(0.4, 100) == 104


def test_measurement_of_an_index_that_drops_rows():
    rows = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)

    def exact(queries, limit):
        distances = ((queries[:, None] - rows[None]) ** 2).sum(axis=2)
        return np.argsort(distances, axis=1, kind="stable")[:, :limit]

    def every_second(queries, limit, ef):
        """Find only even rows unless the list is long: recall one half, then one."""
        found = exact(queries, 2 * limit + 50)
        kept = []
        for row in found:
            good = row if ef >= 64 else row[row % 2 == 0]
            kept.append(good[:limit])
        return np.array(kept)

    curve = measure_recall(rows, None, exact, every_second)
    assert curve.recall[1][LADDER.index(32)] == pytest.approx(0.5, abs=0.06)
    assert curve.recall[1][LADDER.index(64)] == 1.0
    assert curve.recall[0][LADDER.index(10)] == pytest.approx(0.5, abs=0.12)
    assert math.isnan(curve.recall[2][LADDER.index(64)])
