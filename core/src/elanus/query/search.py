"""How is a search executed?

A search is a function of (sources, request): filters per source, candidates per source and leg,
merge, fusion, rankers, projection. Nothing is remembered between searches, and no lock is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elanus.kernels.cancel import CancelToken
from elanus.query.candidates import Run, read_keys, shown_plans
from elanus.query.elements import ElementRun
from elanus.query.filter_plan import FilterPlan, explain_filters
from elanus.query.grouped_pages import grouped_page
from elanus.query.highlighting import Highlights, highlight
from elanus.query.ordering import OrderKey, order_of
from elanus.query.pages import Page, found_by_legs, fused_page, ranked_page, single_page
from elanus.query.projection import project_places, read_places
from elanus.query.requests import LegRequest, ListQuery, SearchRequest, TextQuery
from elanus.query.results import (
    Answer,
    HitReasons,
    SearchExplanation,
    SearchResult,
    TermScore,
)
from elanus.query.sources import SearchSource
from elanus.query.statistics import weigh_text
from elanus.schema.collection import Schema
from elanus.types import Int64Array


def search(
    schema: Schema, sources: Sequence[SearchSource], request: SearchRequest, token: CancelToken
) -> list[SearchResult]:
    """Answer a request over the sources of one snapshot; one result per query vector.

    Raises:
        SearchTimeoutError: The time of ``token`` was over.
        SearchCancelledError: ``token`` was cancelled.
    """
    elements = request.elements
    run = (
        Run(schema, sources, token)
        if elements is None
        else ElementRun(schema, sources, token, elements)
    )
    one_leg = len(request.legs) == 1
    page = _page(sources, run, request)
    fusion = request.joined_by
    if isinstance(run, ElementRun):
        answers = _element_answers(run, request, page, fusion)
    else:
        answers = _answers(schema, sources, request, page, fusion)
    if one_leg and isinstance(request.legs[0].query, ListQuery):
        answers = _with_offsets(sources, request.legs[0], answers)
    run.watch.stage("project")
    timings = run.watch.result()
    filters: tuple[FilterPlan, ...] = ()
    if request.explain:
        asked = dict.fromkeys(one for leg in request.legs for one in leg.filters)
        filters = explain_filters(sources, list(asked))
    explanation = SearchExplanation(
        shown_plans(run.plans, sources), fusion, timings, filters=filters
    )
    if request.ranking is None:
        return [SearchResult(answer, explanation) for answer in answers]
    results = []
    for answer, outcome in zip(answers, page.outcomes, strict=True):
        said = outcome.summary(request.ranking, is_fused=request.is_joined)
        results.append(SearchResult(answer, explanation._replace(ranking=said)))
    return results


def _page(sources: Sequence[SearchSource], run: Run, request: SearchRequest) -> Page:
    """Return the hits as they are shown."""
    if request.group is not None:
        page = grouped_page(run, request, request.group)
    elif request.ranking is not None:
        page = ranked_page(run, request, request.ranking)
    elif not request.is_joined:
        page = single_page(request, run.leg(request.legs[0]))
    else:
        page = fused_page(request, found_by_legs(run, request), run.keys)
    run.watch.stage("merge")
    if request.decimals is not None:
        page = page._replace(scores=_rounded(page.scores, request.decimals))
    return _ordered(sources, page, request.order) if request.order else page


def _ordered(sources: Sequence[SearchSource], page: Page, keys: Sequence[OrderKey]) -> Page:
    """Return the hits of each query in another order, groups in that of their first hits."""
    sizes = [count for _, count in page.groups]
    groups: tuple[tuple[Any, int], ...] = ()
    places = [np.empty(0, dtype=np.int64)]
    start = 0
    for end in page.ends:
        # Without groups each hit is one.
        firsts = start + np.cumsum([0, *sizes[:-1]]) if sizes else np.arange(start, end)
        order = order_of(sources, page.sources[firsts], page.row_ids[firsts], keys)
        if sizes:
            groups = tuple([page.groups[group] for group in order])
            places += [firsts[group] + np.arange(sizes[group]) for group in order]
        else:
            places.append(firsts[order])
        start = end
    hits = np.concatenate(places)
    scores = [page.scores[hit] for hit in hits]
    return page._replace(
        sources=page.sources[hits], row_ids=page.row_ids[hits], scores=scores, groups=groups
    )


def _rounded(scores: list[float], decimals: int) -> list[float]:
    """Return scores with so many decimals, halves upwards as in Milvus."""
    scale = 10.0**decimals
    rounded: list[float] = (np.floor(np.array(scores) * scale + 0.5) / scale).tolist()
    return rounded


def _answers(
    schema: Schema,
    sources: Sequence[SearchSource],
    request: SearchRequest,
    page: Page,
    fusion: str,
) -> list[Answer]:
    """Read the entities of all queries at once, and cut them by query."""
    if not len(page.row_ids):
        empty = page.row_ids, page.row_ids, ()
        return [Answer([], [], [], HitReasons(legs, *empty)) for legs in page.rankings]
    primary, output = schema.primary.name, request.output
    entities: list[dict[str, Any]]
    if output == (primary,):
        pks = read_keys(schema, sources, page.sources, page.row_ids)
        entities = [{primary: pk} for pk in pks]
    else:
        entities = project_places(schema, sources, page.sources, page.row_ids, output)
        pks = (
            [entity[primary] for entity in entities]
            if primary in output
            else read_keys(schema, sources, page.sources, page.row_ids)
        )
    names = tuple([source.name for source in sources])
    marked = () if request.highlight is None else _highlights(sources, request, page)
    terms = _terms(sources, request, page) if request.explain else ()
    if len(page.ends) == 1:
        reasons = HitReasons(page.rankings[0], page.sources, page.row_ids, names, terms, fusion)
        if page.outcomes:
            reasons = reasons._replace(records=page.outcomes[0].records)
        return [Answer(pks, page.scores, entities, reasons, page.groups, marked)]
    answers = []
    start = 0
    for i, (legs, end) in enumerate(zip(page.rankings, page.ends, strict=True)):
        records = page.outcomes[i].records if page.outcomes else ()
        hits = slice(start, end)
        places = page.sources[hits], page.row_ids[hits]
        reasons = HitReasons(legs, *places, names, terms[hits], fusion, records)
        answers.append(
            Answer(pks[hits], page.scores[hits], entities[hits], reasons, (), marked[hits])
        )
        start = end
    return answers


def _element_answers(
    run: ElementRun, request: SearchRequest, page: Page, fusion: str
) -> list[Answer]:
    """Read the entities that hold the elements of a page."""
    elements = page.row_ids
    rows = page._replace(row_ids=run.owners(page.sources, elements))
    places = run.places(page.sources, elements)
    made = []
    start = 0
    answers = _answers(run.schema, run.whole, request, rows, fusion)
    for answer, end in zip(answers, page.ends, strict=True):
        reasons = answer.reasons._replace(row_ids=elements[start:end])
        made.append(answer._replace(made_reasons=reasons, offsets=tuple(places[start:end])))
        start = end
    return made


def _with_offsets(
    sources: Sequence[SearchSource], leg: LegRequest, answers: list[Answer]
) -> list[Answer]:
    """Say which vector of each hit is the nearest, where a hit is as near as one of them."""
    query = leg.query
    if leg.field.metric_type.is_max_sim or not isinstance(query, ListQuery):
        return answers
    made = []
    for i, answer in enumerate(answers):
        vector = query.queries.one(i).vectors

        def nearest(source: SearchSource, rows: Int64Array, vector: Any = vector) -> list[Any]:
            lists = source.vector_lists(leg.field.name)
            return [*lists.nearest_elements(vector, rows).tolist()]

        reasons = answer.reasons
        offsets = read_places(sources, reasons.sources, reasons.row_ids, nearest)
        made.append(answer._replace(offsets=tuple(offsets)))
    return made


def _highlights(
    sources: Sequence[SearchSource], request: SearchRequest, page: Page
) -> Sequence[Highlights]:
    """Return the marked fragments of each hit."""
    if request.highlight is None:
        return ()
    sizes = np.diff(page.ends, prepend=0)
    queries = np.repeat(np.arange(len(sizes)), sizes).tolist()
    places = page.sources, page.row_ids
    return highlight(request.highlight, request.legs, sources, places, queries)


def _terms(
    sources: Sequence[SearchSource], request: SearchRequest, page: Page
) -> tuple[tuple[TermScore, ...], ...]:
    """Return what each term adds to each hit, the heaviest first, over the text legs."""
    legs = [(leg.field.name, leg.query) for leg in request.legs]
    texts = [(field, query) for field, query in legs if isinstance(query, TextQuery)]
    made = []
    start = 0
    for i, end in enumerate(page.ends):
        weighted = [weigh_text(sources, field, query.texts[i], query) for field, query in texts]
        places = zip(
            page.sources[start:end].tolist(), page.row_ids[start:end].tolist(), strict=True
        )
        for number, row in places:
            terms = [term for text in weighted for term in text.explain(sources[number], row)]
            made.append(tuple(sorted(terms, key=lambda t: -t.contribution)))
        start = end
    return tuple(made)
