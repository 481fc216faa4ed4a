"""Searches and queries over the chunks of a library, held against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from pymilvus import (
    AnnSearchRequest,
    DataType,
    Function,
    FunctionType,
    MilvusException,
    RRFRanker,
    WeightedRanker,
)

RNG = np.random.default_rng(17)
COUNT = 400
VECTORS = RNG.normal(size=(COUNT, 8)).astype(np.float32)
QUERY = VECTORS[7] + np.float32(0.05)
TOPICS = ["whale", "fox", "glacier", "volcano", "comet"]
ROWS = [
    {
        "id": i,
        "dense": VECTORS[i].tolist(),
        "text": f"a note on the {TOPICS[i % 5]}" + " and the comet" * (i % 3),
        "year": 1990 + i % 30,
        "source": f"book-{i % 9}",
        "meta": {"page": i % 11, "lang": ["en", "de"][i % 2]},
        "tags": [TOPICS[i % 5], "all"],
        "loose": i % 6,
    }
    for i in range(COUNT)
]


@pytest.fixture(scope="module")
def chunks(client):
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=8)
    schema.add_field("text", DataType.VARCHAR, max_length=500, enable_analyzer=True)
    schema.add_field("year", DataType.INT64)
    schema.add_field("source", DataType.VARCHAR, max_length=20)
    schema.add_field("meta", DataType.JSON)
    schema.add_field(
        "tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, max_length=20
    )
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["words"],
        )
    )
    wanted = client.prepare_index_params()
    wanted.add_index("dense", index_type="HNSW", metric_type="L2", params={"M": 16})
    wanted.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection("chunks", schema=schema, index_params=wanted)
    client.insert("chunks", ROWS[:300])
    client.flush("chunks")
    client.insert("chunks", ROWS[300:])
    return "chunks"


DISTANCES = ((VECTORS.astype(np.float64) - QUERY) ** 2).sum(axis=1)


def nearest(holds=lambda row: True):
    """Return the ids of the rows that hold, nearest first."""
    return [int(i) for i in np.argsort(DISTANCES, kind="stable") if holds(ROWS[i])]


def ids(hits):
    return [hit["id"] for hit in hits]


def search(client, limit=5, **options):
    (hits,) = client.search("chunks", [QUERY.tolist()], anns_field="dense", limit=limit, **options)
    return hits


FILTERS = {
    "": lambda r: True,
    "year >= 2010 and year < 2015": lambda r: 2010 <= r["year"] < 2015,
    'source in ["book-1", "book-2"]': lambda r: r["source"] in ("book-1", "book-2"),
    'source like "book-%" and not (year > 1995)': lambda r: r["year"] <= 1995,
    'meta["page"] > 8': lambda r: r["meta"]["page"] > 8,
    'meta["lang"] == "de" or loose == 3': lambda r: r["meta"]["lang"] == "de" or r["loose"] == 3,
    'array_contains(tags, "fox")': lambda r: "fox" in r["tags"],
    'json_contains_any(tags, ["fox", "comet"])': lambda r: {"fox", "comet"} & set(r["tags"]),
    "id % 10 == 3": lambda r: r["id"] % 10 == 3,
}


@pytest.mark.parametrize("expression", FILTERS)
def test_filters(client, chunks, expression):
    holds = FILTERS[expression]
    hits = search(client, 7, filter=expression, output_fields=["year", "loose"])
    assert ids(hits) == nearest(holds)[:7]
    assert [hit["distance"] for hit in hits] == pytest.approx(DISTANCES[ids(hits)], rel=1e-4)
    for hit in hits:
        row = ROWS[hit["id"]]
        assert dict(hit["entity"]) == {"year": row["year"], "loose": row["loose"]}
    found = client.query("chunks", filter=expression, output_fields=["count(*)"])
    assert found == [{"count(*)": sum(bool(holds(row)) for row in ROWS)}]
    if expression:
        found = client.query("chunks", filter=expression, output_fields=["source"])
        assert [dict(row) for row in found] == [
            {"id": row["id"], "source": row["source"]} for row in ROWS if holds(row)
        ]


def test_templates(client, chunks):
    values = {"low": 2012, "sources": ["book-1", "book-3"], "page": 4}
    expression = 'year > {low} and source in {sources} and meta["page"] != {page}'

    def holds(row):
        is_in = row["source"] in values["sources"]
        return row["year"] > 2012 and is_in and row["meta"]["page"] != 4

    assert ids(search(client, filter=expression, filter_params=values)) == nearest(holds)[:5]
    found = client.query("chunks", filter=expression, filter_params=values, output_fields=["id"])
    assert ids(found) == [row["id"] for row in ROWS if holds(row)]


def test_what_comes_back(client, chunks):
    (hit,) = search(client, 1, output_fields=["*"])
    entity = dict(hit["entity"])
    assert entity.pop("dense") == ROWS[7]["dense"]
    assert entity == {n: v for n, v in ROWS[7].items() if n != "dense"}
    (hit,) = search(client, 1)
    assert dict(hit["entity"]) == {}
    (hit,) = search(client, 1, output_fields=["dense"])
    assert hit["entity"]["dense"] == ROWS[7]["dense"]
    with pytest.raises(MilvusException, match="not allowed to retrieve raw data of field words"):
        search(client, 1, output_fields=["words"])


def test_pages_ranges_and_rounding(client, chunks):
    order = nearest()
    (hits,) = client.search(
        "chunks", [QUERY.tolist()], anns_field="dense", limit=5, search_params={"offset": 5}
    )
    assert ids(hits) == order[5:10]
    low, high = float(DISTANCES[order[4]]) + 1e-4, float(DISTANCES[order[30]])
    found = search(
        client, 50, search_params={"params": {"radius": high, "range_filter": low, "ef": 200}}
    )
    assert set(ids(found)) == set(order[5:30]) | ({order[30]} & set(ids(found)))
    rounded = search(client, 3, round_decimal=2)
    assert [hit["distance"] for hit in rounded] == pytest.approx(
        [round(float(DISTANCES[i]), 2) for i in order[:3]], abs=1e-5
    )
    answers = client.search(
        "chunks", [v.tolist() for v in VECTORS[:5]], anns_field="dense", limit=1
    )
    assert [hits[0]["id"] for hits in answers] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [1, 2])
def test_groups(client, chunks, size):
    hits = search(
        client,
        4,
        group_by_field="source",
        group_size=size,
        strict_group_size=True,
        output_fields=["source"],
    )
    best = {}
    for i in nearest():
        best.setdefault(ROWS[i]["source"], []).append(i)
    wanted = [i for members in list(best.values())[:4] for i in members[:size]]
    assert sorted(ids(hits)) == sorted(wanted)


def bm25(query):
    """Return the score of each row: idf of Lucene, k1 1.2, b 0.75."""
    texts = [row["text"].split() for row in ROWS]
    average = np.mean([len(text) for text in texts])
    scores = np.zeros(COUNT)
    for word in query.split():
        counts = np.array([text.count(word) for text in texts])
        df = (counts > 0).sum()
        idf = np.log(1 + (COUNT - df + 0.5) / (df + 0.5))
        lengths = np.array([len(text) for text in texts])
        scores += idf * counts * 2.2 / (counts + 1.2 * (0.25 + 0.75 * lengths / average))
    return scores


def test_full_text(client, chunks):
    (hits,) = client.search(
        "chunks", ["glacier comet"], anns_field="words", limit=6, output_fields=["text"]
    )
    scores = bm25("glacier comet")
    best = np.sort(scores)[::-1][:6]
    assert [hit["distance"] for hit in hits] == pytest.approx(best, rel=1e-3)
    assert [hit["distance"] for hit in hits] == pytest.approx(scores[ids(hits)], rel=1e-3)
    schema = client.describe_collection("chunks")
    (function,) = schema["functions"]
    assert (function["name"], function["output_field_names"]) == ("bm25", ["words"])


def legs(limit=20):
    return [
        AnnSearchRequest(
            [QUERY.tolist()], "dense", {"metric_type": "L2"}, limit, expr="year > 2000"
        ),
        AnnSearchRequest(["volcano"], "words", {"metric_type": "BM25"}, limit),
    ]


def test_hybrid_searches(client, chunks):
    alone = [
        client.search(
            "chunks", [QUERY.tolist()], anns_field="dense", limit=20, filter="year > 2000"
        ),
        client.search("chunks", ["volcano"], anns_field="words", limit=20),
    ]
    assert ids(alone[0][0]) == nearest(lambda row: row["year"] > 2000)[:20]

    def fused(score):
        total = {}
        for number, (hits,) in enumerate(alone):
            for rank, hit in enumerate(hits):
                total[hit["id"]] = total.get(hit["id"], 0) + score(number, rank, hit["distance"])
        return total

    rrf = fused(lambda number, rank, distance: 1 / (60 + rank + 1))
    (hits,) = client.hybrid_search("chunks", legs(), RRFRanker(60), limit=8, output_fields=["text"])
    assert [hit["distance"] for hit in hits] == pytest.approx(
        sorted(rrf.values(), reverse=True)[:8], rel=1e-5
    )
    assert all(hit["distance"] == pytest.approx(rrf[hit["id"]], rel=1e-5) for hit in hits)
    assert all(hit["entity"]["text"] == ROWS[hit["id"]]["text"] for hit in hits)
    # What Milvus makes of scores: L2 and BM25 go through the arc tangent.
    weighted = fused(
        lambda number, rank, distance: (
            0.7 * (1 - 2 * np.arctan(distance) / np.pi)
            if number == 0
            else 0.3 * 2 * np.arctan(distance) / np.pi
        )
    )
    (hits,) = client.hybrid_search("chunks", legs(), WeightedRanker(0.7, 0.3), limit=8)
    assert [hit["distance"] for hit in hits] == pytest.approx(
        sorted(weighted.values(), reverse=True)[:8], rel=1e-4
    )
    with pytest.raises(MilvusException, match="weights param mismatch"):
        client.hybrid_search("chunks", legs(), WeightedRanker(0.7), limit=8)


def test_search_iterator(client, chunks):
    iterator = client.search_iterator(
        "chunks",
        [QUERY.tolist()],
        anns_field="dense",
        batch_size=37,
        filter="year < 2010",
        output_fields=["year"],
    )
    found = []
    while page := iterator.next():
        assert len(page) <= 37
        found += ids(page)
    iterator.close()
    assert found == nearest(lambda row: row["year"] < 2010)
    limited = client.search_iterator(
        "chunks", [QUERY.tolist()], anns_field="dense", batch_size=20, limit=50
    )
    found = []
    while page := limited.next():
        found += ids(page)
    limited.close()
    assert found == nearest()[:50]


def test_query_iterator(client, chunks):
    iterator = client.query_iterator(
        "chunks", batch_size=64, filter="year < 2010", output_fields=["source"]
    )
    found = []
    while page := iterator.next():
        found += ids(page)
    iterator.close()
    assert found == [row["id"] for row in ROWS if row["year"] < 2010]


def test_iterators_while_rows_come_and_go(client):
    """Each goes through the rows of its beginning."""
    client.create_collection("moving", 2, metric_type="L2", consistency_level="Strong")
    client.insert("moving", [{"id": 10 * i, "vector": [10.0 * i, 0.0]} for i in range(40)])
    rows = client.query_iterator("moving", batch_size=9, output_fields=["id"])
    hits = client.search_iterator("moving", [[-1.0, 0.0]], batch_size=9, limit=400)
    found, near = [], []
    for turn in range(5):
        found += ids(rows.next())
        near += ids(hits.next())
        client.delete("moving", ids=[390 - 10 * turn, 10 * turn])
        client.insert("moving", [{"id": 100 * turn + 55, "vector": [100.0 * turn + 55.0, 0.0]}])
    assert rows.next() == []
    assert len(hits.next()) == 0
    assert found == near == [10 * i for i in range(40)]
    client.drop_collection("moving")


def test_queries_by_page_and_key(client, chunks):
    found = client.query("chunks", filter="id >= 0", limit=5, offset=10, output_fields=["id"])
    assert ids(found) == [10, 11, 12, 13, 14]
    assert ids(client.query("chunks", ids=[5, 1, 999], output_fields=["id"])) == [1, 5]
    got = client.get("chunks", [3], output_fields=["text", "meta", "tags"])
    assert [dict(row) for row in got] == [
        {"id": 3, **{name: ROWS[3][name] for name in ("text", "meta", "tags")}}
    ]
    with pytest.raises(MilvusException, match="limit"):
        client.query("chunks", filter="", output_fields=["id"])


def test_rerank_functions(client, chunks, version):
    if version < (2, 6):
        pytest.skip("pymilvus 2.5 has no rerank functions")
    decay = Function(
        name="recent",
        function_type=FunctionType.RERANK,
        input_field_names=["year"],
        params={"reranker": "decay", "function": "linear", "origin": 2019, "scale": 10,
                "offset": 2, "decay": 0.5},
    )  # fmt: skip
    hits = search(client, 5, ranker=decay)
    years = np.array([row["year"] for row in ROWS])
    away = np.maximum(np.abs(years - 2019) - 2, 0)
    # Milvus' linear decay ends at the value of ``decay``, not at 0.
    factor = np.maximum(0.5, 1 - 0.5 / 10 * away)
    assert len(hits) == 5
    for hit in hits:
        place = hit["id"]
        # Milvus turns a distance into 1 - 2 atan(d)/pi before it decays.
        score = 1 - 2 * np.arctan(DISTANCES[place]) / np.pi
        assert hit["distance"] == pytest.approx(score * factor[place], rel=1e-3)
    boost = Function(
        name="old",
        function_type=FunctionType.RERANK,
        input_field_names=[],
        params={"reranker": "boost", "filter": "year < 2000", "weight": 0.5},
    )
    hits = search(client, 10, ranker=boost)
    for hit in hits:
        factor = 0.5 if ROWS[hit["id"]]["year"] < 2000 else 1
        assert hit["distance"] == pytest.approx(DISTANCES[hit["id"]] * factor, rel=1e-3)
    rrf = Function(
        name="rrf",
        function_type=FunctionType.RERANK,
        input_field_names=[],
        params={"reranker": "rrf", "k": 60},
    )
    (by_function,) = client.hybrid_search("chunks", legs(), rrf, limit=8)
    (by_ranker,) = client.hybrid_search("chunks", legs(), RRFRanker(60), limit=8)
    assert [h["distance"] for h in by_function] == [h["distance"] for h in by_ranker]


def test_searches_by_keys_order_highlights_and_groups(client, chunks, version):
    if version < (3, 0):
        pytest.skip("pymilvus before 3.0 cannot ask this")
    from pymilvus import LexicalHighlighter

    (hits,) = client.search("chunks", ids=[7], anns_field="dense", limit=3)
    assert hits[0]["id"] == 7
    ordered = search(client, 8, order_by_fields=[{"field": "year", "order": "desc"}])
    years = [ROWS[i]["year"] for i in ids(ordered)]
    assert years == sorted(years, reverse=True)
    assert set(ids(ordered)) == set(nearest()[:8])
    (hits,) = client.search(
        "chunks",
        ["fox"],
        anns_field="words",
        limit=2,
        output_fields=["text"],
        highlighter=LexicalHighlighter(pre_tags=["<b>"], post_tags=["</b>"]),
    )
    assert "<b>fox</b>" in hits[0]["highlight"]["text"]["fragments"][0]
    found = client.query(
        "chunks",
        filter="year >= 2000",
        output_fields=["source", "count(*)", "sum(year)"],
        group_by_fields=["source"],
    )
    for row in found:
        years = [r["year"] for r in ROWS if r["source"] == row["source"] and r["year"] >= 2000]
        assert (row["count(*)"], row["sum(year)"]) == (len(years), sum(years))
    assert len(found) == 9


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"filter": "year >"}, "cannot parse expression"),
        ({"filter": "nothing > 3 and"}, "failed to create query plan"),
        ({"limit": 0}, "limit|topk"),
        ({"limit": 20_000}, "16384"),
        ({"anns_field": "absent"}, "absent"),
        ({"anns_field": "year"}, "vector"),
        ({"data": [[1.0, 2.0]]}, "dim"),
        ({"search_params": {"metric_type": "IP"}}, "metric type not match"),
        ({"partition_names": ["absent"]}, "partition"),
    ],
)
def test_wrong_searches(client, chunks, options, text):
    asked = {"data": [QUERY.tolist()], "anns_field": "dense", "limit": 3, **options}
    with pytest.raises(MilvusException, match=text) as raised:
        client.search("chunks", **asked)
    assert raised.value.code != 0
