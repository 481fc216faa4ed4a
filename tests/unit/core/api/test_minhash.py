"""Near-duplicates of texts, against Python sets."""

import itertools
import math

import numpy as np
import pytest

import elanus
from elanus import BM25, Field, Leg, MinHash, Schema
from elanus.errors import EntityError, InvalidArgumentError, SchemaError

WORDS = [f"word{i}" for i in range(400)]


def passages(count, seed=0, length=60):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, length)) for _ in range(count)]


def edited(text, share, seed):
    """The text with a share of its words replaced."""
    rng = np.random.default_rng(seed)
    words = text.split()
    for place in rng.choice(len(words), round(share * len(words)), replace=False):
        words[place] = f"other{rng.integers(1_000)}"
    return " ".join(words)


def shingles(text, size=3):
    words = text.split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def jaccard(one, other):
    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right)


def schema(**options):
    return Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("text", elanus.VARCHAR, analyzer="standard", nullable=True),
            Field("kind", elanus.INT64, default=0),
            Field("shingles", elanus.BINARY_VECTOR, source=MinHash("text", **options)),
        ]
    )


def rows(texts, first=0):
    return [{"id": first + i, "text": t, "kind": i % 3} for i, t in enumerate(texts)]


@pytest.fixture(scope="module")
def corpus():
    """1,500 passages; the first 100 have near-duplicates of three degrees."""
    texts = passages(1_500)
    copies = [edited(t, s, i) for i, t in enumerate(texts[:100]) for s in (0.02, 0.1, 0.2)]
    return [*texts, *copies]


@pytest.fixture(scope="module")
def indexed(corpus):
    made = elanus.connect(":memory:").create_collection("c", schema())
    made.create_index("shingles", "MINHASH_LSH")
    made.insert(rows(corpus))
    made.flush()
    made.wait_indexed()
    return made


def test_similarity_is_that_of_the_sets_within_the_error_of_the_estimator(indexed, corpus):
    off = []
    for query in corpus[:40]:
        for hit in indexed.search(query, "shingles", limit=5, recall=1.0, output=["text"]):
            true = jaccard(query, hit.entity["text"])
            assert abs(hit.score - true) <= 5 * math.sqrt(true * (1 - true) / 256)
            off.append(hit.score - true)
    assert abs(np.mean(off)) < 0.005


def test_index_finds_the_near_duplicates_that_a_scan_finds(indexed, corpus):
    for i in range(100):
        exact = indexed.search(corpus[i], "shingles", limit=4, recall=1.0)
        found = indexed.search(corpus[i], "shingles", limit=4, ef=64)
        assert sorted(exact.ids) == [i, *range(1_500 + 3 * i, 1_503 + 3 * i)]
        # Below a similarity of 0.6 a pair in 5,000 shares no band.
        near = [(h.id, h.score) for h in exact if h.score > 0.6]
        assert [(h.id, h.score) for h in found][: len(near)] == near
        assert near[0] == (i, 1.0)
        assert len(near) >= 2


def test_explanation_says_how(indexed, corpus):
    step = indexed.search(corpus[0], "shingles", limit=4, ef=64).explanation.legs[0].steps[0]
    assert (step.method, step.ef) == ("bands", 64)
    assert 0.0 < step.recall <= 1.0
    exact = indexed.search(corpus[0], "shingles", limit=4, recall=1.0).explanation
    assert exact.legs[0].steps[0].method == "scan"


def test_recall_that_bands_cannot_promise_is_scanned_for():
    # Texts of few words all have a little in common, which no band finds.
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS[:30], 30)) for _ in range(600)]
    made = elanus.connect(":memory:").create_collection("c", schema(shingle_size=1))
    made.create_index("shingles", "MINHASH_LSH", {"bands": 8})
    made.insert(rows(texts))
    made.flush()
    made.wait_indexed()
    found = made.search(texts[0], limit=10)
    (step,) = found.explanation.legs[0].steps
    assert step.method == "scan"
    assert str(step).endswith("(MINHASH_LSH cannot promise recall 0.95)")
    assert found.ids == made.search(texts[0], limit=10, recall=1.0).ids
    assert made.search(texts[0], limit=10, ef=64).explanation.legs[0].recall < 0.9


def test_filters_ranges_groups_and_pages(indexed, corpus):
    query = corpus[7]
    every = indexed.search(query, "shingles", limit=1_800, recall=1.0)
    kind = {row["id"]: row["kind"] for row in rows(corpus)}
    wanted = [(h.id, h.score) for h in every if kind[h.id] == 1]
    for ef in (None, 50):
        found = indexed.search(query, "shingles", limit=4, filter="kind == 1", ef=ef)
        assert [h.score for h in found] == [score for _, score in wanted[:4]]
        assert all(kind[h.id] == 1 for h in found)
    near = indexed.search(query, "shingles", limit=50, radius=0.2)
    assert near.ids == [h.id for h in every if h.score > 0.2]
    middle = indexed.search(query, "shingles", limit=50, radius=0.2, range_filter=0.9)
    assert middle.ids == [h.id for h in every if 0.2 < h.score <= 0.9]
    groups = indexed.search(query, "shingles", limit=3, group_by="kind")
    assert sorted(kind[hit.id] for hit in groups) == [0, 1, 2]
    pages = indexed.search_iterator(query, "shingles", batch_size=3, limit=9, recall=1.0)
    ids = [hit.id for page in pages for hit in page]
    assert ids == every.ids[:9]


def test_hybrid_search_and_relevance(corpus):
    fields = [*schema().fields, Field("words", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text"))]
    made = elanus.connect(":memory:").create_collection("c", Schema(fields))
    made.insert(rows(corpus[:50]))
    legs = [Leg("shingles", corpus[3]), Leg("words", corpus[3])]
    assert made.hybrid_search(legs, limit=2).ids[0] == 3
    weighted = made.hybrid_search(legs, limit=2, fusion=elanus.Weighted(weights=(1.0, 0.0)))
    assert weighted[0].score == pytest.approx(1.0)
    # A text without a field goes to the keywords.
    assert made.search(corpus[3], limit=1).explanation.legs[0].field == "words"


def test_signatures_are_made_by_every_write(tmp_path, corpus):
    db = elanus.connect(tmp_path)
    made = db.create_collection("c", schema())
    made.insert(rows(corpus[:3]))
    before = {r["id"]: r["shingles"] for r in made.query(output=["shingles"])}
    made.upsert([{"id": 0, "text": corpus[9]}])
    made.upsert([{"id": 1, "kind": 7}], partial=True)
    made.upsert([{"id": 2, "text": corpus[8]}], partial=True)
    made.insert({"id": [3], "text": [corpus[9]]})
    made.flush()
    db.close()
    db = elanus.connect(tmp_path)
    made = db.collection("c")
    after = {r["id"]: r["shingles"] for r in made.query(output=["shingles"])}
    np.testing.assert_array_equal(after[1], before[1])
    np.testing.assert_array_equal(after[0], after[3])
    for key, text in ((0, 9), (1, 1), (2, 8)):
        assert key in made.search(corpus[text], limit=2, radius=0.99).ids
    for entity in ({"id": 4, "text": "x", "shingles": bytes(1024)}, {"id": 4, "shingles": None}):
        with pytest.raises(EntityError, match="computed from 'text' and cannot be given"):
            made.insert([entity])
    db.close()


def test_texts_without_words_and_without_text():
    made = elanus.connect(":memory:").create_collection("c", schema())
    made.insert([{"id": 1, "text": ""}, {"id": 2, "text": "one two"}, {"id": 3, "text": None}])
    assert [(h.id, h.score) for h in made.search("One  two!")] == [(2, 1.0), (1, 0.0), (3, 0.0)]
    fields = [f for f in schema().fields if f.name != "shingles"]
    fields.append(Field("shingles", elanus.BINARY_VECTOR, nullable=True, source=MinHash("text")))
    made = elanus.connect(":memory:").create_collection("c", Schema(fields))
    made.insert([{"id": 1, "text": ""}, {"id": 3, "text": None}])
    assert made.search("one two").ids == [1]
    assert made.get(3, output=["shingles"])[0]["shingles"] is None


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, True),
        ({"token_level": "char"}, False),
        ({"hash_function": "sha1"}, True),
        ({"shingle_size": 1}, True),
    ],
)
def test_what_is_a_member(options, same):
    made = elanus.connect(":memory:").create_collection("c", schema(**options))
    made.insert([{"id": 1, "text": "One two, three four!"}])
    (hit,) = made.search("one two three four")
    assert (hit.score == 1.0) is same
    (again,) = made.search("One two, three four!")
    assert again.score == 1.0
    # The same members in another order are the same set only where a member is one word.
    (hit,) = made.search("four three two one")
    assert (hit.score == 1.0) is (options == {"shingle_size": 1})


def test_seeds_and_hash_functions_have_nothing_in_common(corpus):
    made = {}
    for options in ({}, {"seed": 1}, {"hash_function": "sha1"}):
        one = elanus.connect(":memory:").create_collection("c", schema(**options))
        one.insert(rows(corpus[:1]))
        made[str(options)] = one.get(0, output=["shingles"])[0]["shingles"].view("<u4")
    for left, right in itertools.combinations(made.values(), 2):
        assert not (left == right).any()


def test_one_text_has_this_signature_for_ever():
    made = elanus.connect(":memory:").create_collection("c", schema(num_hashes=4))
    made.insert([{"id": 1, "text": "the quick brown fox jumps"}])
    signature = made.get(1, output=["shingles"])[0]["shingles"]
    assert signature.view("<u4").tolist() == [2718964074, 87445424, 1725642847, 1872266387]


def test_rows_have_the_analyzer_that_they_name():
    analyzer = {"by_field": "language", "analyzers": {"english": "english", "default": "standard"}}
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("language", elanus.VARCHAR),
        Field("text", elanus.VARCHAR, analyzer=analyzer),
        Field("shingles", elanus.BINARY_VECTOR, source=MinHash("text", shingle_size=1)),
    ]
    made = elanus.connect(":memory:").create_collection("c", Schema(fields))
    text = "cats running"
    made.insert([{"id": i, "language": n, "text": text} for i, n in enumerate(("english", "xx"))])
    stemmed, plain = made.query(output=["shingles"], order_by="id")
    assert not (stemmed["shingles"] == plain["shingles"]).all()
    # A query has the analyzer that it names, else the default one.
    assert [(h.id, h.score) for h in made.search("cat run", limit=1)] == [(0, 1.0)]
    assert made.search(text, limit=1).ids == [1]
    assert made.search(text, limit=1, analyzer_name="english").ids == [0]
    with pytest.raises(EntityError, match="'language' names the analyzer of 'shingles'"):
        made.upsert([{"id": 0, "text": "other"}], partial=True)
    with pytest.raises(InvalidArgumentError, match="has no analyzer 'englisch'"):
        made.search(text, limit=1, analyzer_name="englisch")


def test_merges_reopening_and_damage(tmp_path, corpus):
    db = elanus.connect(tmp_path)
    made = db.create_collection("c", schema())
    made.create_index("shingles", "MINHASH_LSH", {"mh_lsh_band": 32})
    for first in range(0, 900, 300):
        made.insert(rows(corpus[first : first + 300], first))
        made.flush()
    made.delete(list(range(100, 200)))
    made.compact()
    made.wait_indexed()
    db.close()
    db = elanus.connect(tmp_path)
    made = db.collection("c")
    (index,) = made.list_indexes()
    assert (index.type, index.params, index.indexed_rows) == ("MINHASH_LSH", {"bands": 32}, 800)
    found = made.search(corpus[5], limit=1, ef=32)
    assert (found.ids, found.explanation.legs[0].steps[0].method) == ([5], "bands")
    assert 105 not in made.search(corpus[105], limit=20, ef=32).ids
    db.close()
    (path,) = tmp_path.rglob("idx/*/shingles/*")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    db = elanus.connect(tmp_path)
    assert db.collection("c").search(corpus[5], limit=1, ef=32).ids == [5]
    db.close()


def test_export_leaves_out_what_the_import_makes_again(tmp_path, corpus):
    made = elanus.connect(":memory:").create_collection("c", schema())
    made.insert(rows(corpus[:20]))
    made.export_data(tmp_path / "c.jsonl")
    other = elanus.connect(":memory:").create_collection("d", schema())
    other.import_data(tmp_path / "c.jsonl")
    for row, same in zip(made.query(output=["*"]), other.query(output=["*"]), strict=True):
        np.testing.assert_array_equal(row["shingles"], same["shingles"])


def test_signatures_of_ones_own():
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("mine", elanus.BINARY_VECTOR, dim=64 * 16, metric="MHJACCARD_64"),
    ]
    made = elanus.connect(":memory:").create_collection("c", Schema(fields))
    rng = np.random.default_rng(1)
    values = rng.integers(0, 1 << 62, (300, 16)).astype("<u8")
    values[7, :12] = values[3, :12]
    made.insert([{"id": i, "mine": v.view(np.uint8)} for i, v in enumerate(values)])
    made.create_index("mine", "MINHASH_LSH", {"bands": 16})
    made.flush()
    made.wait_indexed()
    found = made.search(values[3].view(np.uint8), limit=2, ef=16)
    assert [(h.id, h.score) for h in found] == [(3, 1.0), (7, 0.75)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": MinHash("text"), "dim": 64}, None),
        ({"source": MinHash("text", num_hashes=4), "dim": 64}, "dim must be 128, got 64"),
        ({"source": MinHash("text"), "dim": 72}, "dim must be 64, got 72"),
        ({"source": MinHash("text"), "metric": "HAMMING"}, "does not fit"),
        ({"source": MinHash("nothing")}, "MinHash needs a VARCHAR field named 'nothing'"),
        ({"source": MinHash("plain")}, "has no analyzer"),
        ({"source": MinHash("plain", token_level="character")}, None),
        ({"dim": 40, "metric": "MHJACCARD"}, "a multiple of that, got 40"),
        ({"dim": 40, "metric": "MHJACCARD_8"}, None),
    ],
)
def test_fields_that_fit_and_that_do_not(options, message):
    fields = [
        Field("id", elanus.INT64, primary=True),
        Field("text", elanus.VARCHAR, analyzer="standard"),
        Field("plain", elanus.VARCHAR),
    ]

    def make():
        return Schema([*fields, Field("v", elanus.BINARY_VECTOR, **options)])

    if message is None:
        make()
        return
    with pytest.raises(SchemaError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_hashes": 0}, "num_hashes must be 1..8192, got 0"),
        ({"shingle_size": 1.5}, "shingle_size must be"),
        ({"seed": -1}, "seed must be"),
        ({"token_level": "line"}, "token_level must be 'word' or 'char'"),
        ({"hash_function": "md5"}, "hash_function must be one of xxhash, sha1"),
    ],
)
def test_parameters_are_checked(options, message):
    with pytest.raises(SchemaError, match=message):
        MinHash("text", **options)


def test_other_indexes_and_other_fields_are_refused(indexed):
    with pytest.raises(InvalidArgumentError, match="has no parameter 'nlist'; it takes bands"):
        indexed.create_index("shingles", "MINHASH_LSH", {"nlist": 4})
    with pytest.raises(SchemaError, match="BM25 fills a SPARSE_FLOAT_VECTOR"):
        Field("v", elanus.BINARY_VECTOR, dim=64, source=BM25("text"))
    with pytest.raises(SchemaError, match="MinHash fills a BINARY_VECTOR"):
        Field("v", elanus.FLOAT_VECTOR, dim=64, source=MinHash("text"))
    with pytest.raises(SchemaError, match="only k1 and b of its function"):
        indexed.alter_field("shingles", source=MinHash("text", seed=2))
    with pytest.raises(SchemaError, match="'shingles' is computed from it"):
        indexed.drop_field("text")


def test_mmr_compares_signatures(indexed, corpus):
    found = indexed.search(
        corpus[7], "shingles", limit=2, ranker=elanus.MMR(lambda_mult=0.0, fetch_k=5)
    )
    assert found.ids[0] == 7
    assert jaccard(corpus[7], corpus[found.ids[1]]) < 0.2
