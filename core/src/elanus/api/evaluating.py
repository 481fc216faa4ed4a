"""What users call to measure how well a collection answers; ``Collection`` has these methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from elanus.api.context import Filter
from elanus.api.evaluation_options import EVALUATE_ONLY, EvaluateOptions
from elanus.api.options import Leg, SearchOptions
from elanus.api.searches import Searches
from elanus.errors import InvalidArgumentError
from elanus.query.requests import Fusion
from elanus.types import DataType, Float32Array

# Loaded by the methods that need them: most programs do without.
if TYPE_CHECKING:
    from elanus.api.judged_queries import Asked
    from elanus.evaluation.judgements import Judged, Qrels, Queries
    from elanus.evaluation.measuring import Answering
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
        **options: Unpack[EvaluateOptions],
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
            embedder: Embedder plug-in, or its name, for vector fields declared without a model.
            search: Answers one query instead, and returns hits or primary keys, the best first: to
                measure whatever is built around a collection. Takes what ``queries`` holds.
            **options: See ``EvaluateOptions``.

        Raises:
            InvalidArgumentError: An id of ``qrels`` is no query or no entity, or an option is
                wrong.
        """
        from elanus.api.judged_queries import ask
        from elanus.evaluation.measuring import Answering, measured
        from elanus.evaluation.metrics import DEFAULT_METRICS, parse_metric

        wanted = [parse_metric(text) for text in metrics or DEFAULT_METRICS]
        depth = max(metric.k for metric in wanted)
        own: Any = {name: options[name] for name in EVALUATE_ONLY if name in options}  # type: ignore[literal-required]
        others: Any = {name: value for name, value in options.items() if name not in own}
        judged = self._judged(queries, qrels, ignore_missing=own.pop("ignore_missing", False))
        if search is not None:
            answering = Answering(search, judged.queries, "own search", 0.0)
        else:
            asked = ask(self.schema, judged, fields, embedder, self.embed_queries)
            answering = self._answering(asked, fusion, depth, filter, others)
        return measured(answering, judged, wanted, depth, **own)

    def embed_queries(self, field: str, texts: Sequence[str]) -> Float32Array:
        """Return what texts are as queries of a field that was declared with a model.

        Args:
            field: Its own name: nobody answers for it.
            texts: One or several.

        Returns:
            float32, shape ``(texts, dim)``.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: It was declared without a model.
        """
        context = self._context
        found = context.schema.field(field)
        if found.embedding is None:
            raise InvalidArgumentError(
                f"embed_queries: field {field!r} was declared without a model"
            )
        return context.fields.embedders.queries(found, list(texts))

    def _judged(self, queries: Queries, qrels: Qrels, *, ignore_missing: bool) -> Judged:
        """Return queries with their judgements, of entities that are there."""
        from elanus.evaluation.judgements import join, named

        primary = self.schema.primary
        key_type = str if primary.dtype is DataType.VARCHAR else int
        judged = join(queries, qrels, key_type)
        if not ignore_missing:
            keys = list(judged.judged_keys)
            there = {entity[primary.name] for entity in self.get(keys, [primary.name])}
            missing = [key for key in keys if key not in there]
            if missing:
                raise InvalidArgumentError(
                    f"qrels: no such entity: {named(sorted(missing, key=str))}; pass "
                    f"ignore_missing=True to count them as not found"
                )
        return judged

    def _answering(
        self,
        asked: Asked,
        fusion: Fusion | None,
        depth: int,
        filter: Filter | None,
        options: SearchOptions,
    ) -> Answering:
        """Return what answers a query, and the queries."""
        from elanus.evaluation.measuring import Answering

        names = asked.fields
        if len(names) == 1:
            (name,) = names
            if fusion is not None:
                raise InvalidArgumentError(f"fusion: only {name!r} is searched, nothing is joined")

            def found(query: Any) -> Any:
                return self.search(query, name, depth, filter=filter, output=[], **options)

            # The first search loads what later ones find loaded.
            found(asked.values[name][0])
            return Answering(found, asked.values[name], name, asked.embedding_ms)

        def joined(values: Sequence[Any]) -> Any:
            legs = [Leg(name, value) for name, value in zip(names, values, strict=True)]
            return self.hybrid_search(legs, fusion, depth, filter=filter, output=[], **options)

        rows = list(zip(*asked.values.values(), strict=True))
        said = joined(rows[0]).explanation.fusion
        return Answering(joined, rows, f"{' + '.join(names)}, {said}", asked.embedding_ms)
