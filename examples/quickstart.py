"""Store texts, search them, restrict the search by metadata.

Prints:
    0.0328 rotate: To rotate a key, create a new one and revoke the old one.
"""

import elanus

TEXTS = {
    "rotate": ("To rotate a key, create a new one and revoke the old one.", 2025),
    "backup": ("Backups run every night and are kept for thirty days.", 2024),
    "deploy": ("A deployment is rolled back when its health check fails.", 2025),
}

with elanus.connect("./kb") as db:
    # "hash" embeds without a model; "minilm" is the one to use (pip install elanus-embeddings).
    docs = db.documents("handbook", embedder="hash", language="english")
    docs.add(
        [text for text, _ in TEXTS.values()],
        ids=list(TEXTS),
        metadata=[{"year": year} for _, year in TEXTS.values()],
    )
    for hit in docs.search("how do I rotate a key?", limit=2, filter={"year": {"$gte": 2025}}):
        print(f"{hit.score:.4f} {hit.id}: {hit.text}")
