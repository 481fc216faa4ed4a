"""What users call to measure how well a collection answers; ``Collection`` has these methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from elanus.api.context import Filter
from elanus.api.options import Leg, SearchOptions
from elanus.api.searches import Searches
from elanus.errors import InvalidArgumentError
from elanus.query.requests import Fusion
from elanus.types import DataType, PrimaryKey

# Loaded by the methods that need them: most programs do without.
if TYPE_CHECKING:
    from elanus.evaluation.judgements import Judged, Qrels, Queries
    from elanus.evaluation.report import Evaluation
    from elanus.plugins import Embedder


class Evaluations(Searches):
    """The part of ``Collection`` that measures answers, and chooses settings by that."""

    def evaluate(
        self,
        queries: Queries,
        qrels: Qrels,
        *,
        fields: Sequence[str] | str | None = None,
        fusion: Fusion | None = None,
        metrics: Sequence[str] | None = None,
        filter: Filter | None = None,
        embedder: str | Embedder | None = None,
        search: Callable[[Any], Any] | None = None,
        ignore_missing: bool = False,
        resamples: int = 2_000,
        confidence: float = 0.95,
        seed: int = 0,
        **options: Unpack[SearchOptions],
    ) -> Evaluation:
        """Measure how well judged queries are answered: quality, latency, and how sure both are.

        Args:
            queries: A text, a vector, or a dict of one for each field, by query id; or pairs.
            qrels: Gain by primary key by query id; the keys alone, which have a gain of 1; or the
                path of a file as TREC or BEIR write it. Entities that are not named have none.
            fields: Which to search; several are a hybrid search. None: all that such queries can
                search.
            fusion: As in ``hybrid_search``; None: that of the profile, or the usual one.
            metrics: ``ndcg``, ``mrr``, ``recall``, ``precision``, ``map`` or ``success``, each with
                the places it looks at; None: nDCG@10, MRR@10, recall@10 and recall@100. Searches
                ask for as many hits as the deepest of them looks at.
            filter: Hits must pass it.
            embedder: Name of an embedder plug-in, or one, for fields of vectors that were declared
                without a model.
            search: Answers one query instead, and returns hits or primary keys, the best first: to
                measure whatever is built around a collection. Takes what ``queries`` holds.
            ignore_missing: Count judged entities that are not in the collection as not found; else
                they are an error.
            resamples: Samples of the bootstrap.
            confidence: Of the intervals.
            seed: Same seed, same intervals.
            **options: As in ``search``: rankers, recall and so on.

        Raises:
            InvalidArgumentError: An id of ``qrels`` is no query or no entity, or an option is
                wrong.
        """
        from elanus.evaluation.bootstrap import estimate
        from elanus.evaluation.metrics import DEFAULT_METRICS, parse_metric
        from elanus.evaluation.report import Evaluation, Latency

        wanted = [parse_metric(text) for text in metrics or DEFAULT_METRICS]
        depth = max(metric.k for metric in wanted)
        judged = self._judged(queries, qrels, ignore_missing=ignore_missing)
        answer, title, embedding_ms = search, "own search", 0.0
        asked: Sequence[Any] = judged.queries
        if answer is None:
            answer, asked, title, embedding_ms = self._answering(
                judged, fields, fusion, depth, filter, embedder, options
            )
        rankings, times = [], np.empty(len(asked), dtype=np.float64)
        for place, query in enumerate(asked):
            started = time.perf_counter()
            found = answer(query)
            times[place] = (time.perf_counter() - started) * 1e3
            rankings.append(tuple(_keys(found)))
        gains = judged.gains_of(rankings, depth)
        values = np.stack([one.score(gains, judged.relevance) for one in wanted], axis=1)
        names = tuple(map(str, wanted))
        estimates = {
            name: estimate(values[:, i], resamples=resamples, confidence=confidence, seed=seed)
            for i, name in enumerate(names)
        }
        return Evaluation(
            title,
            judged.ids,
            names,
            values,
            times,
            tuple(rankings),
            estimates,
            Latency.of(times),
            embedding_ms,
            judged.left_out,
            confidence,
            seed,
        )

    def _judged(self, queries: Queries, qrels: Qrels, *, ignore_missing: bool) -> Judged:
        """Return queries with their judgements, of entities that are there."""
        from elanus.evaluation.judgements import join, named

        key_type = str if self._context.schema.primary.dtype is DataType.VARCHAR else int
        judged = join(queries, qrels, key_type)
        if not ignore_missing:
            keys = list(judged.judged_keys)
            primary = self._context.schema.primary.name
            there = {entity[primary] for entity in self.get(keys, [primary])}
            missing = [key for key in keys if key not in there]
            if missing:
                raise InvalidArgumentError(
                    f"qrels: no such entity: {named(sorted(missing, key=str))}; pass "
                    f"ignore_missing=True to count them as not found"
                )
        return judged

    def _answering(
        self,
        judged: Judged,
        fields: Sequence[str] | str | None,
        fusion: Fusion | None,
        depth: int,
        filter: Filter | None,
        embedder: str | Embedder | None,
        options: SearchOptions,
    ) -> tuple[Callable[[Any], Any], list[Any], str, float]:
        """Return what answers a query, the queries, what that is called, and the time it took to
        embed them."""
        from elanus.api.judged_queries import ask

        asked = ask(self._context, judged, fields, embedder)
        names = asked.fields
        if len(names) == 1:
            (name,) = names
            if fusion is not None:
                raise InvalidArgumentError(f"fusion: only {name!r} is searched, nothing is joined")
            self.search(asked.values[name][0], name, depth, filter=filter, output=[], **options)
            return (
                lambda query: self.search(query, name, depth, filter=filter, output=[], **options),
                asked.values[name],
                name,
                asked.embedding_ms,
            )

        def joined(values: tuple[Any, ...]) -> Any:
            legs = [Leg(name, value) for name, value in zip(names, values, strict=True)]
            return self.hybrid_search(legs, fusion, depth, filter=filter, output=[], **options)

        rows = list(zip(*asked.values.values(), strict=True))
        said = joined(rows[0]).explanation.fusion
        return joined, rows, f"{' + '.join(names)}, {said}", asked.embedding_ms


def _keys(found: Any) -> list[PrimaryKey]:
    """Return the primary keys of hits, or keys as they are; each once."""
    if hasattr(found, "ids"):
        return list(dict.fromkeys(found.ids))
    return list(dict.fromkeys(getattr(hit, "id", hit) for hit in found))
