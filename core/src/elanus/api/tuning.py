"""What users call to let judged queries choose how a collection is searched; ``Collection`` has
these methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from elanus.api.arguments import search_requests
from elanus.api.context import Filter, RequestContext
from elanus.api.evaluating import Evaluations
from elanus.api.evaluation_options import TUNE_OPTIONS, TuneOptions
from elanus.api.iteration import Iterations
from elanus.api.options import SearchOptions
from elanus.api.properties import Properties
from elanus.errors import InvalidArgumentError
from elanus.kernels.cancel import search_token
from elanus.query.profile import PROFILE, SearchProfile
from elanus.query.rankers import Rerank
from elanus.query.requests import MAX_LIMIT, SearchRequest, TextQuery
from elanus.query.search import search
from elanus.schema.collection import did_you_mean
from elanus.schema.fields import AnalyzerSpec, Field
from elanus.schema.functions import BM25
from elanus.types import DataType, PrimaryKey

# Loaded by the methods that need them: most programs do without.
if TYPE_CHECKING:
    from elanus.api.judged_queries import Asked
    from elanus.evaluation.bootstrap import Estimate
    from elanus.evaluation.candidates import LegLists
    from elanus.evaluation.judgements import Judged, Qrels, Queries
    from elanus.evaluation.metrics import Metric
    from elanus.evaluation.trials import Trials
    from elanus.evaluation.tuning import Halves, Tuning
    from elanus.plugins import Embedder

MAX_SAMPLED = 20_000
"""Entities of which queries are made, at most."""
_TEXTS_AT_ONCE = 2_000


class Tunings(Iterations, Evaluations, Properties):
    """The part of ``Collection`` that chooses settings of searches."""

    @property
    def search_profile(self) -> SearchProfile | None:
        """How searches are done that do not say it; None: as usual.

        ``alter_properties({"search.profile": ...})`` sets one, and
        ``drop_properties("search.profile")`` removes it.
        """
        return self._context.profile

    def known_item_queries(
        self, count: int = 200, *, field: str | None = None, seed: int = 0
    ) -> tuple[dict[str, str], dict[str, dict[PrimaryKey, float]]]:
        """Return queries made of the entities' own texts, and the entity that each is about.

        A few words of a text, those that are frequent in it and rare elsewhere before others, and
        one in ten of another text. They tell whether a setting finds again what is there; how
        people ask they do not know, and keyword search has an advantage: the words are the text's.

        Args:
            count: Queries wanted.
            field: VARCHAR field to take words from; None: what the first BM25 field is made of,
                or else the first embedding.
            seed: Same seed and entities, same queries.

        Raises:
            InvalidArgumentError: No field of text, or too few texts with words.
        """
        from elanus.evaluation.known_items import known_item_queries

        name, primary = self._text_field(field), self.schema.primary.name
        keys = [entity[primary] for entity in self.query(output=[primary])]
        if len(keys) > MAX_SAMPLED:
            rng = np.random.default_rng(seed)
            picked = np.sort(rng.choice(len(keys), MAX_SAMPLED, replace=False))
            keys = [keys[i] for i in picked.tolist()]
        texts = [entity.get(name) or "" for entity in self.get(keys, [primary, name])]
        queries, judged = known_item_queries(keys, texts, count, seed)
        if not queries:
            raise InvalidArgumentError(
                f"known_item_queries: field {name!r} holds no text with enough words"
            )
        return queries, judged

    def _text_field(self, name: str | None) -> str:
        schema = self.schema
        if name is None:
            functions = [f.source or f.embedding for f in schema.fields]
            functions.sort(key=lambda function: not isinstance(function, BM25))
            name = next((f.field for f in functions if f is not None), None)
        if name is None or schema.field(name).dtype is not DataType.VARCHAR:
            raise InvalidArgumentError(
                f"field: expected a VARCHAR field to make queries of, got {name!r}"
            )
        return name

    def tune(
        self,
        queries: Queries | None = None,
        qrels: Qrels | None = None,
        *,
        fields: Sequence[str] | str | None = None,
        embedder: str | Embedder | None = None,
        reranker: Rerank | None = None,
        apply: bool = True,
        **options: Unpack[TuneOptions],
    ) -> Tuning:
        """Choose how the collection is searched by judged queries, and keep it as its profile.

        Fusion, weights and candidates of the legs, k1 and b of BM25 fields, and how many hits a
        reranker reads are chosen by a part of the queries and measured on the others. Where joining
        the legs wins nothing, the best leg decides alone. Every search that names no fusion then
        follows the profile, a keyword search as far as k1 and b go, in all processes and as long as
        it is kept.

        Args:
            queries: As in ``evaluate``; None makes them of the entities (``known_item_queries``).
            qrels: As in ``evaluate``.
            fields: The legs; None: all that such queries can search.
            embedder: As in ``evaluate``.
            reranker: Ranker of later searches, for which to find out how many hits it should read;
                it reads up to 100 hits of each query once.
            apply: Keep the profile; False only returns it.
            **options: See ``TuneOptions``.

        Raises:
            InvalidArgumentError: As ``evaluate``, or there are too few queries.
            ReadOnlyError: The profile is to be kept, and the database is open for reading.
        """
        _check_names(options)
        is_made = queries is None and qrels is None
        if is_made:
            queries, qrels = self.known_item_queries(seed=options.get("seed", 0))
        if queries is None or qrels is None:
            raise InvalidArgumentError(
                "tune: expected queries with qrels; without both, queries are made of the entities"
            )
        ignored = options.get("ignore_missing", False)
        judged = self._judged(queries, qrels, ignore_missing=ignored)
        result = self._tuned(judged, fields, embedder, reranker, options)
        if apply:
            self.alter_properties({PROFILE: result.profile})
        return replace(result, known_items=is_made, applied=apply)

    def _tuned(
        self,
        judged: Judged,
        fields: Sequence[str] | str | None,
        embedder: str | Embedder | None,
        reranker: Rerank | None,
        options: TuneOptions,
    ) -> Tuning:
        """Return what is chosen, and what it is worth."""
        from elanus.api.judged_queries import ask
        from elanus.evaluation import trials as settings
        from elanus.evaluation.metrics import parse_metric
        from elanus.evaluation.tuning import Halves, tuned

        metric = parse_metric(options.get("metric", "ndcg@10"))
        schema = self.schema
        asked = ask(schema, judged, fields, embedder, self.embed_queries)
        legs = [replace(schema.answering(n), name=n) for n in asked.fields]
        depths = _depths(options.get("depths") or settings.DEPTHS)
        deepest = max(*depths, settings.DEFAULT_DEPTH, metric.k)
        trials = settings.Trials(
            judged,
            metric,
            legs,
            self._finder(asked, deepest, options.get("filter")),
            k1=options.get("k1") or settings.K1,
            b=options.get("b") or settings.B,
            depths=depths,
        )
        halves = Halves(len(judged.ids), options.get("share", 0.5), options.get("seed", 0))
        result = tuned(trials, legs, halves, options.get("splits", 20), str(metric))
        if reranker is not None:
            result = self._with_reranking(result, trials, judged, metric, reranker, halves)
        analyzers = options.get("analyzers", ())
        if analyzers:
            found = self._tried_analyzers(judged, asked, metric, analyzers)
            result = replace(result, analyzers=found)
        return result

    def leg_hits(
        self,
        field: str,
        queries: Any,
        limit: int,
        *,
        filter: Filter | None = None,
        bm25: tuple[float, float] | None = None,
        itself: bool = False,
    ) -> list[tuple[list[PrimaryKey], list[float]]]:
        """Return keys and scores of what one field finds for several queries, best first.

        Unlike ``search`` it heeds no profile: tuning asks it.

        Args:
            field: Field to search.
            queries: Several, as in ``search``.
            limit: Hits for each.
            filter: Hits must pass it.
            bm25: k1 and b of a BM25 field instead of its own.
            itself: Ask the field of this very name, whoever answers for it otherwise.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: A query does not fit the field.
        """
        options = SearchOptions()
        context, snapshot = self._state(options)
        if itself:
            alone = context.schema.replaced(successors=())
            fields = replace(context.fields, schema=alone)
            context = RequestContext(fields, context.filters, context.settings, None)
        requests, _ = search_requests(
            context, queries, field, limit=limit, filter=filter, output=[], options=options
        )
        function = context.schema.answering(field).bm25
        if function is not None and not itself:
            # As declared, whatever the profile says.
            function = function if bm25 is None else BM25(function.field, *bm25)
            requests = [_scored_by(request, function) for request in requests]
        with search_token() as token:
            sources = snapshot.sources
            found = [r for one in requests for r in search(context.schema, sources, one, token)]
        answers = [one.answer for one in found]
        return [(one.ids, one.scores) for one in answers]

    def _finder(
        self, asked: Asked, depth: int, filter: Filter | None
    ) -> Callable[[Field, tuple[float, float] | None], LegLists]:
        """Return what searches one leg for all queries at once, whatever the profile says."""
        from elanus.evaluation.candidates import LegLists

        def find(field: Field, pair: tuple[float, float] | None) -> LegLists:
            queries = asked.values[field.name]
            found = self.leg_hits(field.name, queries, depth, filter=filter, bm25=pair)
            sign = 1.0 if field.metric_type.is_distance else -1.0
            return LegLists(
                field,
                [keys for keys, _ in found],
                [sign * np.array(scores, dtype=np.float32) for _, scores in found],
            )

        return find

    def _with_reranking(
        self,
        result: Tuning,
        trials: Trials,
        judged: Judged,
        metric: Metric,
        reranker: Rerank,
        halves: Halves,
    ) -> Tuning:
        """Return a tuning that also says how many hits a reranker should read."""
        from elanus.evaluation.rerank_depth import DEPTHS, best_depth, depth_values

        texts = judged.queries if reranker.query is None else [reranker.query] * len(judged.ids)
        if not all(isinstance(text, str) for text in texts):
            raise InvalidArgumentError("reranker: expected queries that are texts, for it to read")
        rankings = trials.rankings(result.splits[0].choice, max(DEPTHS))
        keys = list(dict.fromkeys(key for ranking in rankings for key in ranking))
        primary, field = self.schema.primary.name, reranker.field
        read = self.get(keys, [primary, field])
        by_key = {entity[primary]: str(entity.get(field) or "") for entity in read}
        values = depth_values(
            judged, metric, rankings, by_key, reranker.model, [str(text) for text in texts]
        )
        rows, others = halves.split(0)
        profile = replace(result.profile, rerank_top=best_depth(values, rows) or None)
        means = {depth: float(value[others].mean()) for depth, value in values.items()}
        return replace(result, profile=profile, reranking=means)

    def _tried_analyzers(
        self, judged: Judged, asked: Asked, metric: Metric, specs: Sequence[AnalyzerSpec]
    ) -> dict[str, Estimate]:
        """Return what keyword search is worth with other analyzers, each BM25 field by itself."""
        from elanus.evaluation.analyzer_trials import AnalyzerTrial, analyzer_name
        from elanus.evaluation.bootstrap import estimate

        found: dict[str, Estimate] = {}
        primary = self.schema.primary.name
        for name in asked.fields:
            function = self.schema.answering(name).bm25
            if function is None:
                continue
            own = self.schema.field(function.field).analyzer or "standard"
            for spec in (own, *(one for one in specs if one != own)):
                trial = AnalyzerTrial(spec)
                for batch in self.query_iterator(
                    None, [primary, function.field], batch_size=_TEXTS_AT_ONCE
                ):
                    trial.add([e[primary] for e in batch], [e[function.field] for e in batch])
                rankings = [trial.search(text, metric.k, function) for text in asked.values[name]]
                gains = judged.gains_of(rankings, metric.k)
                found[f"{analyzer_name(spec)} of {name}"] = estimate(
                    metric.score(gains, judged.relevance)
                )
        return found


def _scored_by(request: SearchRequest, function: BM25) -> SearchRequest:
    """Return a request whose texts are scored by a function."""
    legs = [
        leg._replace(query=leg.query._replace(function=function))
        if isinstance(leg.query, TextQuery)
        else leg
        for leg in request.legs
    ]
    return request._replace(legs=tuple(legs))


def _check_names(options: TuneOptions) -> None:
    for name in options:
        if name not in TUNE_OPTIONS:
            hint = did_you_mean(name, sorted(TUNE_OPTIONS))
            raise TypeError(f"tune() has no option {name!r}{hint}")


def _depths(depths: Sequence[int]) -> list[int]:
    for depth in depths:
        if type(depth) is not int or not 1 <= depth <= MAX_LIMIT:
            raise InvalidArgumentError(f"depths: expected 1 to {MAX_LIMIT}, got {depth!r}")
    return list(depths)
