"""Run one system of the sparse benchmark in its own interpreter.

Reads one JSON command a line and answers each with one line. Only ``elanus`` is imported from the
workspace; the other systems get by with what ``peers/sparse.txt`` names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

K1, B = 1.2, 0.75


class Data:
    """Rows and queries of one of the two tasks, as arrays."""

    def __init__(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as stored:
            self.arrays = {name: stored[name] for name in stored.files}
        self.num_rows = len(self.arrays["row_offsets"]) - 1
        self.names: list[str] = self.arrays["names"].tolist()

    def row(self, kind: str, i: int) -> Any:
        """Return terms and weights of a row or a query."""
        offsets = self.arrays[f"{kind}_offsets"]
        span = slice(offsets[i], offsets[i + 1])
        return self.arrays[f"{kind}_terms"][span], self.arrays[f"{kind}_weights"][span]

    def query_words(self, i: int) -> list[str]:
        """Return the words of a query, as often as they occur."""
        terms, counts = self.row("query", i)
        return [self.names[t] for t, n in zip(terms, counts, strict=True) for _ in range(int(n))]

    def texts(self) -> list[list[str]]:
        """Return the words of each row, as often as they occur."""
        names = np.array(self.names, dtype=object)
        texts = []
        for i in range(self.num_rows):
            terms, counts = self.row("row", i)
            texts.append(np.repeat(names[terms], counts.astype(np.int64)).tolist())
        return texts


class ElanusBM25:
    """The keyword index of a sealed segment, statistics and weights included."""

    def build(self, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
        from elanus.analysis.registry import build_analyzer
        from elanus.index.sparse.bm25_weights import QueryTerms
        from elanus.index.sparse.growing_bm25 import GrowingBM25
        from elanus.schema.batches import strings_to_column

        self._is_text, self._terms = settings["text"], QueryTerms
        self._analyzer = build_analyzer({"tokenizer": "whitespace"})
        column = strings_to_column([" ".join(words) for words in data.texts()])
        started = time.process_time()
        index = GrowingBM25(self._analyzer)
        index.append(column)
        self._index = index.seal(data.num_rows)
        spent = time.process_time() - started
        packed = self._index.postings
        size = packed.data.nbytes + packed.entries.nbytes + packed.starts.nbytes
        return {"build_s": spent, "bytes_per_posting": size / len(data.arrays["row_terms"])}

    def prepare(self, data: Data, i: int) -> Any:
        if self._is_text:
            return " ".join(data.query_words(i))
        names = data.names
        terms, counts = data.row("query", i)
        return tuple(names[t] for t in terms), tuple(int(c) for c in counts)

    def search(self, query: Any, k: int) -> Any:
        if self._is_text:
            return self._index.search_text(query, self._analyzer, k, k1=K1, b=B).row_ids
        return self._index.search_alone(self._terms(*query), k, k1=K1, b=B).row_ids

    def ids(self, found: Any) -> list[int]:
        return [int(row) for row in found]


class ElanusSparse:
    """The sparse index of a sealed segment."""

    def build(self, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
        from elanus.index.sparse.inverted import GrowingSparse
        from elanus.schema.batches import SparseVectorColumn

        self._ratio = settings.get("drop_ratio_search", 0.0)
        column = SparseVectorColumn(
            data.arrays["row_offsets"],
            data.arrays["row_terms"].astype(np.uint32),
            data.arrays["row_weights"],
            None,
        )
        started = time.process_time()
        index = GrowingSparse()
        index.append(column)
        self._index = index.seal(data.num_rows)
        spent = time.process_time() - started
        packed = self._index.postings
        size = packed.data.nbytes + packed.entries.nbytes + packed.starts.nbytes
        return {"build_s": spent, "bytes_per_posting": size / len(data.arrays["row_terms"])}

    def prepare(self, data: Data, i: int) -> Any:
        terms, weights = data.row("query", i)
        return terms.astype(np.uint32), weights.copy()

    def search(self, query: Any, k: int) -> Any:
        terms, weights = query
        return self._index.search(terms, weights, k, drop_ratio_search=self._ratio).row_ids

    def ids(self, found: Any) -> list[int]:
        return [int(row) for row in found]


class Bm25s:
    """bm25s with its numba backend, on lists of words, or on texts for its own tokenizer."""

    def build(self, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
        import bm25s

        self._is_text, self._tokenize = settings["text"], bm25s.tokenize
        texts = data.texts()
        started = time.process_time()
        self._index = bm25s.BM25(method="lucene", k1=K1, b=B, backend="numba")
        self._index.index(texts, show_progress=False)
        return {"build_s": time.process_time() - started}

    def prepare(self, data: Data, i: int) -> Any:
        words = data.query_words(i)
        return " ".join(words) if self._is_text else [words]

    def search(self, query: Any, k: int) -> Any:
        if self._is_text:
            query = self._tokenize(
                query, lower=False, token_pattern=r"\S+", stopwords=[], show_progress=False
            )
        return self._index.retrieve(query, k=k, show_progress=False, n_threads=0)[0]

    def ids(self, found: Any) -> list[int]:
        return [int(row) for row in found[0]]


class Tantivy:
    """tantivy with one segment; the query is parsed in the timed call."""

    def build(self, data: Data, _: dict[str, Any]) -> dict[str, Any]:
        import tantivy

        texts = [" ".join(words) for words in data.texts()]
        started = time.process_time()
        schema = tantivy.SchemaBuilder()
        schema.add_integer_field("id", stored=True)
        schema.add_text_field("body", tokenizer_name="whitespace")
        self._index = tantivy.Index(schema.build())
        writer = self._index.writer(heap_size=1_000_000_000, num_threads=1)
        for i, text in enumerate(texts):
            writer.add_document(tantivy.Document(id=i, body=text))
        writer.commit()
        writer.wait_merging_threads()
        spent = time.process_time() - started
        self._index.reload()
        self._searcher = self._index.searcher()
        return {"build_s": spent}

    def prepare(self, data: Data, i: int) -> Any:
        return " ".join(data.query_words(i))

    def search(self, query: Any, k: int) -> Any:
        asked = self._index.parse_query(query, ["body"])
        return self._searcher.search(asked, limit=k, count=False).hits

    def ids(self, found: Any) -> list[int]:
        return [self._searcher.doc(address)["id"][0] for _, address in found]


class RankBm25:
    """rank-bm25's Okapi variant, which scores every row."""

    def build(self, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
        import rank_bm25

        self._is_text = settings["text"]
        texts = data.texts()
        started = time.process_time()
        self._index = rank_bm25.BM25Okapi(texts, k1=K1, b=B)
        return {"build_s": time.process_time() - started}

    def prepare(self, data: Data, i: int) -> Any:
        words = data.query_words(i)
        return " ".join(words) if self._is_text else words

    def search(self, query: Any, k: int) -> Any:
        if self._is_text:
            query = query.split()
        scores = self._index.get_scores(query)
        best = np.argpartition(-scores, k)[:k]
        return best[np.argsort(-scores[best])]

    def ids(self, found: Any) -> list[int]:
        return [int(row) for row in found]


class Scipy:
    """A matrix of weights with a column for each term."""

    def build(self, data: Data, _: dict[str, Any]) -> dict[str, Any]:
        from scipy import sparse

        started = time.process_time()
        arrays = data.arrays
        shape = (data.num_rows, int(arrays["num_terms"]))
        parts = (arrays["row_impacts"].astype(np.float32), arrays["row_terms"])
        matrix = sparse.csr_matrix((*parts, arrays["row_offsets"]), shape=shape)
        self._matrix = matrix.tocsc()
        return {"build_s": time.process_time() - started, "bytes_per_posting": 8.0}

    def prepare(self, data: Data, i: int) -> Any:
        terms, _ = data.row("query", i)
        span = slice(data.arrays["query_offsets"][i], data.arrays["query_offsets"][i + 1])
        return terms, data.arrays["query_impacts"][span].astype(np.float32)

    def search(self, query: Any, k: int) -> Any:
        scores = self._matrix[:, query[0]] @ query[1]
        best = np.argpartition(-scores, k)[:k]
        return best[np.argsort(-scores[best], kind="stable")]

    def ids(self, found: Any) -> list[int]:
        return [int(row) for row in found]


class Seismic:
    """pyseismic, approximate by design."""

    def build(self, data: Data, settings: dict[str, Any]) -> dict[str, Any]:
        import seismic

        self._settings = settings
        kind = seismic.get_seismic_string()
        names = np.array([str(t) for t in range(int(data.arrays["num_terms"]))], dtype=kind)
        self._names = names
        started = time.process_time()
        rows = seismic.SeismicDataset()
        for i in range(data.num_rows):
            terms, weights = data.row("row", i)
            rows.add_document(str(i), names[terms], weights)
        build = {name: settings[name] for name in ("n_postings", "summary_energy")}
        self._index = seismic.SeismicIndex.build_from_dataset(rows, num_threads=1, **build)
        return {"build_s": time.process_time() - started}

    def prepare(self, data: Data, i: int) -> Any:
        terms, weights = data.row("query", i)
        return self._names[terms], weights.copy()

    def search(self, query: Any, k: int) -> Any:
        return self._index.search(
            "q",
            *query,
            k=k,
            query_cut=self._settings["query_cut"],
            heap_factor=self._settings["heap_factor"],
        )

    def ids(self, found: Any) -> list[int]:
        return [int(row) for _, _, row in found]


SYSTEMS: dict[str, Any] = {
    "elanus": ElanusBM25,
    "elanus_sparse": ElanusSparse,
    "bm25s": Bm25s,
    "tantivy": Tantivy,
    "rank_bm25": RankBm25,
    "scipy": Scipy,
    "seismic": Seismic,
}


def main() -> None:
    system, path, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # Libraries print as they go; only answers may go to the caller.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    data = Data(path)
    runner = SYSTEMS[system]()
    print(json.dumps(runner.build(data, settings)), file=answers, flush=True)
    queries = [runner.prepare(data, i) for i in range(len(data.arrays["query_offsets"]) - 1)]
    for line in sys.stdin:
        command = json.loads(line)
        k, last = command["k"], command["queries"]
        for query in queries[:5]:
            runner.search(query, k)
        spent, found = [], []
        for query in queries[:last]:
            started = time.thread_time_ns()
            hits = runner.search(query, k)
            spent.append((time.thread_time_ns() - started) / 1e3)
            found.append(hits)
        rows = [runner.ids(hits) for hits in found] if command["rows"] else None
        print(json.dumps({"us": spent, "rows": rows}), file=answers, flush=True)


if __name__ == "__main__":
    main()
