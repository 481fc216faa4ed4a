"""How well does elanus rank on judged queries?

nDCG@10 and recall@100 on cranfield and npl through the public API: BM25 with the ``english``
analyzer over title and text, dense with MiniLM, and both fused by RRF.

Run: ``python -m benchmarks.macro.retrieval_quality``; fails when BM25 falls below its floor.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import elanus
from benchmarks.datasets import Judged, load_judged
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result
from elanus.plugins import Embedder, get_embedder
from elanus.types import Float32Array

BM25_FLOORS = {"cranfield": 0.505, "npl": 0.429}
"""0.005 below what the data set's own README reports for a Lucene-style BM25."""
DEPTH = 100
SEARCHES = ("BM25", "dense", "hybrid RRF")


@dataclass(frozen=True, slots=True)
class IndexedCollection:
    """A judged collection in elanus, and the vectors of its queries by query id."""

    judged: Judged
    documents: elanus.Collection
    query_vectors: Mapping[str, Float32Array]

    def rank(self, search: str, query: str) -> list[str]:
        """Return the best ``DEPTH`` document ids for a query id."""
        text, vector = self.judged.queries[query], self.query_vectors[query]
        if search == "BM25":
            hits = self.documents.search(text, field="bm25", limit=DEPTH, output=[])
        elif search == "dense":
            hits = self.documents.search(vector, field="dense", limit=DEPTH, output=[])
        else:
            legs = [elanus.Leg("dense", vector), elanus.Leg("bm25", text)]
            hits = self.documents.hybrid_search(legs, elanus.RRF(), limit=DEPTH, output=[])
        return [str(hit.id) for hit in hits]


def ndcg(ranking: Sequence[str], gains: Mapping[str, int], k: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the first ``k`` places.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, with
    linear gain and the discount ``log2(place + 1)``, as in trec_eval.
    """
    ideal = sorted((gain for gain in gains.values() if gain > 0), reverse=True)
    best = _discounted(ideal[:k])
    return _discounted([gains.get(d, 0) for d in ranking[:k]]) / best if best else 0.0


def recall(ranking: Sequence[str], gains: Mapping[str, int], k: int = DEPTH) -> float:
    """Return the share of the relevant documents among the first ``k`` places."""
    relevant = {document for document, gain in gains.items() if gain > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def index_collection(db: elanus.Database, name: str, embedder: Embedder) -> IndexedCollection:
    """Load a judged collection and embed its queries."""
    judged = load_judged(name)
    ids = list(judged.documents)
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
    documents.insert({"id": ids, "text": texts, "dense": vectors})
    asked = list(judged.queries)
    query_vectors = embedder.embed_queries([judged.queries[query] for query in asked])
    return IndexedCollection(judged, documents, dict(zip(asked, list(query_vectors), strict=True)))


def measure(indexed: IndexedCollection, name: str) -> list[dict[str, Any]]:
    """Return one row per kind of search; means over all judged queries."""
    rows = []
    judgements = indexed.judged.judgements
    for search in SEARCHES:
        rankings = {query: indexed.rank(search, query) for query in judgements}
        count = len(judgements)
        rows.append(
            {
                "collection": name,
                "search": search,
                "queries": count,
                "ndcg_10": math.fsum(ndcg(rankings[q], judgements[q]) for q in rankings) / count,
                "recall_100": math.fsum(recall(rankings[q], judgements[q]) for q in rankings)
                / count,
                "floor": BM25_FLOORS[name] if search == "BM25" else None,
            }
        )
    return rows


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
        "embedder": "minilm",
        "rows": [],
    }
    embedder = get_embedder("minilm")
    with elanus.connect(":memory:") as db:
        for name in BM25_FLOORS:
            result["rows"] += measure(index_collection(db, name, embedder), name)
    result["wall_s"] = time.perf_counter() - started
    file = write_result("retrieval_quality", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)
    low = [r for r in result["rows"] if r["floor"] is not None and r["ndcg_10"] < r["floor"]]
    if low:
        sys.exit(f"below the floor: {', '.join(r['collection'] for r in low)}")


if __name__ == "__main__":
    main()
