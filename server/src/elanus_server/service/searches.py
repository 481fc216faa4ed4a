"""Searching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elanus import DataType, SearchResult
from elanus_server.clock import now
from elanus_server.codec.entities import fill_ids
from elanus_server.codec.highlighters import decode_highlighter
from elanus_server.codec.orders import search_order
from elanus_server.codec.pairs import loose_value, read_flag, read_integer, read_pairs
from elanus_server.codec.rankers import decode_function_score
from elanus_server.codec.requests import (
    check_group,
    check_growing,
    check_range,
    decode_templates,
    out_of_range,
    read_limit,
    read_options,
    searched_field,
)
from elanus_server.failures import invalid, mismatch
from elanus_server.service.context import Call, Hosted
from elanus_server.service.cursors import Cursor
from elanus_server.service.function_chains import Chains, chains_of
from elanus_server.service.fusions import leg_of, search_joined
from elanus_server.service.hit_pages import Page, answer_page
from elanus_server.service.indexes import shown_metric
from elanus_server.service.namespaces import namespace_of
from elanus_server.service.outputs import Outputs, resolve_outputs
from elanus_server.service.partitions import check_partitions
from elanus_server.service.registry import rpc
from elanus_server.service.search_aggregation import SearchAggregation
from elanus_server.service.search_params import read_widths
from elanus_server.service.search_queries import in_places, queries_of, without_nulls
from elanus_server.wire import milvus

MAX_PLANS = 256
"""Ways to search a collection that are remembered: filters are part of them."""
MAX_PLAN_LENGTH = 4_096
"""Letters of a filter that is remembered; lists of keys come once."""
LEAST_REFINED = 64
"""Candidates that MINHASH_LSH scores at least: a few more than asked for cost next to nothing."""
_GRAPH_WIDTHS = ("ef", "search_list", "search_list_size", "itopk_size")
_INVERTED_FILES = ("IVF_FLAT", "IVF_SQ8", "IVF_PQ")


class SearchPlan:
    """A ``SearchRequest``, read.

    Attributes:
        field: That is searched.
        params: ``search_params`` by name.
        inner: What ``params`` holds in them.
        limit: Hits wanted of each query.
        options: Of ``Collection.search``.
        filter: Which entities may be hits; None: all.
        is_iterator: Whether it is a step of a search iterator.
        order: What the hits are ordered by.
        page: Which of the hits, once they are in order; the search finds those before as well.
    """

    def __init__(self, hosted: Hosted, request: Any) -> None:
        self.params = read_pairs(request.search_params)
        check_growing(self.params)
        inner = loose_value(self.params.get("params", "{}"))
        self.inner: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
        self.field = searched_field(hosted.collection.schema, self.params.get("anns_field", ""))
        self.limit = read_limit("topk", self.params.get("topk", "10"), least=1)
        offset = read_limit("offset", self.params.get("offset", "0"), least=0)
        if self.limit + offset > 16_384:
            raise out_of_range("offset+topk", self.limit + offset)
        self.options: dict[str, Any] = read_options(self.params, self.inner)
        if offset:
            self.options["offset"] = offset
        check_range(self.options, self.field.metric_type)
        check_group(self.options, hosted.collection.schema)
        self._check_metric()
        width = self._width(hosted)
        if width is not None:
            self.options["ef"] = width
        templates = decode_templates(request.expr_template_values)
        if templates:
            self.options["params"] = templates
        self.filter = request.dsl.strip() or None
        self.is_iterator = read_flag("search_iter_v2", self.params.get("search_iter_v2", ""))
        text = self.params.get("order_by_fields", "").strip('"')
        self.order = search_order(text, hosted.collection.schema)
        self.page = slice(0, self.limit)
        if self.order:
            # The pages are those of the order, which only all of them together have.
            self._check_order()
            self.options.pop("offset", None)
            self.page = slice(offset, offset + self.limit)

    def _check_order(self) -> None:
        if read_flag("iterator", self.params.get("iterator", "")) or self.is_iterator:
            raise invalid("order_by is not supported when using search iterator")

    def _check_metric(self) -> None:
        given = self.params.get("metric_type") or self.inner.get("metric_type")
        wanted = self.field.metric_type
        names = {str(wanted), str(wanted.of_vectors), shown_metric(self.field)}
        if wanted.is_max_sim:
            names.add("MAX_SIM")
        if given and str(given).upper() not in names:
            raise invalid(
                f"fail to search: metric type not match: invalid [expected={wanted}]"
                f"[actual={given}]"
            )

    def _width(self, hosted: Hosted) -> int | None:
        """Return how many candidates the index is to look at, where the client says it."""
        index = hosted.record.index_of(self.field.name)
        kind = "" if index is None else index.params.get("index_type", "").upper()
        # As in Milvus, groups are looked for until there are enough, however narrow each look is.
        least = 1 if "group_by" in self.options else self.limit
        found = read_widths(kind, self.inner, least)
        if kind == "MINHASH_LSH":
            # Milvus always answers from the bands; elanus would scan for what they cannot promise.
            least = max(LEAST_REFINED, 4 * self.limit)
            return least if "refine_k" not in self.inner else self._refined()
        if kind in _INVERTED_FILES and self.field.vector_type is DataType.FLOAT_VECTOR:
            if not read_flag("iterator", self.params.get("iterator", "")):
                return found.get("nprobe")
            # The client asks for what lies beyond the last hit next: what a page leaves out would
            # never come.
            self.options["recall"] = 1.0
            return None
        width = next((found[name] for name in _GRAPH_WIDTHS if name in found), None)
        return None if width is None else max(width, self.limit)

    def _refined(self) -> int:
        count = read_integer("refine_k", self.inner["refine_k"])
        if count < 1:
            raise invalid(f"refine_k: expected a whole number of at least 1, got {count}")
        return count


def read_scope(hosted: Hosted, request: Any) -> dict[str, Any]:
    """Return the partitions of a request as options, once the collection may be read.

    How recent the answer is need not be said: every process sees everything that was acknowledged
    before the read, which is the strongest of Milvus' levels.
    """
    namespace = namespace_of(hosted, request)
    wanted = request.partition_names if namespace is None else [namespace]
    partitions = check_partitions(hosted, wanted, reads=True)
    hosted.check_loaded(partitions)
    options: dict[str, Any] = {}
    record = hosted.record
    if not partitions and record.unloaded:
        partitions = [n for n in hosted.collection.list_partitions() if n not in record.unloaded]
    if partitions:
        options["partitions"] = partitions
    return options


def _planned(hosted: Hosted, request: Any) -> tuple[SearchPlan, Outputs]:
    """Return what a request comes to, but for its queries.

    Searches of one program differ in their queries alone: all else is read once, for as long as
    nothing changes that it follows from.
    """
    known = hosted.known
    depends_on_more = request.partition_names or request.expr_template_values
    is_short = len(request.dsl) <= MAX_PLAN_LENGTH
    key = None
    if is_short and not depends_on_more and not known.record.unloaded:
        pairs = tuple([(pair.key, pair.value) for pair in request.search_params])
        key = (pairs, request.dsl, tuple(request.output_fields))
        found: tuple[SearchPlan, Outputs] | None = known.plans.get(key)
        if found is not None:
            return found
    scope = read_scope(hosted, request)
    plan = SearchPlan(hosted, request)
    plan.options.update(scope)
    time_fields = plan.params.get("time_fields", "")
    planned = (
        plan,
        resolve_outputs(hosted, request.output_fields, with_key=False, time_fields=time_fields),
    )
    if key is not None:
        if len(known.plans) >= MAX_PLANS:
            known.plans.clear()
        known.plans[key] = planned
    return planned


@rpc("Search")
def search(call: Call, request: Any) -> Any:
    hosted = call.hosted(request)
    plan, outputs = _planned(hosted, request)
    options = dict(plan.options)
    if request.HasField("highlighter"):
        options["highlight"] = decode_highlighter(
            request.highlighter, hosted.collection.schema, plan.field
        )
    if request.function_score.functions:
        if plan.order:
            raise invalid(
                "order_by and function_score cannot be used together: they specify conflicting "
                "sort criteria"
            )
        fusion, rankers = decode_function_score(request.function_score, 1, hosted.collection.schema)
        if rankers:
            options["ranker"] = rankers
        if fusion is not None:
            return _joined(hosted, request, plan, options, fusion, outputs)
    queries = queries_of(hosted, request, plan.field)
    if request.HasField("search_aggregation"):
        without_nulls(queries, "aggregation")
        return _aggregated(hosted, request, plan, options, queries, outputs)
    chains = chains_of(request, hosted.collection.schema, options, is_iterator=plan.is_iterator)
    if plan.is_iterator:
        seq = call.host.sessions.seq(
            hosted.database, hosted.whole.name, request.guarantee_timestamp
        )
        if seq is not None:
            options["as_of"] = seq
        without_nulls(queries, "iterator")
        return _next_batch(call, hosted, plan, options, queries, outputs)
    given = [query for query in queries if query is not None]
    results = _found(hosted, plan, options, given, outputs, chains) if given else []
    found = in_places(queries, results)
    page = Page(
        found, plan.limit, outputs, options, order=plan.order, page=plan.page, chains=chains
    )
    return answer_page(hosted, page)


def _joined(
    hosted: Hosted,
    request: Any,
    plan: SearchPlan,
    options: Mapping[str, Any],
    fusion: Any,
    outputs: Outputs,
) -> Any:
    """Answer the hits of a search with the scores that a join of legs gives it, its only one."""
    unfit = {
        "search iterator": plan.is_iterator,
        "search aggregation": request.HasField("search_aggregation"),
        "function chains": bool(request.function_chains),
    }
    for name, is_asked in unfit.items():
        if is_asked:
            raise invalid(f"{name}: ranker is not supported")
    queries = queries_of(hosted, request, plan.field)
    given = [query for query in queries if query is not None]
    results: Sequence[SearchResult] = []
    is_negated = False
    if given:
        depth = plan.limit + options.get("offset", 0)
        leg = leg_of(plan.field.name, given, depth, plan.filter, options)
        results, is_negated = search_joined(hosted, leg, fusion, plan.limit, outputs.asked, options)
    page = Page(in_places(queries, results), plan.limit, outputs, options, is_negated=is_negated)
    return answer_page(hosted, page)


def _found(
    hosted: Hosted,
    plan: SearchPlan,
    options: Mapping[str, Any],
    queries: Sequence[Any],
    outputs: Outputs,
    chains: Chains | None,
) -> Sequence[SearchResult]:
    """Return a result for each query."""
    read = [*[term.field for term in plan.order], *(chains.fields if chains else ())]
    # One query by itself may be like one before, and is prepared then.
    results = hosted.collection.search(
        queries[0] if len(queries) == 1 else queries,
        plan.field.name,
        plan.page.stop,
        filter=plan.filter,
        output=outputs.asked_with(read),
        **options,
    )
    return [results] if len(queries) == 1 else results


def _aggregated(
    hosted: Hosted,
    request: Any,
    plan: SearchPlan,
    options: Mapping[str, Any],
    queries: Sequence[Any],
    outputs: Outputs,
) -> Any:
    """Answer the buckets of a search aggregation; there are no hits besides."""
    collection = hosted.collection
    if plan.is_iterator or plan.order or request.function_chains:
        raise invalid(
            "search aggregation cannot be used with iterators, order_by_fields or function chains"
        )
    asked = SearchAggregation(request.search_aggregation, collection.schema, options)
    asked.check_rows(len(queries))
    results = [
        collection.search(
            query,
            plan.field.name,
            asked.limit,
            filter=plan.filter,
            output=tuple(dict.fromkeys([*outputs.asked, *asked.read()])),
            **{**options, "group_by": asked.fields, "group_size": asked.group_size},
        )
        for query in queries
    ]
    told = milvus.SearchResults(collection_name=collection.name, session_ts=now())
    data = told.results
    data.num_queries, data.primary_field_name = len(queries), collection.schema.primary.name
    data.topks.extend([0] * len(queries))
    fill_ids(data.ids, collection.schema.primary, [])
    asked.fill(data, results, outputs.held, hosted.known.numbers)
    return told


def _next_batch(
    call: Call,
    hosted: Hosted,
    plan: SearchPlan,
    given: Mapping[str, Any],
    queries: Sequence[Any],
    outputs: Outputs,
) -> Any:
    """Answer one step of a search iterator."""
    if len(queries) != 1:
        raise invalid(f"search iterator: expected one query, got {len(queries)}")
    size = read_limit("batch_size", plan.params.get("search_iter_batch_size", "1000"), least=1)
    token = plan.params.get("search_iter_id", "").strip('"')
    if "group_by" in given:
        raise mismatch("Not allowed to do groupBy when doing iteration", "", "")
    unfit = [n for n in ("offset", "ranker") if n in given]
    if unfit:
        raise invalid(f"search iterator: {unfit[0]} is not supported")

    # Whose rights have changed since begins anew: their handle is another.
    owner = call.user, hosted.collection

    def begin() -> Cursor:
        options = {n: v for n, v in given.items() if n != "group_size"}
        iterator = hosted.collection.search_iterator(
            queries[0],
            plan.field.name,
            batch_size=size,
            filter=plan.filter,
            output=outputs.asked,
            **options,
        )
        moment = call.host.sessions.begin(hosted.database, hosted.whole.name, iterator)
        return Cursor(iterator, owner, moment)

    name, cursor = call.host.cursors.find(token, begin, owner)
    result = cursor.next()
    found = [] if result is None else [result]
    answered = answer_page(hosted, Page(found, size, outputs, {}))
    if not found:
        answered.results.num_queries = 1
        answered.results.topks.append(0)
    else:
        cursor.last_bound = result.answer.scores[-1]
    answered.results.search_iterator_v2_results.token = name
    answered.results.search_iterator_v2_results.last_bound = cursor.last_bound
    answered.session_ts = cursor.session_ts
    return answered
