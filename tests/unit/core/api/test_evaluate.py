"""``Collection.evaluate``: what queries are worth, how sure that is, and what is wrong."""

import numpy as np
import pytest

import elanus
from elanus import RRF, Leg
from elanus.errors import InvalidArgumentError
from elanus.plugins import get_embedder
from support.ir_metrics import ndcg
from support.judged import embedded_schema, entities, judged_schema, queries

ASKED, JUDGED = queries()


@pytest.fixture(scope="module")
def collection():
    with elanus.connect(":memory:") as db:
        made = db.create_collection("judged", judged_schema())
        made.insert(entities())
        yield made


def test_one_field_is_searched_as_a_user_would(collection):
    found = collection.evaluate(ASKED, JUDGED, fields="bm25", metrics=["ndcg@5", "recall@20"])
    wanted = [collection.search(query["bm25"], "bm25", 20).ids for query in ASKED.values()]
    assert [list(ranking) for ranking in found.rankings] == wanted
    gains = JUDGED.values()
    values = [ndcg(ids, own, 5) for ids, own in zip(wanted, gains, strict=True)]
    assert found.of("ndcg@5") == pytest.approx(values)
    assert found.mean("ndcg@5") == pytest.approx(np.mean(values))
    shares = [len(set(ids) & set(own)) / len(own) for ids, own in zip(wanted, gains, strict=True)]
    assert found.of("recall@20") == pytest.approx(shares)
    low, high = found.estimates["ndcg@5"][1:]
    assert low < found.mean("ndcg@5") < high


def test_several_fields_are_a_hybrid_search(collection):
    fusion = RRF(20, weights={"dense": 1, "bm25": 3})
    found = collection.evaluate(ASKED, JUDGED, fusion=fusion)
    first = ASKED["q0"]
    legs = [Leg("dense", first["dense"]), Leg("bm25", first["bm25"])]
    assert list(found.rankings[0]) == collection.hybrid_search(legs, fusion, 100).ids
    assert found.title.startswith("dense + bm25, RRF(k=20")
    assert found.metrics == ("ndcg@10", "mrr@10", "recall@10", "recall@100")
    assert found.queries == tuple(ASKED)
    with pytest.raises(InvalidArgumentError, match="only 'bm25' is searched"):
        collection.evaluate(ASKED, JUDGED, fields=["bm25"], fusion=fusion)


def test_the_table_has_a_row_for_each_query(collection):
    found = collection.evaluate(ASKED, JUDGED, fields="dense", metrics=["mrr@10"])
    rows = found.per_query()
    assert [row["query"] for row in rows] == list(ASKED)
    assert [row["mrr@10"] for row in rows] == found.of("mrr@10").tolist()
    assert all(row["ms"] > 0 and len(row["hits"]) == 10 for row in rows)
    worst = found.worst(count=3)
    assert [row["mrr@10"] for row in worst] == sorted(found.of("mrr@10"))[:3]
    assert found.latency.p50 <= found.latency.p95 <= found.latency.p99
    assert found.latency.mean == pytest.approx(found.times_ms.mean())
    with pytest.raises(InvalidArgumentError, match=r"'ndcg@10' was not measured; .* mrr@10"):
        found.of("ndcg@10")


def test_two_evaluations_are_compared_query_by_query(collection):
    dense = collection.evaluate(ASKED, JUDGED, fields="dense")
    both = collection.evaluate(ASKED, JUDGED)
    gap = both.compare(dense)["recall@10"]
    gaps = both.of("recall@10") - dense.of("recall@10")
    assert gap.mean == pytest.approx(gaps.mean())
    assert (gap.wins, gap.losses) == ((gaps > 0).sum(), (gaps < 0).sum())
    assert dense.compare(dense)["ndcg@10"].mean == 0
    few = collection.evaluate(dict(list(ASKED.items())[:-1]), {"q0": JUDGED["q0"]}, fields="dense")
    with pytest.raises(InvalidArgumentError, match="only one has 'q1'"):
        both.compare(few)


def test_texts_are_embedded_all_at_once(collection):
    texts = {name: query["bm25"] for name, query in ASKED.items()}
    embedder = get_embedder("hash", dim=16)
    calls = []

    class Counting:
        info = embedder.info

        def embed_documents(self, given):
            return embedder.embed_documents(given)

        def embed_queries(self, given):
            calls.append(len(given))
            return embedder.embed_queries(given)

    found = collection.evaluate(texts, JUDGED, embedder=Counting())
    assert found.title.startswith("dense + bm25")
    assert calls == [len(ASKED)]
    assert found.embedding_ms > 0
    (vector,) = embedder.embed_queries([texts["q3"]])
    legs = [Leg("dense", vector), Leg("bm25", texts["q3"])]
    assert list(found.rankings[3]) == collection.hybrid_search(legs, limit=100).ids
    assert collection.evaluate(texts, JUDGED).title == "bm25"
    with pytest.raises(InvalidArgumentError, match="pass embedder="):
        collection.evaluate(texts, JUDGED, fields="dense")


def test_a_field_with_a_model_takes_texts():
    with elanus.connect(":memory:") as db:
        made = db.create_collection("embedded", embedded_schema())
        made.insert([{"id": e["id"], "text": e["text"]} for e in entities()])
        texts = {name: query["bm25"] for name, query in ASKED.items()}
        found = made.evaluate(texts, JUDGED)
        assert found.title.startswith("dense + bm25")
        legs = [Leg("dense", texts["q1"]), Leg("bm25", texts["q1"])]
        assert list(found.rankings[1]) == made.hybrid_search(legs, limit=100).ids


def test_whatever_answers_can_be_measured(collection):
    def search(query):
        return collection.search(query["bm25"], "bm25", 10)

    keys = collection.evaluate(ASKED, JUDGED, search=lambda query: search(query).ids)
    hits = collection.evaluate(ASKED, JUDGED, search=lambda query: list(search(query)))
    whole = collection.evaluate(ASKED, JUDGED, search=search)
    plain = collection.evaluate(ASKED, JUDGED, fields="bm25", metrics=["ndcg@10"])
    assert keys.rankings == hits.rankings == whole.rankings == plain.rankings
    assert keys.mean("ndcg@10") == plain.mean("ndcg@10")


def test_ids_that_are_not_there_are_named(collection):
    judged = {**JUDGED, "q0": {**JUDGED["q0"], 777: 1, 888: 2}}
    with pytest.raises(InvalidArgumentError, match=r"no such entity: 777, 888; pass ignore_miss"):
        collection.evaluate(ASKED, judged, fields="bm25")
    found = collection.evaluate(ASKED, judged, fields="bm25", ignore_missing=True)
    plain = collection.evaluate(ASKED, JUDGED, fields="bm25")
    assert found.of("recall@100")[0] == pytest.approx(plain.of("recall@100")[0] * 10 / 12)
    with pytest.raises(InvalidArgumentError, match="no such query: 'q99'"):
        collection.evaluate(ASKED, {**JUDGED, "q99": {1: 1}}, fields="bm25")
    with pytest.raises(InvalidArgumentError, match="'q5' has nothing for field 'dense'"):
        collection.evaluate({**ASKED, "q5": {"bm25": "topic5"}}, JUDGED)
    with pytest.raises(elanus.errors.FieldNotFoundError, match="no field 'bm52'"):
        collection.evaluate(ASKED, JUDGED, fields="bm52")


def test_queries_without_judgements_are_left_out_and_said(collection):
    judged = {name: gains for name, gains in JUDGED.items() if name != "q7"}
    found = collection.evaluate(ASKED, judged, fields="bm25")
    assert found.left_out == ("q7",)
    assert "not asked: 'q7'" in str(found)
    assert len(found.queries) == len(ASKED) - 1


def test_a_picture_shows_every_evaluation(collection, tmp_path):
    dense = collection.evaluate(ASKED, JUDGED, fields="dense", metrics=["ndcg@10", "mrr@10"])
    both = collection.evaluate(ASKED, JUDGED, metrics=["ndcg@10", "mrr@10"])
    file = tmp_path / "plot.svg"
    both.plot(file, dense)
    picture = file.read_text("utf-8")
    assert picture.startswith("<svg")
    assert picture.endswith("</svg>\n")
    assert picture.count("<polyline") == 2
    assert picture.count("<circle") == 2 + 2 * 2  # a title and two intervals each
    assert "dense + bm25" in picture
    assert "mrr@10" in picture
    other = collection.evaluate(ASKED, JUDGED, fields="dense")
    with pytest.raises(InvalidArgumentError, match="expected the metrics ndcg@10, mrr@10"):
        both.plot(file, other)
