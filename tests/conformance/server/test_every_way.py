"""One body of a test for each way to a database: embedded, elanus' client, gRPC, RESTful API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from pymilvus import AnnSearchRequest, DataType, Function, FunctionType, MilvusClient, RRFRanker

import elanus
from support.rest_client import RestClient

NAME = "books"
WORDS = ["fox", "whale", "graph", "tree", "stone"]
VECTORS = np.random.default_rng(5).random((60, 8)).astype(np.float32)
ROWS = [
    {
        "id": i,
        "text": f"{WORDS[i % 5]} {WORDS[i % 3]}",
        "year": 1990 + i % 20,
        "vector": VECTORS[i].tolist(),
        "extra": i % 4,
    }
    for i in range(60)
]
Hits = list[tuple[int, float, dict[str, Any]]]


class Way(Protocol):
    """A collection as one of the ways has it; fields ``text`` and ``year`` are returned."""

    def insert(self, rows: list[dict[str, Any]]) -> list[int]: ...
    def upsert(self, rows: list[dict[str, Any]]) -> None: ...
    def delete(self, filter: str) -> None: ...
    def search(self, field: str, query: Any, limit: int, filter: str = "") -> Hits: ...
    def hybrid(self, vector: list[float], words: str, limit: int) -> Hits: ...
    def query(self, filter: str, limit: int) -> list[dict[str, Any]]: ...
    def get(self, ids: list[int]) -> list[dict[str, Any]]: ...
    def count(self, filter: str) -> int: ...


FIELDS = ["text", "year", "extra"]


class Library:
    """Embedded, or by elanus' own client: they share the interface."""

    def __init__(self, database: elanus.Database) -> None:
        fields = [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, max_length=100, analyzer="standard"),
            elanus.Field("year", elanus.INT32),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=8, metric="L2"),
            elanus.Field("words", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
        self._made = database.create_collection(NAME, elanus.Schema(fields, dynamic=True))

    def insert(self, rows: list[dict[str, Any]]) -> list[int]:
        return [int(key) for key in self._made.insert(rows)]

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        self._made.upsert(rows)

    def delete(self, filter: str) -> None:
        self._made.delete(filter)

    def search(self, field: str, query: Any, limit: int, filter: str = "") -> Hits:
        return _hits(self._made.search(query, field, limit, filter=filter or None, output=FIELDS))

    def hybrid(self, vector: list[float], words: str, limit: int) -> Hits:
        legs = [elanus.Leg("vector", vector, limit=20), elanus.Leg("words", words, limit=20)]
        return _hits(self._made.hybrid_search(legs, elanus.RRF(), limit, output=FIELDS))

    def query(self, filter: str, limit: int) -> list[dict[str, Any]]:
        return self._made.query(filter, FIELDS, limit=limit)

    def get(self, ids: list[int]) -> list[dict[str, Any]]:
        return self._made.get(ids, FIELDS)

    def count(self, filter: str) -> int:
        return self._made.count(filter)


def _hits(found: Any) -> Hits:
    return [(hit.id, hit.score, hit.entity) for hit in found]


class Grpc:
    """Milvus' client."""

    def __init__(self, client: MilvusClient) -> None:
        self._client = client
        schema = client.create_schema(enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=100, enable_analyzer=True)
        schema.add_field("year", DataType.INT32)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=8)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["words"]))
        params = client.prepare_index_params()
        params.add_index("vector", metric_type="L2")
        params.add_index("words", metric_type="BM25")
        client.create_collection(NAME, schema=schema, index_params=params)

    def insert(self, rows: list[dict[str, Any]]) -> list[int]:
        return list(self._client.insert(NAME, rows)["ids"])

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        self._client.upsert(NAME, rows)

    def delete(self, filter: str) -> None:
        self._client.delete(NAME, filter=filter)

    def search(self, field: str, query: Any, limit: int, filter: str = "") -> Hits:
        (found,) = self._client.search(
            NAME, [query], filter, limit, anns_field=field, output_fields=FIELDS
        )
        return [(hit["id"], hit["distance"], hit["entity"]) for hit in found]

    def hybrid(self, vector: list[float], words: str, limit: int) -> Hits:
        legs = [
            AnnSearchRequest([vector], "vector", {}, 20),
            AnnSearchRequest([words], "words", {}, 20),
        ]
        (found,) = self._client.hybrid_search(NAME, legs, RRFRanker(), limit, output_fields=FIELDS)
        return [(hit["id"], hit["distance"], hit["entity"]) for hit in found]

    def query(self, filter: str, limit: int) -> list[dict[str, Any]]:
        return [dict(row) for row in self._client.query(NAME, filter, FIELDS, limit=limit)]

    def get(self, ids: list[int]) -> list[dict[str, Any]]:
        return [dict(row) for row in self._client.get(NAME, ids, FIELDS)]

    def count(self, filter: str) -> int:
        return int(self._client.query(NAME, filter, ["count(*)"])[0]["count(*)"])


class Rest:
    """The RESTful API."""

    def __init__(self, uri: str) -> None:
        self._rest = RestClient(uri)
        fields = [
            {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
            {
                "fieldName": "text",
                "dataType": "VarChar",
                "elementTypeParams": {"max_length": 100, "enable_analyzer": True},
            },
            {"fieldName": "year", "dataType": "Int32"},
            {"fieldName": "vector", "dataType": "FloatVector", "elementTypeParams": {"dim": 8}},
            {"fieldName": "words", "dataType": "SparseFloatVector"},
        ]
        bm25 = {"inputFieldNames": ["text"], "outputFieldNames": ["words"]}
        self._ask(
            "collections/create",
            schema={
                "fields": fields,
                "functions": [{"name": "bm25", "type": "BM25", **bm25}],
                "enableDynamicField": True,
            },
            indexParams=[
                {"fieldName": "vector", "metricType": "L2"},
                {"fieldName": "words", "metricType": "BM25"},
            ],
        )

    def _ask(self, path: str, **body: Any) -> Any:
        return self._rest.data(path, collectionName=NAME, **body)

    def insert(self, rows: list[dict[str, Any]]) -> list[int]:
        return list(self._ask("entities/insert", data=rows)["insertIds"])

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        self._ask("entities/upsert", data=rows)

    def delete(self, filter: str) -> None:
        self._ask("entities/delete", filter=filter)

    def search(self, field: str, query: Any, limit: int, filter: str = "") -> Hits:
        asked = {"data": [query], "annsField": field, "limit": limit, "filter": filter}
        return self._shown(self._ask("entities/search", outputFields=FIELDS, **asked))

    def hybrid(self, vector: list[float], words: str, limit: int) -> Hits:
        legs = [
            {"annsField": "vector", "data": [vector], "limit": 20},
            {"annsField": "words", "data": [words], "limit": 20},
        ]
        asked = {"search": legs, "rerank": {"strategy": "rrf", "params": {"k": 60}}}
        return self._shown(
            self._ask("entities/hybrid_search", limit=limit, outputFields=FIELDS, **asked)
        )

    def _shown(self, found: list[dict[str, Any]]) -> Hits:
        return [(hit.pop("id"), hit.pop("distance"), hit) for hit in found]

    def query(self, filter: str, limit: int) -> list[dict[str, Any]]:
        return list(self._ask("entities/query", filter=filter, limit=limit, outputFields=FIELDS))

    def get(self, ids: list[int]) -> list[dict[str, Any]]:
        return list(self._ask("entities/get", id=ids, outputFields=FIELDS))

    def count(self, filter: str) -> int:
        counted = self._ask("entities/query", filter=filter, outputFields=["count(*)"])
        return int(counted[0]["count(*)"])


@pytest.fixture(params=["embedded", "elanus' client", "gRPC", "REST"])
def way(
    request: pytest.FixtureRequest, uri: str, client: MilvusClient, tmp_path: Path
) -> Iterator[Way]:
    if request.param == "gRPC":
        yield Grpc(client)
    elif request.param == "REST":
        yield Rest(uri)
    else:
        with elanus.connect(tmp_path / "kb" if request.param == "embedded" else uri) as database:
            yield Library(database)


def _row(i: int) -> dict[str, Any]:
    return {name: ROWS[i][name] for name in ("id", *FIELDS)}


def test_reads_and_writes_answer_alike(way: Way) -> None:
    assert way.insert(ROWS) == list(range(60))
    query = VECTORS[7] + np.float32(0.01)
    distances = ((VECTORS - query) ** 2).sum(axis=1)
    for expression, allowed in (
        ("", range(60)),
        ("year < 1995 and extra == 1", [i for i in range(60) if i % 20 < 5 and i % 4 == 1]),
        ('text like "fox%"', range(0, 60, 5)),
    ):
        near = sorted(allowed, key=lambda i: distances[i])[:5]
        found = way.search("vector", query.tolist(), 5, expression)
        assert [key for key, _, _ in found] == near
        assert [score for _, score, _ in found] == pytest.approx(distances[near], rel=1e-4)
        assert [{"id": key, **entity} for key, _, entity in found] == [_row(i) for i in near]
        assert way.count(expression) == len(allowed)
        assert way.query(expression, 100) == [_row(i) for i in allowed]
    # "stone" stands in every fifth text, once in each of equally long ones: all score alike.
    found = way.search("words", "stone", 20)
    assert [key for key, _, _ in found] == [i for i in range(60) if i % 5 == 4]
    assert len({round(score, 5) for _, score, _ in found}) == 1
    assert found[0][1] > 0
    # Reciprocal ranks: the nearest twenty, and the twelve with the word in the order of their keys.
    ranks = [sorted(range(60), key=lambda i: distances[i])[:20], list(range(4, 60, 5))]
    fused: dict[int, float] = {}
    for ranking in ranks:
        for rank, key in enumerate(ranking, 1):
            fused[key] = fused.get(key, 0.0) + 1 / (60 + rank)
    best = sorted(fused, key=lambda key: (-fused[key], key))[:9]
    found = way.hybrid(query.tolist(), "stone", 9)
    assert [key for key, _, _ in found] == best
    assert [score for _, score, _ in found] == pytest.approx([fused[key] for key in best], rel=1e-5)

    way.upsert([{**ROWS[7], "year": 2050, "extra": "new"}])
    way.delete("id in [3, 4] or year == 2001")
    gone = {3, 4, *(i for i in range(60) if 1990 + i % 20 == 2001)}
    assert way.count("") == 60 - len(gone)
    assert way.get([3, 7, 59]) == [{**_row(7), "year": 2050, "extra": "new"}, _row(59)]
    assert [row["id"] for row in way.query('year > 2040 or extra == "new"', 9)] == [7]
