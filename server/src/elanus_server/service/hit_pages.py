"""How are hits sent?

What belongs to a hit stays with it: its group and what was marked in its texts move where it moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from elanus import DataType, Field, SearchResult
from elanus_server.clock import now
from elanus_server.codec.entities import encode_column, fill_ids
from elanus_server.codec.orders import OrderTerm, page_in_order
from elanus_server.service.context import Hosted
from elanus_server.service.function_chains import Chains
from elanus_server.service.outputs import Outputs
from elanus_server.wire import common, milvus


class Page:
    """Hits of all queries of a call, and how they are sent.

    Attributes:
        results: A result for each query; None for one that finds nothing, as it is null.
        limit: Hits wanted of each.
        outputs: Fields to send.
        group: What hits are grouped by; None: they are not.
        order: What the hits are ordered by.
        page: Which of the hits are sent, once they are in order.
        chains: What is computed of the hits; None: nothing.
        is_negated: Scores are sums of distances with their sign turned.
    """

    def __init__(
        self,
        results: Sequence[SearchResult | None],
        limit: int,
        outputs: Outputs,
        options: Mapping[str, Any],
        *,
        order: Sequence[OrderTerm] = (),
        page: slice = slice(None),
        chains: Chains | None = None,
        is_negated: bool = False,
    ) -> None:
        self.results = results
        self.limit = limit
        self.outputs = outputs
        self.group: str | Sequence[str] | None = options.get("group_by")
        self.order = order
        self.page = page
        self.chains = chains
        self.is_negated = is_negated

    def hits(self, result: SearchResult | None) -> _Hits:
        """Return the hits of a query as they are sent."""
        if result is None:
            return _Hits()
        answer = result.answer
        groups = [value for value, count in answer.groups for _ in range(count)]
        found = _Hits(
            answer.ids,
            answer.scores,
            answer.entities,
            answer.offsets or (),
            groups,
            answer.highlights,
        )
        if self.is_negated:
            found = found._replace(scores=[0.0 - score for score in found.scores])
        if self.order:
            counts = [count for _, count in answer.groups]
            found = found.taken(page_in_order(answer.entities, counts, self.order, self.page))
        if self.chains is None:
            return found
        left = self.chains.apply(found.ids, found.scores, found.entities)
        return found.taken(left.places)._replace(scores=left.scores)


class _Hits(NamedTuple):
    """Hits of one query as they are sent; columns that they do not have are empty."""

    ids: Sequence[Any] = ()
    scores: Sequence[float] = ()
    entities: Sequence[Any] = ()
    offsets: Sequence[int] = ()
    groups: Sequence[Any] = ()
    highlights: Sequence[Mapping[str, Sequence[str]]] = ()

    def taken(self, places: Sequence[int]) -> _Hits:
        """Return those at some places."""
        columns: Any = [[column[p] for p in places] if len(column) else () for column in self]
        return _Hits(*columns)


def answer_page(hosted: Hosted, page: Page) -> Any:
    primary = hosted.collection.schema.primary
    told = milvus.SearchResults(collection_name=hosted.collection.name, session_ts=now())
    data = told.results
    data.num_queries = len(page.results)
    data.top_k = page.limit
    data.primary_field_name = primary.name
    data.output_fields.extend(page.outputs.shown)
    sent = [page.hits(result) for result in page.results]
    for hits in sent:
        data.topks.append(len(hits.ids))
        data.scores.extend(hits.scores)
    keys = [key for hits in sent for key in hits.ids]
    fill_ids(data.ids, primary, keys)
    if page.outputs.columns:
        entities = [entity for hits in sent for entity in hits.entities]
        data.fields_data.extend(page.outputs.encode(hosted, entities))
    offsets = [offset for hits in sent for offset in hits.offsets]
    if offsets and len(offsets) == len(keys):
        data.element_indices.data.extend(offsets)
    if page.group is not None:
        values = [value for hits in sent for value in hits.groups]
        if isinstance(page.group, str):
            data.group_by_field_value.CopyFrom(_group_values(hosted, page.group, values))
        else:
            for place, name in enumerate(page.group):
                own = [value[place] for value in values]
                data.group_by_field_values.append(_group_values(hosted, name, own))
    data.highlight_results.extend(_highlights([one for hits in sent for one in hits.highlights]))
    return told


def _group_values(hosted: Hosted, name: str, values: Sequence[Any]) -> Any:
    schema = hosted.collection.schema
    if name in schema:
        return encode_column(schema.field(name), values)
    made = Field(name.partition("[")[0] or "group", DataType.VARCHAR, nullable=True)
    return encode_column(made, [None if value is None else str(value) for value in values])


def _highlights(marked: Sequence[Mapping[str, Sequence[str]]]) -> Iterator[Any]:
    """Yield what was marked, a message for each text field."""
    for name in dict.fromkeys(name for found in marked for name in found):
        yield common.HighlightResult(
            field_name=name,
            datas=[common.HighlightData(fragments=found.get(name, [])) for found in marked],
        )
