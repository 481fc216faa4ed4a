"""How do the rankers that a user passes become steps over candidates?

Fields are looked up, filters bound and models fetched before anything is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from elanus.api.context import RequestContext
from elanus.api.options import SearchOptions
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import FieldRef
from elanus.query.diversity import MMRStep
from elanus.query.paths import read_path
from elanus.query.rankers import (
    MMR,
    Boost,
    Decay,
    FunctionScore,
    Ranker,
    Rerank,
    as_number,
)
from elanus.query.ranking import EXACT, RankerStep, Ranking
from elanus.query.requests import (
    MAX_LIMIT,
    ByScore,
    DenseQuery,
    Fusion,
    LegRequest,
)
from elanus.query.rescoring import BoostStep, DecayStep, RerankStep
from elanus.query.scores import field_scale
from elanus.schema.collection import Schema
from elanus.schema.times import time_of
from elanus.types import DataType

MIN_CANDIDATES = 100
"""Fewest candidates of a leg or a ranker: what is joined or ranked anew needs some to choose of."""
MIN_FETCH_K = 20
"""Fewest hits that ``MMR`` chooses from, as in LangChain."""
FACTOR = 4
"""Candidates for every hit that is wanted."""
MAX_DECIMALS = 15


def default_candidates(wanted: int) -> int:
    """Return how many candidates joining and ranking begin with."""
    return min(max(FACTOR * wanted, MIN_CANDIDATES), MAX_LIMIT)


def read_decimals(options: SearchOptions) -> int | None:
    """Return the value of ``round_decimal``; None where scores stay as they are.

    Raises:
        InvalidArgumentError: It is no number of places.
    """
    value = options.get("round_decimal")
    if value is None or value == -1:
        return None
    if type(value) is not int or not 0 <= value <= MAX_DECIMALS:
        raise InvalidArgumentError(
            f"round_decimal: expected 0 to {MAX_DECIMALS}, or -1 for no rounding, got {value!r}"
        )
    return value


def texts_of(data: Any) -> tuple[str, ...]:
    """Return the texts that are searched for; none where vectors are."""
    texts = data if isinstance(data, list | tuple) else [data]
    return tuple(texts) if texts and all(isinstance(text, str) for text in texts) else ()


def split_fusion(fusion: Any, ranker: Any) -> tuple[Fusion | None, tuple[Ranker, ...]]:
    """Return what joins the legs and what ranks the hits then.

    A ranker in place of a fusion ranks what the legs found by their scores.

    Raises:
        InvalidArgumentError: An object is neither, or two join the legs.
    """
    given = list(ranker) if isinstance(ranker, list | tuple) else [ranker]
    if ranker is None:
        given = []
    first = [fusion] if isinstance(fusion, Ranker) else []
    if isinstance(fusion, Decay) and fusion.norm_score:
        first, fusion = [replace(fusion, norm_score=False)], ByScore(norm_score=True)
    elif first:
        fusion = ByScore()
    if fusion is not None and not isinstance(fusion, Fusion):
        raise InvalidArgumentError(
            f"fusion: expected RRF(...), Weighted(...), DBSF(...), ByScore(...) or a ranker, got "
            f"{type(fusion).__name__}"
        )
    if given and isinstance(given[0], Fusion):
        if fusion is not None:
            raise InvalidArgumentError(
                f"hybrid_search: expected one fusion, got fusion={fusion!r} and {given[0]!r} in "
                f"ranker"
            )
        fusion = given.pop(0)
    given = first + given
    for one in given:
        if isinstance(one, Fusion):
            raise InvalidArgumentError(
                f"ranker: {type(one).__name__} joins the legs of a hybrid search; it comes first "
                f"and once"
            )
        if not isinstance(one, Ranker):
            raise InvalidArgumentError(
                f"ranker: expected Decay, Boost, FunctionScore, Rerank or MMR, got "
                f"{type(one).__name__}"
            )
    if any(isinstance(one, MMR) for one in given[:-1]):
        raise InvalidArgumentError("ranker: MMR chooses among the hits; it comes last")
    return fusion, tuple(given)


def ranker_of_query(ranker: Any, place: int, count: int) -> Any:
    """Return the rankers of one query of a batch: of several texts to rank by, its own."""
    if isinstance(ranker, list | tuple):
        return [ranker_of_query(one, place, count) for one in ranker]
    if not isinstance(ranker, Rerank) or ranker.query is None or isinstance(ranker.query, str):
        return ranker
    if len(ranker.query) != count:
        raise InvalidArgumentError(
            f"Rerank: expected a text for each of {count} queries, got {ranker.query!r}"
        )
    return replace(ranker, query=ranker.query[place])


def read_ranking(
    context: RequestContext,
    rankers: Sequence[Ranker],
    options: SearchOptions,
    legs: Sequence[LegRequest],
    wanted: int,
    texts: tuple[str, ...],
    group_size: int = 1,
    *,
    is_fused: bool = False,
) -> Ranking | None:
    """Return what rankers do with the candidates of legs; None where there is none.

    Args:
        context: Of the collection.
        rankers: In order, no fusion among them.
        options: Of the search.
        legs: What is searched; each with the same number of queries.
        wanted: Hits wanted, those that ``offset`` leaves out included.
        texts: What is searched for, one for each query; empty where no text is.
        group_size: Hits of each of the ``wanted`` groups, of a search for groups.
        is_fused: The scores are those of joined legs.

    Raises:
        InvalidArgumentError: A field, a model or a number does not fit.
        FilterError: The filter of a boost cannot be read.
    """
    if not rankers:
        if options.get("candidates") is not None:
            raise InvalidArgumentError("candidates: expected a ranker that looks at them")
        return None
    _check_norms(rankers, is_fused=is_fused)
    most = min(wanted * group_size, MAX_LIMIT)
    steps = tuple([_step(context, one, options, legs, most, texts) for one in rankers])
    windows = [step.window for step in steps if step.window is not None]
    _check_windows(steps, wanted)
    is_model = any(isinstance(one, Rerank) for one in rankers)
    asked = options.get("candidates")
    first = max([default_candidates(most), *windows])
    if asked is None:
        return Ranking(steps, first, first, is_model)
    if asked == "exact":
        _check_exact(rankers)
        return Ranking(steps, EXACT, first, is_model)
    least = max([wanted, *windows])
    if type(asked) is not int or not least <= asked <= MAX_LIMIT:
        raise InvalidArgumentError(
            f"candidates: expected {least} to {MAX_LIMIT} or 'exact', got {asked!r}"
        )
    return Ranking(steps, asked, asked, is_model)


def leg_ranking(
    context: RequestContext, ranker: Any, options: SearchOptions, leg: LegRequest, data: Any
) -> Ranking | None:
    """Return what the rankers of one leg do with its candidates; None where it has none.

    Raises:
        InvalidArgumentError: As ``read_ranking``.
        FilterError: As ``read_ranking``.
    """
    fusion, rankers = split_fusion(None, ranker)
    if fusion is not None:
        raise InvalidArgumentError(
            f"leg {leg.field.name!r}: ranker: one leg has nothing to join, got "
            f"{type(fusion).__name__}"
        )
    own = SearchOptions(params=options.get("params"), root=options.get("root"))
    return read_ranking(context, rankers, own, [leg], leg.limit, texts_of(data))


def _check_windows(steps: Sequence[RankerStep], wanted: int) -> None:
    for step in steps:
        if step.window is not None and step.window < wanted:
            raise InvalidArgumentError(
                f"{step.title}: expected at least limit + offset = {wanted} hits to choose from, "
                f"got {step.window}"
            )


def check_not_exact(options: SearchOptions) -> None:
    """Raise unless as many candidates are looked at as legs have that are joined."""
    if options.get("candidates") == "exact":
        raise InvalidArgumentError(
            "candidates='exact': a hybrid search ranks what its legs found; give a number"
        )


def _check_exact(rankers: Sequence[Ranker]) -> None:
    for one in rankers:
        if isinstance(one, Rerank | MMR):
            if isinstance(one, Rerank) and one.top is None:
                raise InvalidArgumentError(
                    "candidates='exact': a model would read every row; give Rerank(top=...)"
                )
            return


def _step(
    context: RequestContext,
    ranker: Ranker,
    options: SearchOptions,
    legs: Sequence[LegRequest],
    wanted: int,
    texts: tuple[str, ...],
) -> RankerStep:
    if isinstance(ranker, Decay):
        return _decay_step(context.schema, ranker, options.get("root"), legs[0])
    if isinstance(ranker, Rerank):
        return _rerank_step(context, ranker, legs[0].query.num_queries, texts)
    if isinstance(ranker, MMR):
        is_grouped = options.get("group_by") is not None
        return _mmr_step(context.schema, ranker, legs, wanted, is_grouped=is_grouped)
    spec = FunctionScore([ranker]) if isinstance(ranker, Boost) else ranker
    for boost in spec.functions:
        _check_random_field(context.schema, boost)
    filters = []
    for boost in spec.functions:
        bound = context.filters.bind(
            boost.filter, params=options.get("params"), root=options.get("root")
        )
        filters.append(bound[0] if bound else None)
    return BoostStep(spec, tuple(filters))


def _check_norms(rankers: Sequence[Ranker], *, is_fused: bool) -> None:
    for one in rankers if is_fused else ():
        if isinstance(one, Decay) and one.norm_score:
            raise InvalidArgumentError(
                f"{one}: norm_score maps scores of one field, and these are joined; take "
                f"ByScore(norm_score=True) as the fusion"
            )


def _decay_step(schema: Schema, ranker: Decay, root: str | None, leg: LegRequest) -> DecayStep:
    name = ranker.field
    try:
        node = read_path(schema, name, root)
    except FilterError as error:
        raise InvalidArgumentError(f"Decay: {error}") from None
    field = schema.field(node.name if isinstance(node, FieldRef) else node.field)
    is_moment = isinstance(node, FieldRef) and field.dtype is DataType.TIMESTAMPTZ
    if isinstance(node, FieldRef) and not (is_moment or field.dtype.is_number):
        raise InvalidArgumentError(
            f"Decay: expected a numeric field or a path of a JSON field, got {name!r} of "
            f"{field.dtype.name}"
        )
    if ranker.is_of_time and not is_moment:
        raise InvalidArgumentError(
            f"Decay: expected numbers for {name!r}, which holds no moments, got {ranker}"
        )
    origin = ranker.origin
    if isinstance(origin, datetime):
        origin = time_of(origin, field.zone)
    unit = field_scale(leg.field) if ranker.norm_score else None
    return DecayStep(ranker, node, origin, as_number(ranker.scale), as_number(ranker.offset), unit)


def _check_random_field(schema: Schema, boost: Boost) -> None:
    name = None if boost.random_score is None else boost.random_score.field
    if name is not None and not schema.field(name).dtype.is_integer:
        raise InvalidArgumentError(
            f"RandomScore: expected a field of whole numbers, got {name!r} of "
            f"{schema.field(name).dtype.name}"
        )


def _rerank_step(
    context: RequestContext, ranker: Rerank, count: int, texts: tuple[str, ...]
) -> RankerStep:
    queries = texts
    if isinstance(ranker.query, str):
        queries = (ranker.query,) * count
    elif ranker.query is not None:
        queries = tuple(ranker.query)
    elif not texts:
        raise InvalidArgumentError(
            "Rerank: a search by vector has no text to rank by; give Rerank(query='...')"
        )
    if len(queries) != count or not all(isinstance(text, str) for text in queries):
        raise InvalidArgumentError(
            f"Rerank: expected a text for each of {count} queries, got {ranker.query!r}"
        )
    (output,) = _text_output(context, ranker.field)
    return RerankStep(ranker, queries, output)


def _text_output(context: RequestContext, name: str) -> tuple[str, ...]:
    names = context.output([name])
    types = context.schema.column_types
    if names != (name,) or types.get(name, DataType.VARCHAR) is not DataType.VARCHAR:
        raise InvalidArgumentError(f"Rerank: expected a field of text, got {name!r}")
    return names


def _mmr_step(
    schema: Schema, ranker: MMR, legs: Sequence[LegRequest], wanted: int, *, is_grouped: bool
) -> MMRStep:
    dense = [leg for leg in legs if isinstance(leg.query, DenseQuery)]
    if ranker.field is not None:
        named = schema.answering(ranker.field).name
        dense = [leg for leg in dense if leg.field.name == named]
    if len(dense) != 1:
        names = ", ".join(repr(leg.field.name) for leg in dense) or "none"
        raise InvalidArgumentError(
            f"MMR: expected one dense field that is searched, got {names}; "
            f"{'name one with MMR(field=...)' if dense else 'search a dense field'}"
        )
    query = dense[0].query
    assert isinstance(query, DenseQuery)
    window = ranker.fetch_k or min(max(FACTOR * wanted, MIN_FETCH_K), MAX_LIMIT)
    # Of groups the hits that count are not known before all are in order.
    chosen = window if is_grouped else wanted
    return MMRStep(ranker, dense[0].field, query.vectors, window, chosen)
