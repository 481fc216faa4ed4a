"""The database of the golden files: what is written, and what has to be answered.

Every answer is worked out from the rows below by the slow oracles, never by reading the database.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import elanus
from elanus.api.collection import Collection
from support.builders import WORDS
from support.oracle import bm25_scores, dense_score, nearest

Rows = dict[Any, dict[str, Any]]

DIM = 8
COUNT = 40
REPLACED = range(5, 9)
DELETED = (3, 17, 35)
LOGGED = range(COUNT, COUNT + 6)
SNAPSHOT = "before_the_last_writes"
QUERY = [0.3, -1.0, 0.25, 0.5, -0.75, 1.5, 0.0, -0.1]
SPARSE_QUERY = {1: 1.0, 4: 0.5, 11: 2.0}


def everything_schema() -> elanus.Schema:
    """Return a schema with every type."""
    field = elanus.Field
    return elanus.Schema(
        [
            field("id", elanus.INT64, primary=True),
            field("flag", elanus.BOOL, nullable=True),
            field("tiny", elanus.INT8, nullable=True),
            field("small", elanus.INT16),
            field("medium", elanus.INT32, nullable=True),
            field("large", elanus.INT64, nullable=True),
            field("single", elanus.FLOAT, nullable=True),
            field("double", elanus.DOUBLE),
            field("title", elanus.VARCHAR, analyzer="english"),
            field("note", elanus.VARCHAR, nullable=True),
            field("meta", elanus.JSON, nullable=True),
            field("years", elanus.ARRAY, element_type=elanus.INT32),
            field("tags", elanus.ARRAY, element_type=elanus.VARCHAR),
            field("cosine", elanus.FLOAT_VECTOR, dim=DIM, metric="COSINE"),
            field("l2", elanus.FLOAT_VECTOR, dim=DIM, metric="L2"),
            field("sparse", elanus.SPARSE_FLOAT_VECTOR),
            field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
        ],
        dynamic=True,
    )


def everything_row(pk: int, version: int = 0) -> dict[str, Any]:
    """Return the only row that has this key in this version."""
    rng = np.random.default_rng((version, pk))
    return {
        "id": pk,
        "flag": None if pk % 5 == 0 else pk % 2 == 0,
        "tiny": None if pk % 7 == 0 else pk % 200 - 100,
        "small": 1000 + pk,
        "medium": None if pk % 11 == 0 else -pk * 70_000,
        "large": None if pk % 13 == 0 else 2**40 + pk,
        "single": None if pk % 3 == 0 else pk / 4,
        "double": pk / 7,
        "title": " ".join(rng.choice(WORDS, int(rng.integers(1, 9))).tolist()),
        "note": [None, "", "Zürich", "\N{SNOWMAN} snow"][pk % 4],
        "meta": None if pk % 6 == 0 else {"page": pk, "source": {"file": f"f{pk % 3}.md"}},
        "years": [2000 + n for n in range(pk % 4)],
        "tags": [f"tag{n}" for n in range(pk % 3)],
        "cosine": _rounded(rng),
        "l2": _rounded(rng),
        "sparse": {int(n): 1 + int(n) / 8 for n in sorted({pk % 5, 4, pk % 12})},
        "extra": f"dynamic {version}",
    }


def _rounded(rng: np.random.Generator) -> list[float]:
    """Return a vector whose values are exact in float32."""
    return [float(value) for value in np.round(rng.normal(size=DIM) * 64) / 64]


def word_schema() -> elanus.Schema:
    """Return a schema with text keys and vectors of the third metric."""
    return elanus.Schema(
        [
            elanus.Field("word", elanus.VARCHAR, primary=True),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=DIM, metric="IP"),
        ]
    )


def word_rows() -> Rows:
    return {
        word: {"word": word, "v": _rounded(np.random.default_rng(n))}
        for n, word in enumerate([*WORDS, "Zürich", "\N{SNOWMAN}"])
    }


def sealed_rows() -> Rows:
    """Return what ``SNAPSHOT`` holds."""
    rows = {pk: everything_row(pk, int(pk in REPLACED)) for pk in range(COUNT)}
    return {pk: row for pk, row in rows.items() if pk not in DELETED}


def current_rows() -> Rows:
    """Return what the database holds in the end."""
    rows = {**sealed_rows(), **{pk: everything_row(pk) for pk in LOGGED}}
    return {pk: row for pk, row in rows.items() if pk != 10}


def write_database(folder: Path) -> None:
    """Make the database: segments, tombstones, indexes, logs, older manifests, a snapshot."""
    with elanus.connect(folder) as db:
        words = db.create_collection("words", word_schema(), properties={"kind": "text keys"})
        words.insert(list(word_rows().values()))
        words.flush()
        rows = db.create_collection("everything", everything_schema(), properties={"n": [1, None]})
        rows.insert([everything_row(pk) for pk in range(COUNT // 2)])
        rows.flush()
        rows.create_index("cosine", "HNSW", {"M": 4, "ef_construction": 16})
        rows.insert([everything_row(pk) for pk in range(COUNT // 2, COUNT)])
        rows.flush()
        rows.upsert([everything_row(pk, 1) for pk in REPLACED])
        rows.delete(list(DELETED))
        rows.flush()
        rows.wait_indexed()
        db.snapshot(SNAPSHOT)
        rows.insert([everything_row(pk) for pk in LOGGED])
        rows.delete([10])
        gone = db.create_collection("dropped", word_schema())
        gone.drop()


# --- asking ---------------------------------------------------------------------------------


def expected_answers() -> dict[str, Any]:
    """Return every answer, as JSON values."""
    answers: dict[str, Any] = {"words": _words_expected()}
    for name, rows in (("now", current_rows()), (SNAPSHOT, sealed_rows())):
        texts = {pk: row["title"].split() for pk, row in rows.items()}
        sparse = {pk: _dot(row["sparse"]) for pk, row in rows.items()}
        answers[name] = {
            "count": len(rows),
            "rows": [rows[pk] for pk in sorted(rows)],
            "filtered": [pk for pk in sorted(rows) if _passes(rows[pk])],
            "cosine": _best(nearest("COSINE", QUERY, _column(rows, "cosine"), 10)),
            "l2": _best(nearest("L2", QUERY, _column(rows, "l2"), 10)),
            "sparse": _best(sorted(sparse.items(), key=lambda s: (-s[1], s[0]))[:10]),
            "bm25": sorted(_best(list(bm25_scores(["graph", "token"], texts).items()))),
        }
    return json.loads(json.dumps(answers))  # type: ignore[no-any-return]


def given_answers(db: elanus.Database) -> dict[str, Any]:
    """Ask a database the same."""
    words, rows = db.collection("words"), db.collection("everything")
    answers: dict[str, Any] = {
        "words": {
            "names": db.list_collections(),
            "properties": [words.properties, rows.properties],
            "rows": words.query(output=["*"]),
            "ip": _best([(h.id, h.score) for h in words.search(QUERY, limit=20, recall=1.0)]),
        }
    }
    for name, as_of in (("now", None), (SNAPSHOT, SNAPSHOT)):
        answers[name] = _answers(rows, as_of)
    return json.loads(json.dumps(answers))  # type: ignore[no-any-return]


def _answers(rows: Collection, as_of: str | None) -> dict[str, Any]:
    def found(query: Any, field: str, limit: int = 10) -> list[list[Any]]:
        hits = rows.search(query, field, limit, recall=1.0, as_of=as_of)
        return _best([(h.id, h.score) for h in hits])

    filtered = rows.query("small >= 1010 and tags[0] == 'tag0'", ["id"], as_of=as_of)
    stored = rows.query(output=["*", "extra"], as_of=as_of)
    return {
        "count": rows.count(as_of=as_of),
        "rows": [{n: v for n, v in row.items() if n not in ("bm25", "$meta")} for row in stored],
        "filtered": [row["id"] for row in filtered],
        "cosine": found(QUERY, "cosine"),
        "l2": found(QUERY, "l2"),
        "sparse": found(SPARSE_QUERY, "sparse"),
        "bm25": sorted(found("graph token", "bm25", 100)),
    }


def _passes(row: dict[str, Any]) -> bool:
    return row["small"] >= 1010 and row["tags"][:1] == ["tag0"]


def _words_expected() -> dict[str, Any]:
    rows = word_rows()
    scores = {word: dense_score("IP", QUERY, row["v"]) for word, row in rows.items()}
    return {
        "names": ["everything", "words"],
        "properties": [{"kind": "text keys"}, {"n": [1, None]}],
        "rows": [rows[word] for word in sorted(rows)],
        "ip": _best(sorted(scores.items(), key=lambda s: (-s[1], s[0]))[:20]),
    }


def _column(rows: Rows, name: str) -> dict[object, list[float]]:
    return {pk: row[name] for pk, row in rows.items()}


def _dot(stored: dict[int, float]) -> float:
    return sum(weight * stored.get(n, 0.0) for n, weight in SPARSE_QUERY.items())


def _best(pairs: list[tuple[Any, float]]) -> list[list[Any]]:
    return [[pk, round(score, 4)] for pk, score in pairs]
