"""How well does elanus rank on judged queries?

nDCG@10 and recall@100 on cranfield and npl through the public API: BM25 with the ``english``
analyzer over title and text, dense with MiniLM and with hashed words, both fused by RRF, and what
``Collection.tune`` chooses by half of the queries and is worth on the others, over 20 random
halves.

Run: ``python -m benchmarks.macro.retrieval_quality``; fails when BM25 falls below its floor, or
what was tuned on average more than 0.005 below the best single leg.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import numpy as np

import elanus
from benchmarks.datasets import Judged, load_judged
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.plugins import Embedder, get_embedder

BM25_FLOORS = {"cranfield": 0.505, "npl": 0.429}
"""0.005 below what the data set's own README reports for a Lucene-style BM25."""
EMBEDDERS = {"MiniLM": "minilm", "hashed words": "hash"}
"""A model that fusion can win with, and one that is far below BM25."""
TOLERANCE = 0.005
SPLITS = 20
METRICS = ("ndcg@10", "mrr@10", "recall@100")


def index_collection(db: elanus.Database, name: str, judged: Judged, embedder: Embedder) -> Any:
    """Return a collection of the documents, with vectors and keywords."""
    texts = [f"{title} {text}".strip() for title, text in judged.documents.values()]
    vectors = embedder.embed_documents(texts)
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.VARCHAR, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer="english"),
            elanus.Field("dense", elanus.FLOAT_VECTOR, dim=vectors.shape[1], metric="COSINE"),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )
    documents = db.create_collection(name, schema)
    documents.insert({"id": list(judged.documents), "text": texts, "dense": vectors})
    return documents


def measure(
    documents: elanus.Collection, judged: Judged, name: str, model: str, embedder: Embedder
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row per kind of search over all queries, and what tuning is worth."""
    asked = list(judged.queries)
    vectors = embedder.embed_queries([judged.queries[query] for query in asked])
    queries = {
        query: {"dense": vector, "bm25": judged.queries[query]}
        for query, vector in zip(asked, list(vectors), strict=True)
    }
    head = {"collection": name, "embedder": model}
    rows = []
    for search, fields in (("BM25", "bm25"), ("dense", "dense"), ("hybrid RRF", None)):
        found = documents.evaluate(queries, judged.judgements, fields=fields, metrics=METRICS)
        low, high = found.estimates["ndcg@10"][1:]
        rows.append(
            {
                **head,
                "search": search,
                "queries": len(found.queries),
                "ndcg_10": found.mean("ndcg@10"),
                "ndcg_10_low": low,
                "ndcg_10_high": high,
                "mrr_10": found.mean("mrr@10"),
                "recall_100": found.mean("recall@100"),
                "median_ms": found.latency.p50,
                "floor": BM25_FLOORS[name] if search == "BM25" else None,
            }
        )
    return rows, {**head, **tuned(documents, queries, judged)}


def tuned(documents: elanus.Collection, queries: dict[str, Any], judged: Judged) -> dict[str, Any]:
    """Return what tuning by one half of the queries is worth on the other."""
    started = time.perf_counter()
    tuning = documents.tune(queries, judged.judgements, splits=SPLITS, apply=False)
    spent = time.perf_counter() - started
    usual = [split.means["default"] - split.best_leg for split in tuning.splits]
    return {
        "splits": SPLITS,
        **tuning.means(),
        "best_leg": float(np.mean([split.best_leg for split in tuning.splits])),
        "default_gap": float(np.mean(usual)),
        "default_worst": min(usual),
        "tuned_gap": tuning.mean_gap,
        "tuned_worst": tuning.worst_gap,
        "joined": sum(split.choice.fusion is not None for split in tuning.splits),
        "profile": str(tuning.profile),
        "seconds": spent,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.macro.retrieval_quality", description=__doc__
    )
    parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    started = time.perf_counter()
    result: dict[str, Any] = {
        "benchmark": "retrieval_quality",
        **describe_run("benchmarks.macro.retrieval_quality"),
        "rows": [],
        "tuning": [],
    }
    for name in BM25_FLOORS:
        judged = load_judged(name)
        for model, plugin in EMBEDDERS.items():
            embedder = get_embedder(plugin)
            with elanus.connect(":memory:") as db:
                documents = index_collection(db, name, judged, embedder)
                rows, tuned = measure(documents, judged, name, model, embedder)
            result["rows"] += rows
            result["tuning"].append(tuned)
    result["wall_s"] = time.perf_counter() - started
    file = write_result("retrieval_quality", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)
    low = [r for r in result["rows"] if r["floor"] is not None and r["ndcg_10"] < r["floor"]]
    if low:
        sys.exit(f"below the floor: {', '.join(r['collection'] for r in low)}")
    worse = [t for t in result["tuning"] if t["tuned_gap"] < -TOLERANCE]
    if worse:
        sys.exit(f"below the best leg: {', '.join(t['collection'] for t in worse)}")


if __name__ == "__main__":
    main()
