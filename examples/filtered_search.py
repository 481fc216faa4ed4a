"""Restrict a search by what rows hold: as text, as a dict, as a tree, with parameters.

Prints:
    4 ways, one answer: [6, 14, 22]
"""

import numpy as np

import elanus
from elanus.filter import And, Compare, CompareOp, FieldRef, JsonPath, Literal

rng = np.random.default_rng(7)
rows = [
    {
        "id": pk,
        "year": 2000 + pk,
        "meta": {"lang": "en" if pk % 2 else "de", "tags": ["a", "b"] if pk % 4 == 2 else []},
        "dense": rng.normal(size=8).astype(np.float32),
    }
    for pk in range(24)
]

with elanus.connect(":memory:") as db:
    notes = db.create_collection(
        "notes",
        elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("year", elanus.INT16),
                elanus.Field("meta", elanus.JSON),
                elanus.Field("dense", elanus.FLOAT_VECTOR, dim=8, metric="L2"),
            ]
        ),
    )
    notes.insert(rows)

    # A search never returns fewer hits than match, however few rows the filter leaves.
    few = notes.search(rows[3]["dense"], limit=10, filter="year in [2003, 2021]")
    print("two rows match, two hits:", few.ids)

    tree = And(
        (
            Compare(CompareOp.EQ, JsonPath("meta", ("lang",)), Literal("de")),
            Compare(CompareOp.EQ, FieldRef("id"), Literal(6)),
        )
    )
    text = "meta['lang'] == 'de' and id % 8 == 6"
    with_values = "meta['lang'] == {lang} and id % {n} == 6"
    same = [
        [row["id"] for row in notes.query(text, ["id"])],
        [row["id"] for row in notes.query(with_values, ["id"], params={"lang": "de", "n": 8})],
        [row["id"] for row in notes.query({"id": {"$in": [6, 14, 22]}}, ["id"])],
        [row["id"] for row in notes.query("id == 6 or id == 14 or id == 22", ["id"])],
    ]
    assert all(answer == same[0] for answer in same)
    print(f"{len(same)} ways, one answer: {same[0]}")
    print("a tree:", notes.query(tree, ["year"]))
    print("in arrays:", notes.count("json_contains(meta['tags'], 'a') and year >= 2010"))
