"""Drawn histories of a collection that uses everything at once, against dicts in Python.

Keys that order rows, partitions, added fields, partial upserts, scalar indexes, shredded JSON,
lists of vectors and deletes meet in segments that are flushed, merged and reopened; every read has
to answer as plain rows do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elanus
from elanus import BM25, DataType, Field, Schema

Row = dict[str, Any]
KEYS: list[dict[str, bool]] = [{}, {"partition_key": True}, {"clustering_key": True}]
INDEXES: list[tuple[str, str, dict[str, Any]]] = [
    ("n", "STL_SORT", {}),
    ("n", "INVERTED", {}),
    ("tenant", "BITMAP", {}),
    ("text", "NGRAM", {"min_gram": 2, "max_gram": 3}),
    ("text", "TRIE", {}),
    ('meta["k"]', "INVERTED", {"json_cast_type": "DOUBLE"}),
    ('meta["s"]', "AUTO", {"json_cast_type": "VARCHAR"}),
    ("tags", "INVERTED", {}),
    ("dense", "GRAPH", {}),
    ("lists", "GRAPH", {}),
]


def _meta(row: Row, key: str) -> Any:
    return (row["meta"] or {}).get(key)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


FILTERS: list[tuple[str, Callable[[Row], bool]]] = [
    ("n > 5", lambda r: r["n"] is not None and r["n"] > 5),
    ("n is null", lambda r: r["n"] is None),
    ("tenant == 't2'", lambda r: r["tenant"] == "t2"),
    (
        "tenant in ['t1', 't4'] and n <= 9",
        lambda r: r["tenant"] in ("t1", "t4") and r["n"] is not None and r["n"] <= 9,
    ),
    ("meta['k'] == 2", lambda r: _is_number(_meta(r, "k")) and _meta(r, "k") == 2),
    ("meta['s'] == 's1'", lambda r: _meta(r, "s") == "s1"),
    ("meta['d']['e'] == 1", lambda r: (_meta(r, "d") or {}).get("e") == 1),
    ("array_contains(tags, 'g1')", lambda r: "g1" in (r["tags"] or [])),
    ("text like 'w3%'", lambda r: r["text"].startswith("w3")),
    ("text like '%5 a%'", lambda r: "5 a" in r["text"]),
    ("undeclared == 3", lambda r: r.get("undeclared") == 3),
    ("text_match(text, 'w4')", lambda r: "w4" in r["text"].split()),
]


class History:
    """A collection, and the rows that it should hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.folder = folder
        self.rows: dict[int, Row] = {}
        self.partition_of: dict[int, str] = {}
        self.partitions = ["_default"]
        self.added: list[str] = []
        self.key = self.draw.choice(KEYS)
        self.database = elanus.connect(folder)
        fields = [
            Field("id", DataType.INT64, primary=True),
            Field("tenant", DataType.VARCHAR, **self.key),
            Field("text", DataType.VARCHAR, analyzer="standard"),
            Field("n", DataType.INT64, nullable=True),
            Field("meta", DataType.JSON, nullable=True),
            Field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, nullable=True),
            Field("dense", DataType.FLOAT_VECTOR, dim=4, metric="L2"),
            Field("bm25", DataType.SPARSE_FLOAT_VECTOR, source=BM25("text")),
            Field(
                *("lists", DataType.ARRAY),
                element_type="FLOAT_VECTOR",
                dim=3,
                metric="MAX_SIM_IP",
                nullable=True,
            ),
        ]
        self.collection = self.database.create_collection("c", Schema(fields, dynamic=True))

    def row(self, pk: int) -> Row:
        draw = self.draw
        metas = [
            None,
            {"k": draw.randrange(4), "s": f"s{draw.randrange(3)}"},
            {"k": draw.choice([1.5, "x", True, None]), "d": {"e": draw.randrange(3)}},
        ]
        return {
            "id": pk,
            "tenant": f"t{draw.randrange(6)}",
            "text": f"w{draw.randrange(9)} all",
            "n": draw.choice([None, draw.randrange(20)]),
            "meta": draw.choice(metas),
            "tags": draw.choice([None, [], [f"g{draw.randrange(4)}" for _ in range(3)]]),
            "dense": self.rng.normal(size=4).astype(np.float32).tolist(),
            "lists": draw.choice([None, self._vectors(draw.randrange(4))]),
            "undeclared": draw.randrange(5),
            **{name: draw.choice([None, draw.randrange(10)]) for name in self.added},
        }

    def _vectors(self, count: int) -> Any:
        return self.rng.normal(size=(count, 3)).astype(np.float32).tolist()

    # --- what happens -------------------------------------------------------------------------

    def step(self) -> None:
        steps = [self.upsert, self.upsert, self.upsert, self.change, self.delete, self.delete_some]
        steps += [self.collection.flush, self.collection.compact, self.collection.wait_indexed]
        self.draw.choice([*steps, self.index, self.add_field, self.add_partition, self.reopen])()

    def upsert(self) -> None:
        count = self.draw.choice([1, 3, 40, 1_100 if len(self.rows) < 3_000 else 5])
        rows = {pk: self.row(pk) for pk in (self.draw.randrange(4_000) for _ in range(count))}
        partition = self.draw.choice(self.partitions)
        self.collection.upsert([*rows.values()], partition=partition)
        self.rows |= rows
        self.partition_of |= dict.fromkeys(rows, partition)

    def change(self) -> None:
        parts = [
            {"n": self.draw.randrange(20)},
            {"meta": {"k": self.draw.randrange(4)}},
            {"tags": ["z"]},
            {"undeclared": 77},
            {"text": "w3 new"},
        ]
        chosen = self._some(20)
        changes = [{"id": pk, **self.draw.choice(parts)} for pk in chosen]
        self.collection.upsert(changes, partial=True)
        for change in changes:
            self.rows[change["id"]] = {**self.rows[change["id"]], **change}

    def delete(self) -> None:
        self._forget(self._some(30), self.collection.delete)

    def delete_some(self) -> None:
        n = self.draw.randrange(20)
        gone = [pk for pk, row in self.rows.items() if row["n"] == n and row["tenant"] == "t1"]
        self._forget(gone, lambda _: self.collection.delete(f"n == {n} and tenant == 't1'"))

    def index(self) -> None:
        self.collection.create_index(*self.draw.choice(INDEXES))

    def add_field(self) -> None:
        if len(self.added) < 4:
            name = f"x{len(self.added)}"
            self.collection.add_field(Field(name, DataType.INT32, nullable=True))
            self.added.append(name)
            for row in self.rows.values():
                row[name] = None

    def add_partition(self) -> None:
        if "partition_key" not in self.key and len(self.partitions) < 4:
            self.partitions.append(f"p{len(self.partitions)}")
            self.collection.create_partition(self.partitions[-1])

    def reopen(self) -> None:
        self.database.close()
        self.database = elanus.connect(self.folder)
        self.collection = self.database.collection("c")

    def _some(self, most: int) -> list[int]:
        return self.draw.sample([*self.rows], min(len(self.rows), self.draw.choice([1, most])))

    def _forget(self, gone: list[int], delete: Callable[[list[int]], int]) -> None:
        assert delete(gone) == len(gone)
        for pk in gone:
            del self.rows[pk], self.partition_of[pk]

    # --- what is read -------------------------------------------------------------------------

    def check(self, collection: elanus.Collection) -> None:
        found = {row["id"]: row for row in collection.query(output=["*"])}
        assert found.keys() == self.rows.keys()
        for pk, row in self.rows.items():
            wanted = {name: value for name, value in row.items() if name != "lists"}
            assert {name: found[pk].get(name) for name in wanted} == wanted
        for text, passes in FILTERS:
            wanted_ids = {pk for pk, row in self.rows.items() if passes(row)}
            assert {row["id"] for row in collection.query(text)} == wanted_ids, text
        for name in self.partitions:
            count = sum(partition == name for partition in self.partition_of.values())
            assert collection.count(partitions=name) == count
        if self.rows:
            self._check_searches(collection)

    def _check_searches(self, collection: elanus.Collection) -> None:
        text, passes = self.draw.choice(FILTERS)
        allowed = [row for row in self.rows.values() if passes(row)]
        query = self.rng.normal(size=4).astype(np.float32)
        vectors = np.array([row["dense"] for row in allowed], dtype=np.float32).reshape(-1, 4)
        distances = sorted(((vectors - query) ** 2).sum(axis=1).tolist())[:5]
        hits = collection.search(query, "dense", 5, filter=text, recall=1.0)
        assert [hit.score for hit in hits] == pytest.approx(distances, rel=1e-3, abs=1e-4)
        assert len(collection.search(query, "dense", 5, filter=text)) == len(distances)
        asked = self.rng.normal(size=(2, 3)).astype(np.float32)
        lists = [np.array(r["lists"], np.float32) for r in self.rows.values() if r["lists"]]
        best = sorted((float((asked @ v.T).max(axis=1).sum()) for v in lists), reverse=True)[:4]
        hits = collection.search(asked, "lists", 4, recall=1.0)
        assert [hit.score for hit in hits] == pytest.approx(best, rel=1e-3, abs=1e-4)
        words = {pk for pk, row in self.rows.items() if "w3" in row["text"].split()}
        assert set(collection.search("w3", "bm25", 5_000).ids) == words


@pytest.mark.parametrize("seed", range(12))
def test_everything_together(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path / "kb", seed)
    try:
        for _ in range(history.draw.randrange(8, 22)):
            history.step()
            if history.draw.random() < 0.4:
                history.check(history.collection)
            if history.draw.random() < 0.2:
                with elanus.connect(tmp_path / "kb", read_only=True) as reader:
                    history.check(reader.collection("c"))
        history.check(history.collection)
    finally:
        history.database.close()
