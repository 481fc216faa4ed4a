"""Search dense vectors and BM25 at once, and see what each of them said about every hit.

Prints:
    fused by RRF(k=60, weights=None)
"""

import numpy as np

import elanus

TITLES = [
    "Graph indexes for vector search",
    "Inverted indexes and BM25",
    "Product quantization of vectors",
    "Write-ahead logging and recovery",
    "Fusing dense and sparse retrieval",
]

rng = np.random.default_rng(7)
vectors = rng.normal(size=(len(TITLES), 16)).astype(np.float32)

with elanus.connect(":memory:") as db:
    papers = db.create_collection(
        "papers",
        elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True, auto_id=True),
                elanus.Field("title", elanus.VARCHAR, analyzer="english"),
                elanus.Field("dense", elanus.FLOAT_VECTOR, dim=16, metric="COSINE"),
                elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("title")),
            ]
        ),
    )
    papers.insert({"title": TITLES, "dense": vectors})  # columns; a list of dicts works as well

    result = papers.hybrid_search(
        [elanus.Leg("dense", vectors[0]), elanus.Leg("bm25", "vector index")],
        fusion=elanus.RRF(k=60),
        limit=3,
        explain=True,
    )
    for hit in result:
        print(f"{hit.score:.4f} {hit.entity['title']}")
        for leg in hit.explanation.legs:
            print(f"    {leg}")
    print(result.explanation)
