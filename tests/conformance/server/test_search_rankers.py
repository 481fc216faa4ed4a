"""Searches by keys, rankers and limits as Milvus has them, by its own client."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pymilvus import (
    AnnSearchRequest,
    DataType,
    Function,
    FunctionScore,
    FunctionType,
    MilvusException,
    WeightedRanker,
)

SPARSE = {0: {1: 1.0, 2: 0.5}, 1: {1: 0.2}, 2: None, 3: {2: 2.0}, 4: None}


@pytest.fixture
def sparse(client):
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR, nullable=True)
    index = client.prepare_index_params()
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection("sparse", schema=schema, index_params=index)
    client.insert("sparse", [{"id": pk, "words": vector} for pk, vector in SPARSE.items()])
    return "sparse"


def refused(call: Any, text: str) -> None:
    with pytest.raises(MilvusException) as raised:
        call()
    assert raised.value.code == 1100
    assert text in raised.value.message


# --- by keys ----------------------------------------------------------------------------------


def test_an_entity_without_a_vector_finds_nothing_and_the_others_what_they_do(client, sparse):
    def ids(keys: list[int]) -> list[list[int]]:
        found = client.search(sparse, ids=keys, anns_field="words", limit=5)
        return [[hit["id"] for hit in hits] for hits in found]

    # 0: 1.25 with itself, 1.0 with 3, 0.2 with 1; 3: 4.0 with itself, 1.0 with 0.
    assert ids([0, 2]) == [[0, 3, 1], []]
    assert ids([2, 3, 4, 0]) == [[], [3, 0], [], [0, 3, 1]]
    assert ids([2, 4]) == [[], []]
    assert ids([4]) == [[]]


def test_keys_that_are_not_there_or_come_twice_are_refused(client, sparse):
    for keys, text in (([0, 99], "no entity has the primary key 99"), ([0, 1, 0], "duplicate IDs")):
        refused(
            lambda keys=keys: client.search(sparse, ids=keys, anns_field="words", limit=5), text
        )


# --- rankers ----------------------------------------------------------------------------------


@pytest.fixture
def two_fields(client):
    """Two fields by inner product, one by distance, and a number."""
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("year", DataType.INT64)
    index = client.prepare_index_params()
    for name, metric in (("a", "IP"), ("b", "IP"), ("far", "L2")):
        schema.add_field(name, DataType.FLOAT_VECTOR, dim=2)
        index.add_index(name, index_type="FLAT", metric_type=metric)
    client.create_collection("two", schema=schema, index_params=index)
    client.insert(
        "two",
        [
            {"id": 1, "year": 2020, "a": [0.5, 0], "b": [0.5, 0], "far": [0, 0.4]},
            {"id": 2, "year": 2020, "a": [0.8, 0], "b": [0.1, 0], "far": [0, 0.8]},
            {"id": 3, "year": 2010, "a": [2.0, 0], "b": [0.2, 0], "far": [0, 1.0]},
        ],
    )
    return "two"


def ranker(**params: Any) -> Function:
    inputs = ["year"] if params["reranker"] == "decay" else []
    return Function(
        name="ranker", function_type=FunctionType.RERANK, input_field_names=inputs, params=params
    )


def fused(client: Any, name: str, function: Any) -> dict[int, float]:
    legs = [AnnSearchRequest([[1.0, 0.0]], field, {}, 10) for field in ("a", "b")]
    found = client.hybrid_search(name, legs, function, limit=10)[0]
    return {hit["id"]: hit["distance"] for hit in found}


def close(wanted: dict[int, float]) -> Any:
    return pytest.approx(wanted, rel=1e-5)


def test_weights_of_a_function_take_scores_as_they_are(client, two_fields):
    weights = {"reranker": "weighted", "weights": [0.5, 1.0]}
    plain = {1: 0.25 + 0.5, 2: 0.4 + 0.1, 3: 1.0 + 0.2}
    mapped = {
        pk: sum(w * (0.5 + math.atan(s) / math.pi) for w, s in zip((0.5, 1.0), scores, strict=True))
        for pk, scores in {1: (0.5, 0.5), 2: (0.8, 0.1), 3: (2.0, 0.2)}.items()
    }
    assert fused(client, two_fields, ranker(**weights)) == close(plain)
    for norm_score, wanted in (("false", plain), ("F", plain), ("true", mapped), ("1", mapped)):
        found = fused(client, two_fields, ranker(**weights, norm_score=norm_score))
        assert found == close(wanted)
    wrong = ranker(**weights, norm_score="maybe")
    refused(lambda: fused(client, two_fields, wrong), "failed to parse norm_score")


def test_weights_of_rank_params_map_scores_unless_told_not_to(client, two_fields):
    class Given(WeightedRanker):
        norm: Any = None

        def dict(self) -> dict[str, Any]:
            params = {"weights": [0.5, 1.0]}
            return {"strategy": "weighted", "params": params | self.norm}

    asked = Given(0.5, 1.0)

    def first(norm: dict[str, Any]) -> float:
        asked.norm = norm
        return fused(client, two_fields, asked)[1]

    mapped = 1.5 * (0.5 + math.atan(0.5) / math.pi)
    for norm in ({}, {"norm_score": True}, {"norm_score": "True"}, {"norm_score": "t"}):
        assert first(norm) == pytest.approx(mapped)
    for norm in ({"norm_score": False}, {"norm_score": "false"}, {"norm_score": "0"}):
        assert first(norm) == pytest.approx(0.75)
    for value in (1, "no", [True]):
        refused(
            lambda value=value: first({"norm_score": value}),
            "the type of rank param norm_score should be bool",
        )


def test_a_search_of_one_field_is_joined_as_well(client, two_fields):
    def found(field: str, function: Any, **options: Any) -> list[tuple[int, Any]]:
        given = {"anns_field": field, "limit": 3, "ranker": function, **options}
        hits = client.search(two_fields, [[1.0, 0.0], [1.0, 0.0]], **given)
        assert len(hits) == 2
        assert [dict(hit) for hit in hits[0]] == [dict(hit) for hit in hits[1]]
        return [(hit["id"], pytest.approx(hit["distance"], rel=1e-5)) for hit in hits[0]]

    rrf = ranker(reranker="rrf")
    assert found("a", rrf) == [(3, 1 / 61), (2, 1 / 62), (1, 1 / 63)]
    assert found("a", ranker(reranker="rrf", k=1)) == [(3, 1 / 2), (2, 1 / 3), (1, 1 / 4)]
    # Ranks are those of the whole search, and of what a filter or a range leaves.
    assert found("a", rrf, limit=1, offset=1) == [(2, 1 / 62)]
    assert found("a", rrf, filter="id < {most}", filter_params={"most": 3}) == [
        (2, 1 / 61),
        (1, 1 / 62),
    ]
    assert found("a", rrf, search_params={"params": {"radius": 0.6}}) == [(3, 1 / 61), (2, 1 / 62)]
    grouped = {"group_by_field": "year", "limit": 2}
    assert [pk for pk, _ in found("a", rrf, **grouped)] == [3, 2]

    half = {"reranker": "weighted", "weights": [0.5]}
    assert found("a", ranker(**half)) == [(3, 1.0), (2, 0.4), (1, 0.25)]
    mapped = [(pk, 0.5 * (0.5 + math.atan(s) / math.pi)) for pk, s in ((3, 2), (2, 0.8), (1, 0.5))]
    assert found("a", ranker(**half, norm_score=True)) == mapped
    # Distances stay distances, the smaller the better: 1 + 0.16, 1 + 0.64, 1 + 1.
    assert found("far", ranker(**half)) == [(1, 0.58), (2, 0.82), (3, 1.0)]
    refused(
        lambda: found("a", ranker(reranker="weighted", weights=[0.5, 0.5])),
        "the length of weights param mismatch with ann search requests",
    )


DECAY = {"reranker": "decay", "function": "linear", "origin": 2020, "scale": 10, "decay": 0.5}
JOINED = {
    "max": {1: 0.5, 2: 0.8, 3: 0.5 * 2.0},
    "sum": {1: 1.0, 2: 0.9, 3: 0.5 * 2.2},
    "AVG": {1: 0.5, 2: 0.45, 3: 0.5 * 1.1},
}


def test_a_decay_joins_the_scores_as_it_is_told(client, two_fields):
    for mode, wanted in JOINED.items():
        assert fused(client, two_fields, ranker(**DECAY, score_mode=mode)) == close(wanted)
    assert fused(client, two_fields, ranker(**DECAY)) == close(JOINED["max"])
    wrong = ranker(**DECAY, score_mode="min")
    refused(lambda: fused(client, two_fields, wrong), "unsupported score_mode: min")
    for name in ("function", "origin", "scale"):
        rest = ranker(**{n: v for n, v in DECAY.items() if n != name})
        refused(lambda rest=rest: fused(client, two_fields, rest), f"decay {name} not specified")


def test_a_decay_of_one_search_passes_the_mode_over(client, two_fields):
    found = client.search(
        two_fields,
        [[1.0, 0.0]],
        anns_field="a",
        limit=3,
        ranker=ranker(**DECAY, score_mode="sum"),
    )[0]
    assert {hit["id"]: hit["distance"] for hit in found} == close({1: 0.5, 2: 0.8, 3: 1.0})


def test_a_decay_maps_scores_before_it_falls_where_it_is_told_to(client, two_fields):
    def unit(score: float) -> float:
        return 0.5 + math.atan(score) / math.pi

    given = ranker(**DECAY, norm_score="true")
    best = {1: unit(0.5), 2: unit(0.8), 3: 0.5 * unit(2.0)}
    assert fused(client, two_fields, given) == close(best)
    added = {1: 2 * unit(0.5), 2: unit(0.8) + unit(0.1), 3: 0.5 * (unit(2.0) + unit(0.2))}
    assert fused(client, two_fields, ranker(**DECAY, norm_score="true", score_mode="sum")) == (
        close(added)
    )
    (found,) = client.search(two_fields, [[1.0, 0.0]], anns_field="a", limit=3, ranker=given)
    assert {hit["id"]: hit["distance"] for hit in found} == close(best)


def test_distances_of_one_kind_are_added_up_as_they_are(client, two_fields):
    # Squared distances to (0, 0): 0.16, 0.64, 1; to (0, 1): 0.36, 0.04, 0.
    def found(function: Any, second: str, limit: int) -> list[Any]:
        legs = [
            AnnSearchRequest([[0.0, 0.0]], "far", {}, 10),
            AnnSearchRequest([[0.0, 1.0]], second, {}, limit),
        ]
        hits = client.hybrid_search(two_fields, legs, function, limit=10)[0]
        return [(hit["id"], pytest.approx(hit["distance"], abs=1e-5)) for hit in hits]

    plain = ranker(reranker="weighted", weights=[0.5, 1.0])
    both = [(2, 0.32 + 0.04), (1, 0.08 + 0.36), (3, 0.5)]
    assert found(plain, "far", 10) == both
    assert found(WeightedRanker(0.5, 1.0, norm_score=False), "far", 10) == both
    # What a search did not find adds nothing, and is the smaller for it.
    assert found(plain, "far", 1) == [(1, 0.08), (2, 0.32), (3, 0.5)]
    # Of several kinds the larger is better; (0, 1) has no product with b.
    near = {1: 0.16, 2: 0.64, 3: 1.0}
    mapped = [(pk, 0.5 * (1 - 2 * math.atan(d) / math.pi)) for pk, d in near.items()]
    assert found(plain, "b", 10) == mapped


@pytest.mark.parametrize(
    ("changed", "inputs", "text"),
    [
        ({"reranker": "none"}, ["year"], "unsupported reranker none"),
        ({}, ["year", "id"], "decay reranker requires exactly 1 input field, got 2"),
        ({}, ["none"], "input field none not found in collection schema"),
        ({}, ["far"], "unsupported field type: FloatVector"),
        (
            {"function": "bell"},
            ["year"],
            'decay: invalid function "bell", must be one of [gauss, exp, linear]',
        ),
        ({"origin": [1]}, ["year"], "decay param origin: [1] is not a number"),
        ({"scale": 0}, ["year"], "decay: scale must be > 0, got 0"),
        ({"offset": -1.0}, ["year"], "decay: offset must be >= 0, got -1.0"),
        ({"reranker": "boost", "weight": "x"}, [], "parse function scorer weight params failed"),
    ],
)
def test_functions_are_refused_in_the_words_of_milvus(client, two_fields, changed, inputs, text):
    made = Function("r", FunctionType.RERANK, inputs, params=DECAY | changed)
    refused(
        lambda: client.search(two_fields, [[1.0, 0.0]], anns_field="a", limit=3, ranker=made), text
    )


def test_modes_of_boosts_that_are_none_are_refused(client, two_fields):
    for name in ("boost_mode", "function_mode"):
        boost = ranker(reranker="boost", weight=2)
        made = FunctionScore(functions=[boost], params={name: "max"})
        refused(
            lambda made=made: client.search(
                two_fields, [[1.0, 0.0]], anns_field="a", limit=3, ranker=made
            ),
            f"unknown {name.replace('_', ' ')}: max",
        )


def test_a_boost_without_a_weight_is_refused(client, two_fields):
    bare = FunctionScore(functions=[ranker(reranker="boost", filter="id > 1")])
    refused(
        lambda: client.search(two_fields, [[1.0, 0.0]], anns_field="a", limit=3, ranker=bare),
        "must set weight params",
    )


def test_a_weight_that_is_added_makes_a_distance_smaller(client, two_fields):
    def found(**params: Any) -> list[tuple[int, float]]:
        boosts = FunctionScore(
            functions=[
                ranker(reranker="boost", filter="id == 2", weight=0.5),
                ranker(reranker="boost", filter="id >= 2", weight=0.1),
            ],
            params=params,
        )
        hits = client.search(two_fields, [[0.0, 0.0]], anns_field="far", limit=3, ranker=boosts)[0]
        return [(hit["id"], pytest.approx(hit["distance"], abs=1e-6)) for hit in hits]

    # Squared distances: 0.16, 0.64 and 1.
    added = found(boost_mode="sum", function_mode="sum")
    assert added == [(2, 0.04), (1, 0.16), (3, 0.9)]
    assert found(boost_mode="sum") == [(1, 0.16), (2, 0.59), (3, 0.9)]
    assert found() == [(2, 0.032), (3, 0.1), (1, 0.16)]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"group_by_field": "year", "group_size": 0}, "input group size:0 is negative"),
        ({"group_by_field": "year", "group_size": -9}, "input group size:-9 is negative"),
        (
            {"group_by_field": "year", "group_size": 11},
            "input group size:11 exceeds configured max group size:10",
        ),
        (
            {"group_by_field": "year", "search_params": {"params": {"radius": 0.1}}},
            "Not allowed to do range-search when doing search-group-by",
        ),
        (
            {
                "group_by_field": "year",
                "search_params": {"params": {"radius": 0.1, "range_filter": 0.9}},
            },
            "Not allowed to do range-search when doing search-group-by",
        ),
        ({"order_by_fields": [{"field": "b", "order": "asc"}]}, "'b' has unsortable type"),
        (
            {"group_by_field": "year", "group_size": "x"},
            "failed to parse input group size:x: invalid parameter",
        ),
        (
            {"search_params": {"params": {"range_filter": 0.9}}},
            "range_filter requires radius to be set; range_filter alone is not a valid range",
        ),
        (
            {"search_params": {"params": {"radius": 0.9, "range_filter": 0.1}}},
            "range_filter must be greater than radius for IP/COSINE, range_filter:0.100000, "
            "radius:0.900000",
        ),
        (
            {"anns_field": "far", "search_params": {"params": {"radius": 0.5, "range_filter": 1}}},
            "range_filter must be less than radius for L2/HAMMING/JACCARD",
        ),
        ({"group_by_field": "far"}, "unsupported data type FLOAT_VECTOR for group by operator"),
        ({"output_fields": ["%"]}, "field % not exist"),
        ({"search_params": {"ignore_growing": 2.3}}, "parse ignore growing field failed"),
        ({"search_params": {"ignore_growing": "tRuE"}}, "parse ignore growing field failed"),
    ],
)
def test_searches_that_milvus_refuses(client, two_fields, options, text):
    refused(
        lambda: client.search(two_fields, [[1.0, 0.0]], limit=3, **{"anns_field": "a", **options}),
        text,
    )


def test_growing_of_a_hybrid_search_is_a_truth_value(client, two_fields):
    class Ranker(WeightedRanker):
        given: Any = True

        def dict(self) -> dict[str, Any]:
            return super().dict() | {"ignore_growing": self.given}

    asked = Ranker(0.5, 1.0)
    assert len(fused(client, two_fields, asked)) == 3
    asked.given = "maybe"
    refused(lambda: fused(client, two_fields, asked), "parse ignore growing field failed")


def test_hits_are_grouped_by_several_fields(client, two_fields):
    (found,) = client.search(
        two_fields,
        [[1.0, 0.0]],
        anns_field="a",
        limit=3,
        group_by_fields=["year", "id"],
        output_fields=["year"],
    )
    assert [(hit["id"], hit["entity"]["year"]) for hit in found] == [
        (3, 2010),
        (2, 2020),
        (1, 2020),
    ]
    asked = {"anns_field": "a", "limit": 3, "group_by_fields": ["year"], "group_size": 2}
    (found,) = client.search(two_fields, [[1.0, 0.0]], **asked)
    assert [hit["id"] for hit in found] == [3, 2, 1]
    (found,) = client.search(two_fields, [[1.0, 0.0]], **{**asked, "group_size": 1})
    assert [hit["id"] for hit in found] == [3, 2]


def test_keys_of_another_type_and_groups_of_iterators_are_refused(client, two_fields):
    refused(
        lambda: client.search(two_fields, ids=["1"], anns_field="a", limit=3),
        "primary key is int64, but IDs type mismatch",
    )
    refused(
        lambda: client.search_iterator(
            two_fields, [[1.0, 0.0]], batch_size=2, anns_field="a", group_by_field="year"
        ),
        "Not allowed to do groupBy when doing iteration",
    )
    legs = [AnnSearchRequest([[1.0, 0.0]], "a", {}, 1)] * 1025
    refused(
        lambda: client.hybrid_search(two_fields, legs, WeightedRanker(0.5), limit=1),
        "maximum of ann search requests is 1024",
    )


def test_groups_of_ten_and_orders_by_numbers_are_answered(client, two_fields):
    asked = {"anns_field": "a", "limit": 3}
    found = client.search(two_fields, [[1.0, 0.0]], group_by_field="year", group_size=10, **asked)[
        0
    ]
    assert sorted(hit["id"] for hit in found) == [1, 2, 3]
    order = [{"field": "year", "order": "desc"}, {"field": "id", "order": "asc"}]
    found = client.search(two_fields, [[1.0, 0.0]], order_by_fields=order, **asked)[0]
    assert [hit["id"] for hit in found] == [1, 2, 3]


def test_groups_of_a_hybrid_search_know_no_ranges(client, two_fields):
    legs = [
        AnnSearchRequest([[1.0, 0.0]], "a", {"params": {"radius": 0.1}}, 10),
        AnnSearchRequest([[1.0, 0.0]], "b", {}, 10),
    ]
    refused(
        lambda: client.hybrid_search(
            two_fields, legs, WeightedRanker(0.5, 0.5), limit=3, group_by_field="year"
        ),
        "Not allowed to do range-search",
    )
