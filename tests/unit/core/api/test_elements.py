"""One hit for each element of a list, against a look at every element in plain Python."""

import math

import numpy as np
import pytest

import elanus
from elanus import ARRAY, STRUCT, Boost, ByScore, Decay, Field, Leg, Schema
from elanus.errors import InvalidArgumentError

DIM = 8
ROWS = 70
RNG = np.random.default_rng(11)
QUERY = RNG.normal(size=DIM).astype(np.float32)


def entities():
    """Return rows of 0 to 6 chunks, with vectors whose products are exact."""
    rng = np.random.default_rng(4)
    rows = []
    for i in range(ROWS):
        count = 0 if i % 9 == 4 else int(rng.integers(1, 7))
        chunks = [
            {
                "page": int(rng.integers(0, 12)),
                "lang": "en" if rng.random() < 0.6 else "de",
                "vector": (rng.integers(-64, 64, DIM) / 32).astype(np.float32).tolist(),
                "half": (rng.integers(-64, 64, DIM) / 32).astype(np.float32).tolist(),
            }
            for _ in range(count)
        ]
        rows.append({"id": i, "kind": i % 4, "year": 2000 + i % 20, "chunks": chunks})
    return rows


def schema(metric):
    return Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("kind", elanus.INT64),
            Field("year", elanus.INT64),
            Field(
                "chunks",
                ARRAY,
                element_type=STRUCT,
                struct=[
                    Field("page", elanus.INT64),
                    Field("lang", elanus.VARCHAR),
                    Field("vector", elanus.FLOAT_VECTOR, dim=DIM, metric=metric),
                    Field("half", elanus.FLOAT16_VECTOR, dim=DIM, metric=metric),
                ],
            ),
        ]
    )


def score(metric, query, vector):
    a, b = np.asarray(query, dtype=np.float64), np.asarray(vector, dtype=np.float64)
    if metric == "L2":
        return float(((a - b) ** 2).sum())
    product = float(a @ b)
    return product / (np.linalg.norm(a) * np.linalg.norm(b)) if metric == "COSINE" else product


def every(metric, rows, part="vector", passes=lambda row: True, element=lambda chunk: True):
    """Return (id, place, score) of every element, best first."""
    found = [
        (row["id"], place, score(metric, QUERY, chunk[part]))
        for row in rows
        if passes(row)
        for place, chunk in enumerate(row["chunks"])
        if element(chunk)
    ]
    sign = 1 if metric == "L2" else -1
    return sorted(found, key=lambda one: (sign * one[2], one[0], one[1]))


def check(found, wanted):
    assert [(hit.id, hit.offset) for hit in found] == [one[:2] for one in wanted]
    assert [hit.score for hit in found] == pytest.approx([one[2] for one in wanted], abs=1e-4)


@pytest.fixture(params=["memory", "segments", "merged", "deleted"])
def state(request, tmp_path):
    """Return a function that makes a collection, and the rows that are visible in it."""
    rows = entities()

    def make(metric):
        db = elanus.connect(":memory:" if request.param == "memory" else tmp_path / metric)
        made = db.create_collection("books", schema(metric))
        made.insert(rows[:30])
        if request.param != "memory":
            made.flush()
        made.insert(rows[30:55])
        if request.param in ("segments", "merged"):
            made.flush()
        made.insert(rows[55:])
        left = rows
        if request.param == "merged":
            made.flush()
            made.compact()
        if request.param == "deleted":
            made.delete([2, 40, 41, 60])
            made.upsert([{**rows[5], "chunks": rows[6]["chunks"]}])
            left = [r for r in rows if r["id"] not in (2, 40, 41, 60, 5)]
            left.append({**rows[5], "chunks": rows[6]["chunks"]})
        return made, left

    return make


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_every_element_is_a_hit(state, metric):
    collection, rows = state(metric)
    for part in ("vector", "half"):
        options = {"field": f"chunks[{part}]", "per_element": True}
        wanted = every(metric, rows, part)
        check(collection.search(QUERY, limit=15, **options), wanted[:15])
        check(collection.search(QUERY, limit=1000, **options), wanted)
        check(collection.search(QUERY, limit=9, offset=4, **options), wanted[4:13])
        some = every(metric, rows, part, lambda row: row["kind"] == 1)
        check(collection.search(QUERY, limit=8, filter="kind == 1", **options), some[:8])
    hit = collection.search(QUERY, "chunks[vector]", 1, per_element=True)[0]
    (entity,) = [row for row in rows if row["id"] == hit.id]
    assert hit.entity["chunks"][hit.offset]["page"] == entity["chunks"][hit.offset]["page"]
    assert hit.explanation.legs[0].score == hit.score
    assert hit.explanation.legs[0].rank == 1


@pytest.mark.parametrize("metric", ["COSINE", "L2"])
def test_element_filter_chooses_elements_and_match_any_entities(state, metric):
    collection, rows = state(metric)
    options = {"field": "chunks[vector]", "per_element": True, "limit": 1000}
    found = collection.search(QUERY, filter="element_filter(chunks, $[page] > 5)", **options)
    check(found, every(metric, rows, element=lambda chunk: chunk["page"] > 5))
    pages, english = (
        "element_filter(chunks, $[page] > 5)",
        "element_filter(chunks, $[lang] == 'en')",
    )
    found = collection.search(QUERY, filter=f"kind < 3 and {pages} and {english}", **options)
    wanted = every(
        metric,
        rows,
        passes=lambda row: row["kind"] < 3,
        element=lambda chunk: chunk["page"] > 5 and chunk["lang"] == "en",
    )
    check(found, wanted)
    assert wanted
    # Asked again: what was remembered of elements is not taken for rows.
    condition = "element_filter(chunks, $[page] > 5)"
    assert collection.count(condition) == sum(
        any(chunk["page"] > 5 for chunk in row["chunks"]) for row in rows
    )
    check(collection.search(QUERY, filter=condition, **options),
          every(metric, rows, element=lambda chunk: chunk["page"] > 5))  # fmt: skip
    rows_with = every(
        metric, rows, passes=lambda row: any(chunk["page"] > 5 for chunk in row["chunks"])
    )
    check(collection.search(QUERY, filter="match_any(chunks, $[page] > 5)", **options), rows_with)
    either = collection.search(QUERY, filter=f"{condition} or kind == 9", **options)
    check(either, rows_with)


@pytest.mark.parametrize("hidden", [None, "year > 2005"])
def test_an_explained_search_counts_the_rows_whose_elements_are_chosen(state, hidden):
    collection, rows = state("IP")
    condition = "element_filter(chunks, $[page] > 5)"
    options = {"field": "chunks[vector]", "per_element": True, "explain": True}
    seen = collection if hidden is None else collection.restricted(hidden)
    found = seen.search(QUERY, filter=f"kind < 3 and {condition}", **options)
    visible = [row for row in rows if hidden is None or row["year"] > 2005]
    passing = {
        "kind < 3": sum(row["kind"] < 3 for row in visible),
        condition: sum(any(chunk["page"] > 5 for chunk in row["chunks"]) for row in visible),
    }
    plans = found.explanation.filters
    assert {p.filter: sum(source.allowed for source in p.sources) for p in plans} == passing


def test_groups_by_key_are_entities(state):
    collection, rows = state("COSINE")
    wanted = every("COSINE", rows)
    options = {"field": "chunks[vector]", "per_element": True}
    for size in (1, 3):
        groups = {}
        for one in wanted:
            groups.setdefault(one[0], []).append(one)
        firsts = [*groups.items()][:12]
        found = collection.search(QUERY, limit=12, group_by="id", group_size=size, **options)
        assert [group.value for group in found.groups] == [pk for pk, _ in firsts]
        check(found, [one for _, ones in firsts for one in ones[:size]])
    once = collection.search(QUERY, "chunks[vector]", 12)
    grouped = collection.search(QUERY, limit=12, group_by="id", **options)
    assert [(h.id, h.offset) for h in once] == [(h.id, h.offset) for h in grouped]


def test_bounds_rankers_and_batches(state):
    collection, rows = state("COSINE")
    options = {"field": "chunks[vector]", "per_element": True}
    inside = [one for one in every("COSINE", rows) if 0.1 < one[2] <= 0.5]
    found = collection.search(QUERY, limit=1000, radius=0.1, range_filter=0.5, **options)
    check(found, inside)
    years = {row["id"]: row["year"] for row in rows}
    decay = Decay("year", "exp", origin=2010, scale=3)
    wanted = sorted(
        [
            (pk, place, s * math.exp(math.log(0.5) * abs(years[pk] - 2010) / 3) * (1 + (pk % 2)))
            for pk, place, s in every("COSINE", rows)
        ],
        key=lambda one: (-one[2], one[0], one[1]),
    )
    chain = [decay, Boost("id % 2 == 1", weight=2.0)]
    found = collection.search(QUERY, limit=10, ranker=chain, candidates="exact", **options)
    check(found, wanted[:10])
    many = collection.search([QUERY, -QUERY], limit=5, **options)
    check(many[0], every("COSINE", rows)[:5])
    assert many[1].ids == collection.search(-QUERY, limit=5, **options).ids


def test_legs_of_one_struct_are_joined_by_element(state):
    collection, rows = state("COSINE")
    first = {one[:2]: one[2] for one in every("COSINE", rows)}
    second = {one[:2]: one[2] for one in every("COSINE", rows, "half")}
    wanted = sorted(
        [(*key, first[key] + second[key]) for key in first],
        key=lambda one: (-round(one[2], 6), one[0], one[1]),
    )
    legs = [Leg(f"chunks[{part}]", QUERY, limit=1000) for part in ("vector", "half")]
    found = collection.hybrid_search(legs, ByScore("sum"), limit=20, per_element=True)
    check(found, wanted[:20])
    condition = "element_filter(chunks, $[lang] == 'de')"
    german = {
        (row["id"], place)
        for row in rows
        for place, chunk in enumerate(row["chunks"])
        if chunk["lang"] == "de"
    }
    found = collection.hybrid_search(
        legs, ByScore("sum"), limit=20, per_element=True, filter=condition
    )
    check(found, [one for one in wanted if one[:2] in german][:20])


def test_plain_lists_and_an_index(tmp_path):
    rng = np.random.default_rng(0)
    with elanus.connect(tmp_path) as db:
        field = Field(
            "tokens", ARRAY, element_type=elanus.FLOAT_VECTOR, dim=DIM, metric="IP", nullable=True
        )
        made = db.create_collection("c", Schema([Field("id", elanus.INT64, primary=True), field]))
        lists = [rng.normal(size=(4, DIM)).astype(np.float32) for _ in range(300)]
        made.insert([{"id": i, "tokens": None if i % 50 == 7 else v} for i, v in enumerate(lists)])
        made.flush()
        made.create_index("tokens", "GRAPH")
        found = made.search(QUERY, "tokens", 20, per_element=True, recall=0.99)
        every = [
            (i, place, float(v @ QUERY))
            for i, vectors in enumerate(lists)
            if i % 50 != 7
            for place, v in enumerate(vectors)
        ]
        wanted = sorted(every, key=lambda one: -one[2])[:20]
        assert len({(h.id, h.offset) for h in found} & {one[:2] for one in wanted}) >= 19
        exact = made.search(QUERY, "tokens", 20, per_element=True, recall=1.0)
        check(exact, wanted)


def test_what_does_not_fit():
    with elanus.connect(":memory:") as db:
        lists = db.create_collection(
            "lists",
            Schema(
                [
                    Field("id", elanus.INT64, primary=True),
                    Field("v", elanus.FLOAT_VECTOR, dim=DIM),
                    Field(
                        "tokens", ARRAY, element_type=elanus.FLOAT_VECTOR, dim=DIM,
                        metric="MAX_SIM_IP",
                    ),
                ]
            ),
        )  # fmt: skip
        with pytest.raises(InvalidArgumentError, match="expected a field of lists of vectors"):
            lists.search(QUERY, "v", per_element=True)
        with pytest.raises(InvalidArgumentError, match=r"compared as a whole .*declare it with IP"):
            lists.search(QUERY, "tokens", per_element=True)


@pytest.mark.parametrize("metric", ["COSINE", "L2"])
@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_an_iterator_gives_every_element_once_in_order(state, metric, batch_size):
    collection, rows = state(metric)
    options = {"per_element": True, "recall": 1.0, "batch_size": batch_size}
    for filter, passes, element in (
        (None, lambda row: True, lambda chunk: True),
        ("kind == 1", lambda row: row["kind"] == 1, lambda chunk: True),
        (
            "year > 2004 and element_filter(chunks, $[page] > 5)",
            lambda row: row["year"] > 2004,
            lambda chunk: chunk["page"] > 5,
        ),
    ):
        wanted = every(metric, rows, passes=passes, element=element)
        batches = [*collection.search_iterator(QUERY, "chunks[vector]", filter=filter, **options)]
        check([hit for batch in batches for hit in batch], wanted)
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
        for batch in batches[:3]:
            for hit in batch:
                (entity,) = [row for row in rows if row["id"] == hit.id]
                assert hit.entity["year"] == entity["year"]
                assert (
                    hit.entity["chunks"][hit.offset]["page"]
                    == (entity["chunks"][hit.offset]["page"])
                )
                assert hit.explanation.legs[0].score == hit.score


def test_an_iterator_over_elements_goes_on_after_its_token(state):
    collection, rows = state("COSINE")
    wanted = every("COSINE", rows)
    options = {"per_element": True, "recall": 1.0, "batch_size": 10}
    first = collection.search_iterator(QUERY, "chunks[vector]", **options)
    check(next(first), wanted[:10])
    check(next(first), wanted[10:20])
    again = collection.search_iterator(QUERY, "chunks[vector]", token=first.token, **options)
    check(next(again), wanted[20:30])


@pytest.mark.parametrize("metric", ["COSINE", "L2"])
@pytest.mark.parametrize("filter", [None, "kind != 2 and element_filter(chunks, $[page] > 5)"])
def test_why_not_speaks_of_the_best_element(state, metric, filter):
    collection, rows = state(metric)
    limit = 12
    everything = every(metric, rows)
    allowed = everything
    if filter is not None:
        allowed = every(
            metric,
            rows,
            passes=lambda row: row["kind"] != 2,
            element=lambda chunk: chunk["page"] > 5,
        )
    asked = {"field": "chunks[vector]", "limit": limit, "per_element": True, "filter": filter}
    for row in rows:
        told = collection.why_not(row["id"], QUERY, **asked)
        own = [(rank, one) for rank, one in enumerate(allowed, 1) if one[0] == row["id"]]
        nearest = [one for one in everything if one[0] == row["id"]]
        (leg,) = told.legs
        if own:
            rank, (_, place, value) = own[0]
            assert (told.offset, leg.rank) == (place, rank)
            assert leg.score == pytest.approx(value, abs=1e-4)
            assert told.cause == ("hit" if rank <= limit else "limit")
            if rank <= limit:
                assert told.rank == rank
                assert told.explanation.legs[0].rank == rank
            else:
                assert f"limit={rank} reaches it" in str(told)
        elif row["kind"] == 2 and filter is not None:
            assert told.cause == "filter"
            assert told.offset == (nearest[0][1] if nearest else None)
            assert any("kind is 2" in said for said in leg.failed)
        elif not nearest:
            assert (told.cause, told.offset, leg.score) == ("null", None, None)
        else:
            assert (told.cause, told.offset) == ("filter", nearest[0][1])
            assert leg.failed == ("element_filter(chunks, $[page] > 5)",)


def test_why_not_of_elements_in_groups_and_legs(state):
    collection, rows = state("COSINE")
    best = every("COSINE", rows)
    groups = list(dict.fromkeys(one[0] for one in best))
    asked = {"field": "chunks[vector]", "per_element": True, "group_by": "id", "recall": 1.0}
    for pk in (groups[0], groups[4], groups[5], groups[-1]):
        told = collection.why_not(pk, QUERY, limit=5, **asked)
        assert told.cause == ("hit" if groups.index(pk) < 5 else "group_limit")
        assert told.group.value == pk
        assert told.group.rank == groups.index(pk) + 1
        assert told.offset == next(one[1] for one in best if one[0] == pk)
    legs = [Leg("chunks[vector]", QUERY), Leg("chunks[half]", QUERY)]
    found = collection.hybrid_search(legs, ByScore("sum"), limit=5, per_element=True)
    for rank, hit in enumerate(found, 1):
        if hit.id in found.ids[: rank - 1]:
            continue
        told = collection.why_not(
            hit.id, legs=legs, fusion=ByScore("sum"), limit=5, per_element=True
        )
        assert (told.cause, told.rank, told.offset) == ("hit", rank, hit.offset)
        assert told.score == pytest.approx(hit.score)


CHOICES = {
    "element_filter(chunks, $[page] >= 6)": (lambda r: True, lambda c: c["page"] >= 6),
    "kind in [1, 2] and element_filter(chunks, $[lang] == 'de')": (
        lambda r: r["kind"] in (1, 2),
        lambda c: c["lang"] == "de",
    ),
    "kind != 3 and (element_filter(chunks, $[lang] == 'en') and year > 2004)": (
        lambda r: r["kind"] != 3 and r["year"] > 2004,
        lambda c: c["lang"] == "en",
    ),
    "element_filter(chunks, $[page] > 3) and element_filter(chunks, $[lang] == 'de')": (
        lambda r: True,
        lambda c: c["page"] > 3 and c["lang"] == "de",
    ),
}


@pytest.mark.parametrize("text", CHOICES)
@pytest.mark.parametrize("flushed", [False, True])
def test_a_query_of_elements(tmp_path, text, flushed):
    rows = entities()
    passes, meets = CHOICES[text]
    with elanus.connect(tmp_path / "kb") as db:
        made = db.create_collection("books", schema("COSINE"))
        made.insert(rows[:40])
        if flushed:
            made.flush()
        made.insert(rows[40:])
        made.delete(filter="id in [3, 41, 50]")
        for order, key in (((), lambda r: r["id"]), ("year desc", lambda r: (-r["year"], r["id"]))):
            left = [row for row in rows if row["id"] not in (3, 41, 50) and passes(row)]
            wanted = [
                (row["id"], place, row["kind"])
                for row in sorted(left, key=key)
                for place, chunk in enumerate(row["chunks"])
                if meets(chunk)
            ]
            last = len(wanted) - 1
            for limit, offset in ((None, 0), (5, 0), (7, 4), (3, last), (2, 999), (0, 0)):
                got = made.query(
                    text, ["kind"], limit=limit, offset=offset, order_by=order, per_element=True
                )
                stop = None if limit is None else offset + limit
                found = [(row["id"], row["$offset"], row["kind"]) for row in got]
                assert found == wanted[offset:stop]
            # The order is that of the keys here.
            batches = made.query_iterator(text, ["kind"], batch_size=7, per_element=True)
            first = [*next(batches)]
            again = made.query_iterator(
                text, ["kind"], batch_size=7, per_element=True, token=batches.token
            )
            for left in (batches, again):
                pages = [first, *left]
                assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
                found = [(r["id"], r["$offset"], r["kind"]) for page in pages for r in page]
                assert found == sorted(wanted)
        (few,) = made.query_iterator(text, ["kind"], limit=3, per_element=True)
        assert few == made.query(text, ["kind"], limit=3, per_element=True)
        with pytest.raises(InvalidArgumentError, match="another request"):
            made.query_iterator(text, ["kind"], batch_size=7, token=batches.token)
        assert all("$offset" not in row for row in made.query(text))


def test_a_page_of_elements_passes_rows_that_meet_two_conditions_in_two_elements(tmp_path):
    def chunk(page, lang):
        return {"page": page, "lang": lang, "vector": [1.0] * DIM, "half": [1.0] * DIM}

    apart = [chunk(9, "en"), chunk(1, "de")]
    rows = [
        {"id": i, "kind": 0, "year": 2000, "chunks": [*apart, chunk(8, "de")][: 3 if i > 4 else 2]}
        for i in range(9)
    ]
    with elanus.connect(tmp_path / "kb") as db:
        made = db.create_collection("books", schema("COSINE"))
        made.insert(rows)
        text = "element_filter(chunks, $[page] > 3) and element_filter(chunks, $[lang] == 'de')"
        got = made.query(text, ["id"], limit=2, offset=1, per_element=True)
        assert got == [{"id": 6, "$offset": 2}, {"id": 7, "$offset": 2}]


@pytest.mark.parametrize(
    "text", [None, "kind == 1", "kind == 1 or element_filter(chunks, $[page] >= 6)"]
)
def test_a_query_of_elements_that_chooses_none(tmp_path, text):
    with elanus.connect(tmp_path / "kb") as db:
        made = db.create_collection("books", schema("COSINE"))
        made.insert(entities())
        assert made.query(text, per_element=True, limit=9) == made.query(text, limit=9)
        assert next(made.query_iterator(text, batch_size=9, per_element=True)) == made.query(
            text, limit=9
        )


def test_a_search_of_elements_reads_conditions_within_conditions(tmp_path):
    rows = entities()
    with elanus.connect(tmp_path / "kb") as db:
        made = db.create_collection("books", schema("COSINE"))
        made.insert(rows)
        hits = made.search(
            QUERY,
            field="chunks[vector]",
            per_element=True,
            limit=ROWS,
            filter="kind != 0 and (year > 2003 and element_filter(chunks, $[lang] == 'de'))",
        )
        left = [row for row in rows if row["kind"] != 0 and row["year"] > 2003]
        check(hits, every("COSINE", left, element=lambda c: c["lang"] == "de")[:ROWS])
