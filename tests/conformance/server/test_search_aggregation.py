"""Buckets of a search as Milvus' own client reads them, beside the same by hand."""

from __future__ import annotations

import numpy as np
import pymilvus
import pytest
from pymilvus import DataType, SearchAggregation, TopHits

NAME = "bucketed"
COUNT = 400
RNG = np.random.default_rng(3)
VECTORS = RNG.random((COUNT, 4), dtype=np.float32)
BRANDS = [None if i % 3 == 0 else f"b{int(b)}" for i, b in enumerate(RNG.integers(0, 5, COUNT))]
YEARS = RNG.integers(2020, 2023, COUNT).tolist()
NEW = (RNG.random(COUNT) < 0.5).tolist()
PRICES = [None if i % 4 == 0 else float(p) for i, p in enumerate(RNG.random(COUNT))]
QUERIES = RNG.random((2, 4), dtype=np.float32)


@pytest.fixture(scope="module")
def bucketed(uri):
    client = pymilvus.MilvusClient(uri)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("brand", DataType.VARCHAR, max_length=9, nullable=True)
    schema.add_field("year", DataType.INT32)
    schema.add_field("new", DataType.BOOL)
    schema.add_field("price", DataType.DOUBLE, nullable=True)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection(NAME, schema=schema, index_params=indexes)
    columns = zip(BRANDS, YEARS, NEW, PRICES, strict=True)
    client.insert(
        NAME,
        [
            {"id": i, "vector": VECTORS[i], "brand": b, "year": y, "new": n, "price": p}
            for i, (b, y, n, p) in enumerate(columns)
        ],
    )
    yield client
    client.drop_collection(NAME)
    client.close()


def nearest(query):
    return np.argsort(((VECTORS - query) ** 2).sum(axis=1), kind="stable").tolist()


def kept_rows(query, columns, keys, rows):
    """The nearest rows of each of the first keys, in the order in which the keys come."""
    groups = {}
    for row in nearest(query):
        groups.setdefault(tuple(column[row] for column in columns), []).append(row)
    return [found[:rows] for found in list(groups.values())[:keys]]


def search(client, aggregation, data=QUERIES, **options):
    return client.search(NAME, data, anns_field="vector", search_aggregation=aggregation, **options)


def value(bucket):
    return tuple(part["value"] for part in bucket.key)


def mean(values):
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def test_one_level(bucketed):
    asked = SearchAggregation(
        ["brand"],
        4,
        metrics={
            "all": {"count": "*"},
            "priced": {"count": "price"},
            "mean": {"avg": "price"},
            "first": {"min": "year"},
            "near": {"min": "_score"},
        },
        top_hits=TopHits(3),
    )
    answer = search(bucketed, asked, output_fields=["year", "price"])
    assert [len(hits) for hits in answer] == [0, 0]
    for query, buckets in zip(QUERIES, answer.agg_buckets, strict=True):
        wanted = kept_rows(query, [BRANDS], 4, 3)
        assert [value(bucket) for bucket in buckets] == [(BRANDS[rows[0]],) for rows in wanted]
        for bucket, rows in zip(buckets, wanted, strict=True):
            prices = [PRICES[row] for row in rows]
            assert bucket.count == bucket.metrics["all"] == len(rows)
            assert bucket.metrics["priced"] == sum(price is not None for price in prices)
            assert bucket.metrics.get("mean") == pytest.approx(mean(prices))
            assert bucket.metrics["first"] == min(YEARS[row] for row in rows)
            assert bucket.metrics["near"] == pytest.approx(((VECTORS[rows[0]] - query) ** 2).sum())
            assert [hit.pk for hit in bucket.hits] == rows
            assert [hit.fields["year"] for hit in bucket.hits] == [YEARS[row] for row in rows]
            assert [hit.fields.get("price") for hit in bucket.hits] == prices


def test_levels_and_orders(bucketed):
    asked = SearchAggregation(
        ["year", "new"],
        3,
        metrics={"dearest": {"max": "price"}},
        order=[{"_count": "desc"}, {"_key": "desc"}],
        sub_aggregation=SearchAggregation(
            ["brand"],
            6,
            order=[{"_key": "asc"}],
            top_hits=TopHits(4, sort=[{"price": "desc"}]),
        ),
    )
    (buckets,) = search(bucketed, asked, QUERIES[:1]).agg_buckets
    tree = {}
    for rows in kept_rows(QUERIES[0], [YEARS, NEW, BRANDS], 18, 4):
        key = YEARS[rows[0]], NEW[rows[0]]
        tree.setdefault(key, {})[BRANDS[rows[0]]] = rows
    counts = {key: sum(map(len, below.values())) for key, below in tree.items()}
    wanted = sorted(tree, key=lambda key: (counts[key], key), reverse=True)[:3]
    # Nulls come last, in whichever direction: there have to be some.
    assert any(None in tree[key] and len(tree[key]) > 1 for key in wanted)
    assert [value(bucket) for bucket in buckets] == wanted
    for bucket in buckets:
        below = tree[value(bucket)]
        assert bucket.count == counts[value(bucket)]
        assert bucket.hits == []
        prices = [PRICES[row] for rows in below.values() for row in rows]
        assert bucket.metrics["dearest"] == max(p for p in prices if p is not None)
        brands = [*sorted(brand for brand in below if brand is not None)]
        brands += [None] if None in below else []
        assert [value(sub) for sub in bucket.sub_groups] == [(brand,) for brand in brands]
        for sub in bucket.sub_groups:
            dear = sorted(
                below[value(sub)[0]],
                key=lambda row: -1.0 if PRICES[row] is None else PRICES[row],
                reverse=True,
            )
            assert [hit.pk for hit in sub.hits] == dear


def test_only_what_a_filter_lets_through(bucketed):
    asked = SearchAggregation(["year"], 5, order=[{"_key": "asc"}], top_hits=TopHits(20))
    (buckets,) = search(bucketed, asked, QUERIES[:1], filter="brand == 'b2'").agg_buckets
    near = [row for row in nearest(QUERIES[0]) if BRANDS[row] == "b2"]
    for bucket, year in zip(buckets, [2020, 2021, 2022], strict=True):
        rows = [row for row in near if YEARS[row] == year][:20]
        assert (value(bucket), [hit.pk for hit in bucket.hits]) == ((year,), rows)


def levels(*names):
    made = None
    for name in reversed(names):
        made = SearchAggregation([name], 1, sub_aggregation=made)
    return made


@pytest.mark.parametrize(
    ("asked", "options", "words"),
    [
        (SearchAggregation(["price"], 1), {}, "got 'price' \\(DOUBLE\\)"),
        (SearchAggregation(["none"], 1), {}, "field not found\\[field=none\\]"),
        (SearchAggregation(["year"], 1), {"offset": 3}, "cannot be used with offset"),
        (SearchAggregation(["year", "year"], 1), {}, "stands in it twice"),
        (levels("year", "brand", "new", "id", "year"), {}, "more than 4 levels"),
        (SearchAggregation(["year"], 5_001), {}, "at most 10000 are looked at"),
        (SearchAggregation(["year"], 1, {"a": {"sum": "brand"}}), {}, "sum takes numbers"),
        (SearchAggregation(["year"], 1, {"a": {"max": "vector"}}), {}, "got 'vector'"),
    ],
)
def test_what_cannot_be_added_up(bucketed, asked, options, words):
    with pytest.raises(pymilvus.MilvusException, match=words):
        search(bucketed, asked, **options)
