"""Measure how well judged queries are answered, tune the collection by them, and change its model.

Prints:
    over the best leg
"""

import elanus

SUBJECTS = {
    "keys": ["rotate the signing key", "revoke a leaked key", "who may read the keys"],
    "backups": ["restore last night's backup", "how long are backups kept", "backup a database"],
    "bills": ["why did the bill go up", "pay by invoice", "bills of a whole year as one file"],
    "logs": ["follow the log of a service", "delete old log files", "search the logs by time"],
}

with elanus.connect(":memory:") as db:
    notes = db.create_collection(
        "notes",
        elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("text", elanus.VARCHAR, analyzer="english"),
                elanus.Field(
                    "dense",
                    elanus.FLOAT_VECTOR,
                    embedding=elanus.Embedding("text", "hash", {"dim": 64}),
                ),
                elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            ]
        ),
    )
    notes.insert(
        [
            {"id": 10 * i + j, "text": text}
            for i, texts in enumerate(SUBJECTS.values())
            for j, text in enumerate(texts)
        ]
    )

    queries = {
        "q1": "rotating keys",
        "q2": "a key was leaked",
        "q3": "get a backup back",
        "q4": "how long do you keep backups",
        "q5": "the bill is too high",
        "q6": "invoices",
        "q7": "old logs",
        "q8": "logs of a service",
    }
    relevant = {
        "q1": [0],
        "q2": [1],
        "q3": [10],
        "q4": [11],
        "q5": [20],
        "q6": [21],
        "q7": [31],
        "q8": [30],
    }
    before = notes.evaluate(queries, relevant, metrics=["ndcg@3", "recall@3"])
    print(before)

    print(notes.tune(queries, relevant, metric="ndcg@3"))
    after = notes.evaluate(queries, relevant, metrics=["ndcg@3", "recall@3"])
    print(after.compare(before)["ndcg@3"])

    migration = notes.migrate_embeddings("hash", params={"dim": 256})
    migration.wait()
    print(migration.compare(queries, relevant, k=3))
    migration.switch()  # searches of "dense" are answered by the new model from here on
    print(notes.search("rotating keys", "dense", 1)[0].entity["text"])
    migration.finish()
