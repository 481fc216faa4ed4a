"""How do rankers read documents?

Users name metadata keys, as in filters; rankers of the engine name fields and paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from elanus.documents.options import FieldNames
from elanus.documents.requests import DocumentSearch
from elanus.documents.reranking import reranker_relevance
from elanus.documents.scores import clamp
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import compile_filter, to_text
from elanus.query.paths import read_path
from elanus.query.rankers import Boost, Decay, FunctionScore, Ranker, Rerank
from elanus.schema.collection import Schema


def rankers_of(request: DocumentSearch) -> tuple[Ranker, ...]:
    """Return the rankers of a request, in order."""
    given = request.ranker
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Sequence) else (given,)


def bound_rankers(request: DocumentSearch, names: FieldNames, schema: Schema) -> tuple[Ranker, ...]:
    """Return the rankers of a request as the engine reads them.

    A decay and the filter of a boost name metadata keys; a model reads the text of the documents
    for the text that is searched for, unless it is told otherwise.

    Raises:
        FilterError: The filter of a boost cannot be read.
        InvalidArgumentError: A decay names nothing that can be read.
    """
    return tuple([_bound(one, request.text, names, schema) for one in rankers_of(request)])


def ranked_relevance(
    rankers: Sequence[Ranker], plain: Callable[[float], float], *, is_distance: bool
) -> Callable[[float], float]:
    """Return what turns the score of a ranked hit into a relevance in [0, 1].

    Args:
        rankers: In order.
        plain: Does so for a hit that is not ranked anew.
        is_distance: Smaller scores are better before the rankers.
    """
    models = [one.model for one in rankers if isinstance(one, Rerank)]
    if models:
        kind = models[-1].info.score_kind
        return lambda score: reranker_relevance(score, kind)
    if is_distance and any(isinstance(one, Decay) for one in rankers):
        return clamp
    return plain


def _bound(ranker: Ranker, text: str | None, names: FieldNames, schema: Schema) -> Ranker:
    if isinstance(ranker, Decay):
        try:
            path = read_path(schema, ranker.field, names.metadata)
        except FilterError as error:
            raise InvalidArgumentError(f"Decay: {error}") from None
        return replace(ranker, field=to_text(path))
    if isinstance(ranker, Boost):
        return _bound_boost(ranker, names, schema)
    if isinstance(ranker, FunctionScore):
        functions = [_bound_boost(one, names, schema) for one in ranker.functions]
        return replace(ranker, functions=functions)
    if isinstance(ranker, Rerank):
        field = names.text if ranker.field == FieldNames().text else ranker.field
        return replace(ranker, field=field, query=ranker.query or text)
    return ranker


def _bound_boost(boost: Boost, names: FieldNames, schema: Schema) -> Boost:
    bound = compile_filter(boost.filter, schema, root=names.metadata)
    return replace(boost, filter=None if bound is None else bound.tree)
