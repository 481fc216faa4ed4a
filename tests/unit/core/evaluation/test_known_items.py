"""Queries that are made of texts."""

from elanus.evaluation.known_items import MAX_WORDS, MIN_WORDS, known_item_queries

TEXTS = [f"common words everywhere rare{i} special{i} unusual{i}" for i in range(60)]
KEYS = list(range(100, 160))


def test_words_are_those_of_the_text_and_mostly_its_own():
    queries, judged = known_item_queries(KEYS, TEXTS, 40, seed=1)
    assert len(queries) == 40
    own = 0
    for name, text in queries.items():
        (key,) = judged[name]
        words = text.split()
        assert MIN_WORDS <= len(words) <= MAX_WORDS
        known = set(TEXTS[key - 100].split())
        own += sum(word in known for word in words)
        assert len(set(words) & {f"{w}{key - 100}" for w in ("rare", "special", "unusual")}) >= 1
    total = sum(len(text.split()) for text in queries.values())
    assert 0.75 < own / total < 1  # one word in ten is of another text


def test_a_seed_repeats():
    assert known_item_queries(KEYS, TEXTS, 10, 3) == known_item_queries(KEYS, TEXTS, 10, 3)
    assert known_item_queries(KEYS, TEXTS, 10, 3) != known_item_queries(KEYS, TEXTS, 10, 4)


def test_texts_without_words_make_no_queries():
    queries, judged = known_item_queries([1, 2, 3], ["", "1 2 3", "one two"], 5, 0)
    assert queries == judged == {}
