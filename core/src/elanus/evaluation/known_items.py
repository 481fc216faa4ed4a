"""What can be asked where nobody has judged anything?

Queries for known items: words of an entity's own text, as somebody might recall them who looks for
it. The entity is the one right answer. Words are drawn by how often the text has them and how few
others do, and now and then one of another text, for people misremember.

Source: Azzopardi, de Rijke and Balog, "Building simulated queries for known-item topics", SIGIR
2007, the mixture of popular and discriminative selection with noise.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from elanus.types import PrimaryKey

MIN_WORDS, MAX_WORDS = 3, 7
"""Words of a query, as many as people type."""
NOISE = 0.1
"""Share of words that come from another text."""
_WORD = re.compile(r"[^\W\d_]\w+")


def known_item_queries(
    keys: Sequence[PrimaryKey], texts: Sequence[str], count: int, seed: int
) -> tuple[dict[str, str], dict[str, dict[PrimaryKey, float]]]:
    """Return queries by id, and the entity that each is about.

    Args:
        keys: Of the entities that queries may be about; the counts of words are theirs too.
        texts: Of the same entities.
        count: Queries wanted; there are fewer where there are fewer texts with enough words.
        seed: Same seed, same queries.
    """
    rng = np.random.default_rng(seed)
    words = [Counter(word.lower() for word in _WORD.findall(text)) for text in texts]
    holders = Counter(word for counted in words for word in counted)
    usable = [row for row, counted in enumerate(words) if len(counted) >= MIN_WORDS]
    chosen = rng.permutation(len(usable))[:count].tolist()
    queries: dict[str, str] = {}
    judged: dict[str, dict[PrimaryKey, float]] = {}
    for place in chosen:
        row = usable[place]
        other = words[usable[int(rng.integers(len(usable)))]]
        text = _query(words[row], other, holders, len(texts), rng)
        queries[f"item-{keys[row]}"] = text
        judged[f"item-{keys[row]}"] = {keys[row]: 1.0}
    return queries, judged


def _query(
    counted: Counter[str],
    other: Counter[str],
    holders: Counter[str],
    num_texts: int,
    rng: np.random.Generator,
) -> str:
    """Return words of a text, some of them of another one."""
    size = min(int(rng.integers(MIN_WORDS, MAX_WORDS + 1)), len(counted))
    names = sorted(counted)
    weights = np.array([counted[w] * math.log((num_texts + 1) / holders[w]) for w in names])
    # A word that every text has still has a chance: there may be no others.
    weights = np.maximum(weights, 1e-9)
    picked = rng.choice(len(names), size=size, replace=False, p=weights / weights.sum())
    query = [names[i] for i in picked.tolist()]
    strange = sorted(other)
    for place in np.flatnonzero(rng.random(size) < NOISE).tolist():
        query[place] = strange[int(rng.integers(len(strange)))]
    return " ".join(query)
