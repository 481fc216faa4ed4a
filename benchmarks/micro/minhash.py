"""Are near-duplicates found as well and as quickly as with datasketch?

Passages, and of some of them a copy with a share of its words replaced. Both sides make signatures
of 256 elements of the same shingles of three words, and put them into 64 bands of 4; each copy is
asked for its original. Recall is that of pairs, by their true Jaccard similarity. Times are CPU
time, the two taking turns. The peer is installed with ``pip install datasketch``.

Run: ``python -m benchmarks.micro.minhash --rows 20000 --copies 2000``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import elanus
from benchmarks.datasets import load_passages
from benchmarks.machine import describe_run
from benchmarks.report import render, write_result

MODULE = "benchmarks.micro.minhash"
NUM_HASHES, BANDS, SHINGLE = 256, 64, 3
EDGES = (0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.01)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3)
CANDIDATES = 64
Found = list[set[int]]


def words_of(text: str) -> list[str]:
    """Return the words of a text as both sides see them."""
    return "".join(c.lower() if c.isalnum() else " " for c in text).split()


def edited(words: list[str], share: float, rng: np.random.Generator) -> list[str]:
    """Return words of which a share is replaced."""
    made = list(words)
    for place in rng.choice(len(words), max(1, round(share * len(words))), replace=False):
        made[place] = f"x{rng.integers(1 << 30)}"
    return made


def shingles(words: list[str]) -> set[str]:
    """Return the members of the set of a text."""
    return {" ".join(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))}


def of_elanus(texts: list[str], queries: list[str]) -> dict[str, Any]:
    """Insert, index and ask a collection in memory; return seconds and what is found."""
    field = elanus.Field
    schema = elanus.Schema(
        [
            field("id", elanus.INT64, primary=True),
            field("text", elanus.VARCHAR, analyzer="standard"),
            field(
                "signature",
                elanus.BINARY_VECTOR,
                source=elanus.MinHash("text", num_hashes=NUM_HASHES, shingle_size=SHINGLE),
            ),
        ]
    )
    collection = elanus.connect(":memory:").create_collection("passages", schema)
    started = time.process_time()
    collection.insert({"id": list(range(len(texts))), "text": texts})
    inserted = time.process_time()
    collection.create_index("signature", "MINHASH_LSH", {"bands": BANDS})
    collection.flush()
    collection.wait_indexed()
    built = time.process_time()

    def ask(**options: Any) -> tuple[float, Found]:
        before = time.process_time()
        found = [
            {hit.id for hit in collection.search(text, "signature", limit=10, output=[], **options)}
            for text in queries
        ]
        return time.process_time() - before, found

    seconds, found = ask(ef=CANDIDATES)
    exact_seconds, exact = ask(recall=1.0)
    return {
        "insert_s": inserted - started,
        "build_s": built - inserted,
        "query_s": seconds,
        "found": found,
        "scan_query_s": exact_seconds,
        "scan_found": exact,
    }


def of_datasketch(texts: list[str], queries: list[str]) -> dict[str, Any]:
    """The same with the peer; its answer is every row that shares a band."""
    from datasketch import MinHash, MinHashLSH

    def sign(text: str) -> Any:
        made = MinHash(num_perm=NUM_HASHES, seed=1)
        made.update_batch([one.encode() for one in shingles(text.split())])
        return made

    started = time.process_time()
    signed = [sign(text) for text in texts]
    inserted = time.process_time()
    table = MinHashLSH(num_perm=NUM_HASHES, params=(BANDS, NUM_HASHES // BANDS))
    for row, signature in enumerate(signed):
        table.insert(row, signature)
    built = time.process_time()
    found = [{int(row) for row in table.query(sign(text))} for text in queries]
    return {
        "insert_s": inserted - started,
        "build_s": built - inserted,
        "query_s": time.process_time() - built,
        "found": found,
    }


def recall_by_similarity(
    pairs: list[tuple[float, int]], found: Found, low: float, high: float
) -> tuple[int, float]:
    """Return how many pairs have such a similarity, and the share of them that was found."""
    hits = [
        original in some
        for (similarity, original), some in zip(pairs, found, strict=True)
        if low <= similarity < high
    ]
    return len(hits), float(np.mean(hits)) if hits else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--copies", type=int, default=2_000)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    words = [words_of(text) for text in load_passages(chosen.rows, 1).texts]
    words = [some for some in words if len(some) > SHINGLE]
    originals = rng.choice(len(words), chosen.copies, replace=False).tolist()
    copies = [edited(words[i], SHARES[n % len(SHARES)], rng) for n, i in enumerate(originals)]
    pairs = []
    for original, copy in zip(originals, copies, strict=True):
        left, right = shingles(words[original]), shingles(copy)
        pairs.append((len(left & right) / len(left | right), original))
    texts, queries = ([" ".join(some) for some in each] for each in (words, copies))
    systems: dict[str, Callable[[list[str], list[str]], dict[str, Any]]]
    systems = {"elanus": of_elanus, "datasketch": of_datasketch}
    measured = {name: run(texts, queries) for name, run in systems.items()}
    result: dict[str, Any] = {"benchmark": "minhash", **describe_run(MODULE)}
    result |= {"num_rows": len(texts), "num_hashes": NUM_HASHES, "bands": BANDS}
    result["times"] = [
        {
            "system": name,
            "texts_per_s": len(texts) / one["insert_s"],
            "build_cpu_s": one["build_s"],
            "query_us": 1e6 * one["query_s"] / len(queries),
        }
        for name, one in measured.items()
    ]
    result["scan_query_us"] = 1e6 * measured["elanus"]["scan_query_s"] / len(queries)
    result["recall"] = []
    for low, high in itertools.pairwise(EDGES):
        entry: dict[str, Any] = {"from": low, "to": min(high, 1.0)}
        for name, one in measured.items():
            entry["pairs"], entry[name] = recall_by_similarity(pairs, one["found"], low, high)
        entry["scan"] = recall_by_similarity(pairs, measured["elanus"]["scan_found"], low, high)[1]
        result["recall"].append(entry)
    file = write_result("minhash", result)
    print(render(result))
    print(f"written to {file}", file=sys.stderr)


if __name__ == "__main__":
    main()
