import numpy as np
import pytest

import elanus
from elanus.errors import InvalidArgumentError
from elanus.index.base import VectorRows
from elanus.index.dense.ivf_training import k_means, slots_of
from elanus.index.dense.probe_curve import ProbeCurve, probe_ladder
from elanus.index.registry import index_type
from elanus.types import MetricType


def test_k_means_finds_separate_clusters_and_leaves_no_centroid_alone():
    rng = np.random.default_rng(0)
    centres = np.arange(6, dtype=np.float32)[:, None] * 100 + np.zeros((6, 5), np.float32)
    sample = np.repeat(centres, 20, axis=0) + rng.normal(size=(120, 5)).astype(np.float32)
    centroids = k_means(sample, 12, lambda: None)
    far = np.abs(centroids[:, None, :] - centres[None]).max(axis=2)
    assert (far.min(axis=1) < 10).all()  # each centroid is at a centre
    assert (far.min(axis=0) < 10).all()  # each centre has a centroid


def test_rows_are_laid_out_by_list_ascending_with_room():
    labels = np.array([2, 0, 2, 0, 2], dtype=np.uint32)
    offsets, rows, slots = slots_of(labels, 4, 4)
    assert offsets.tolist() == [0, 4, 4, 8, 8]
    assert rows.tolist() == [1, 3, 0, 2, 4]
    assert slots.tolist() == [0, 1, 4, 5, 6]


def test_ladder_ends_at_the_number_of_lists():
    assert probe_ladder(1) == (1,)
    assert probe_ladder(20) == (1, 2, 3, 4, 6, 8, 12, 16, 20)


def test_curve_picks_the_smallest_number_of_lists_for_a_recall():
    curve = ProbeCurve((1, 4, 8), ((0.5, 0.9, 1.0),) * 3, 1.0, 1.0)
    # 15 % of the allowed misses are held back: 0.9 asks for 0.915, between 4 and 8 lists.
    assert curve.nprobe_for(0.9, 10) == 5
    assert curve.nprobe_for(0.2, 10) == 1
    assert ProbeCurve((1, 4), ((0.5, 0.9),) * 3, 1.0, 1.0).nprobe_for(0.95, 10) is None
    assert curve.estimate(6, 10) == pytest.approx(0.95)
    assert curve.nprobe_for(0.9, 200) == 10  # beyond the largest limit: in proportion


@pytest.mark.parametrize(
    ("name", "params", "fault"),
    [
        ("IVF_FLAT", {"m": 4}, "no parameter 'm'"),
        ("IVF_SQ8", {"nlist": 65_537}, "0..65536, got 65537"),
        ("IVF_PQ", {"nbits": 6}, "nbits must be 4 or 8, got 6"),
        ("IVF_PQ", {"m": True}, "an integer"),
        ("FAISS", {"factory": 3}, "factory string"),
    ],
)
def test_wrong_parameters_are_refused(name, params, fault):
    with pytest.raises(InvalidArgumentError, match=fault):
        index_type(name).parse_params(params)


@pytest.mark.parametrize("name", ["IVF_FLAT", "IVF_SQ8", "IVF_PQ"])
def test_vectors_far_from_the_origin_are_found_as_well(name):
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(2_000, 16)) + 1_000).astype(np.float32)
    rows = VectorRows(values, None, MetricType.L2)
    kind = index_type(name)
    index = kind.build(rows, kind.parse_params({"nlist": 20}), checkpoint=lambda: None)
    found = index.search(values[:100], 1, ef=20).row_ids[:, 0]
    assert np.count_nonzero(found == np.arange(100)) >= 99


def test_collection_is_searched_through_lists_and_after_reopening(tmp_path):
    vectors = np.random.default_rng(2).normal(size=(1_500, 12)).astype(np.float32)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=12),
        ]
    )
    with elanus.connect(tmp_path / "db") as db:
        made = db.create_collection("c", schema)
        made.insert({"id": np.arange(1_500), "v": vectors})
        made.flush()
        made.create_index("v", "IVF_SQ8", {"nlist": 16})
        made.wait_indexed()
        assert [s.indexes for s in made.stats().segments if s.rows] == [{"v": "IVF_SQ8"}]
        result = made.search(vectors[7], limit=3, ef=16)
        assert (result[0].id, result.is_exact) == (7, False)
    with elanus.connect(tmp_path / "db") as db:
        for row in (9, 11):  # the first answer comes from a scan
            assert db.collection("c").search(vectors[row], limit=3, ef=16)[0].id == row
