"""Groups are those of a look at every row, in its order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus import Field

ROWS = 70
METRICS = ("COSINE", "IP", "L2")
WORDS = ["cat", "dog", "fog", "mat"]


def made_rows():
    """Rows with few distinct vectors, so that many have one score, and few values by which to
    group, some of them null, missing, or equal to a value of another kind."""
    rng = np.random.default_rng(11)
    tags = [None, 1, 1.0, True, False, 0, "1", "x", [1], 2]
    rows = []
    for pk in rng.permutation(ROWS).tolist():
        meta = {} if pk % 7 == 0 else {"tag": tags[rng.integers(len(tags))]}
        rows.append(
            {
                "id": pk,
                "lang": [None, "de", "en", ""][rng.integers(4)],
                "year": [None, 1999, 2000, -1][rng.integers(4)],
                "free": bool(rng.integers(2)),
                "text": " ".join(rng.choice(WORDS, 3)),
                "meta": meta,
                # One group has most of what is near to everything.
                "dense": rng.integers(1, 3, 3) if pk % 3 else rng.integers(-2, 3, 3),
            }
        )
    for row in rows:
        if not row["dense"].any():
            row["dense"] = np.array([1, 0, 0])
        row["dense"] = row["dense"].astype(np.float32)
    return rows


@pytest.fixture(scope="module")
def collections():
    with elanus.connect(":memory:") as db:
        made = {}
        for metric in METRICS:
            schema = elanus.Schema(
                [
                    Field("id", elanus.INT64, primary=True),
                    Field("lang", elanus.VARCHAR, nullable=True),
                    Field("year", elanus.INT64, nullable=True),
                    Field("free", elanus.BOOL),
                    Field("text", elanus.VARCHAR, analyzer="standard"),
                    Field("meta", elanus.JSON),
                    Field("dense", elanus.FLOAT_VECTOR, dim=3, metric=metric),
                    Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
                ]
            )
            collection = made[metric] = db.create_collection(metric.lower(), schema)
            rows = made_rows()
            for first in range(0, ROWS, 30):
                collection.insert(rows[first : first + 30])
                if first < 60:
                    collection.flush()
            collection.delete([3, 4])
            collection.upsert([row for row in rows if row["id"] == 5])
        yield made


FIELDS = st.lists(
    st.sampled_from(["lang", "year", "free", "meta['tag']"]), min_size=1, max_size=3, unique=True
)
FILTERS = st.sampled_from([None, "year > 0", "lang is not null", "id % 2 == 0", "id < 0"])


def shared(row, names):
    """What a row is grouped by: bools are no numbers."""

    def value(name):
        found = row["meta"].get("tag") if name.startswith("meta") else row[name]
        return (isinstance(found, bool), tuple(found) if isinstance(found, list) else found)

    return tuple(value(name) for name in names)


def grouped(ranked, rows, names, group_size):
    """Return the groups of hits that are ranked, each with its best ones."""
    groups = {}
    for hit in ranked:
        groups.setdefault(shared(rows[hit.id], names), []).append((hit.id, hit.score))
    return [(key, hits[:group_size]) for key, hits in groups.items()]


@given(
    st.sampled_from(METRICS),
    st.sampled_from(["dense", "bm25"]),
    FIELDS,
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 5),
    FILTERS,
    st.booleans(),
    st.integers(0, 8),
)
def test_groups_are_those_of_every_row(
    collections, metric, field, names, size, limit, offset, where, strict, seed
):
    collection, rows = collections[metric], {row["id"]: row for row in made_rows()}
    rng = np.random.default_rng(seed)
    query = rng.integers(1, 4, 3).astype(np.float32) if field == "dense" else WORDS[seed % 4]
    asked = {"filter": where, "recall": 1.0} if field == "dense" else {"filter": where}
    ranked = collection.search(query, field, ROWS, **asked)
    wanted = grouped(ranked, rows, names, size)[offset : offset + limit]
    is_list = len(names) > 1 or seed % 2 == 1
    found = collection.search(
        query,
        field,
        limit,
        offset=offset,
        group_by=names if is_list else names[0],
        group_size=size,
        strict_group_size=strict,
        **asked,
    )
    assert [[(hit.id, hit.score) for hit in group.hits] for group in found.groups] == [
        hits for _, hits in wanted
    ]
    flat = list(itertools.chain.from_iterable(hits for _, hits in wanted))
    assert [(hit.id, hit.score) for hit in found] == flat
    for group, (key, _) in zip(found.groups, wanted, strict=True):
        values = group.value if is_list else (group.value,)
        values = [tuple(value) if isinstance(value, list) else value for value in values]
        assert values == [value for _, value in key]


@given(FIELDS, st.integers(1, 3), st.integers(1, 8), FILTERS, st.integers(0, 8))
def test_groups_of_fused_hits_are_those_of_all_of_them(
    collections, names, size, limit, where, seed
):
    collection, rows = collections["COSINE"], {row["id"]: row for row in made_rows()}
    query = np.random.default_rng(seed).integers(1, 4, 3).astype(np.float32)
    legs = [elanus.Leg("dense", query, limit=ROWS), elanus.Leg("bm25", "cat fog", limit=ROWS)]
    ranked = collection.hybrid_search(legs, limit=ROWS, filter=where, recall=1.0)
    wanted = grouped(ranked, rows, names, size)[:limit]
    found = collection.hybrid_search(
        legs, limit=limit, filter=where, recall=1.0, group_by=names, group_size=size
    )
    assert [[(hit.id, hit.score) for hit in group.hits] for group in found.groups] == [
        hits for _, hits in wanted
    ]
