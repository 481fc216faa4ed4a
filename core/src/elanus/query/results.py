"""What does a user hold after a search?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, overload

import numpy as np

from elanus.query.filter_plan import FilterPlan
from elanus.query.plan import LegPlan
from elanus.query.rank_records import RankingSummary, RankRecord, RankStep, places_of, steps_of
from elanus.query.scores import shown_score, user_score
from elanus.types import Float32Array, Float64Array, Int64Array, MetricType, PrimaryKey


@dataclass(frozen=True, slots=True)
class LegScore:
    """What one leg says about one hit.

    Attributes:
        name: Field that the leg searched.
        metric: Its metric.
        rank: Place in the leg's list, from 1; None when the leg did not find the hit.
        score: The metric's value; None when the leg did not find the hit.
        contribution: Part of the hit's final score that comes from this leg.
        steps: What the rankers of the leg did, in order.
    """

    name: str
    metric: str
    rank: int | None
    score: float | None
    contribution: float
    steps: tuple[RankStep, ...] = ()

    def __str__(self) -> str:
        if self.rank is None or self.score is None:
            return f"{self.name}: not found"
        added = (
            "" if self.contribution == self.score else f", adds {shown_score(self.contribution)}"
        )
        head = f"{self.name}: rank {self.rank}, {self.metric} {shown_score(self.score)}{added}"
        return "\n  ".join([head, *map(str, self.steps)])


@dataclass(frozen=True, slots=True)
class TermScore:
    """What one query term adds to a BM25 score."""

    term: str
    idf: float
    frequency: float
    contribution: float


@dataclass(frozen=True, slots=True)
class HitExplanation:
    """Why a hit is where it is; ``print`` it.

    Attributes:
        legs: One entry per searched field, in the order of the request.
        source: Segment or memtable that holds the row.
        terms: Matched terms of the BM25 leg, the heaviest first; only with ``explain=True``.
        fusion: How the legs were joined, or "".
        steps: What each ranker did, in order.
    """

    legs: tuple[LegScore, ...]
    source: str = ""
    terms: tuple[TermScore, ...] = ()
    fusion: str = ""
    steps: tuple[RankStep, ...] = ()

    def __str__(self) -> str:
        lines = [str(leg) for leg in self.legs]
        lines += [
            f"  {t.term}: {t.contribution:.3f} (idf {t.idf:.3f}, {t.frequency:g} times)"
            for t in self.terms
        ]
        return "\n".join(lines + self.ranking_lines())

    def ranking_lines(self) -> list[str]:
        """Return what fusion and each ranker did, a line each."""
        joined = math.fsum(leg.contribution for leg in self.legs)
        lines = [f"{self.fusion}: {shown_score(joined)}"] if self.fusion else []
        return lines + [str(step) for step in self.steps]


class LegRanking(NamedTuple):
    """What one leg found for one query, best first; arrays of shape ``(n,)``.

    Attributes:
        name: Field that the leg searched.
        metric: Its metric.
        sources: int64, numbers of sources.
        row_ids: int64.
        distances: float32.
        contributions: float64, what the leg adds to scores; None: the metric's value itself.
        records: What the rankers of the leg did.
        ranks: int64, places in the list, from 1; None: 1, 2, 3 and so on.
    """

    name: str
    metric: MetricType
    sources: Int64Array
    row_ids: Int64Array
    distances: Float32Array
    contributions: Float64Array | None = None
    records: tuple[RankRecord, ...] = ()
    ranks: Int64Array | None = None

    def of_rows(self, sources: Int64Array, row_ids: Int64Array) -> LegRanking:
        """Return what the leg found of these rows alone."""
        kept = places_of(self.sources, self.row_ids, sources, row_ids)
        parts = self.contributions
        return LegRanking(
            self.name,
            self.metric,
            self.sources[kept],
            self.row_ids[kept],
            self.distances[kept],
            None if parts is None else parts[kept],
            tuple([record.of_rows(sources, row_ids) for record in self.records]),
            kept + 1 if self.ranks is None else self.ranks[kept],
        )

    def score_of(self, source: int, row_id: int) -> LegScore:
        """Return what the leg says about a row."""
        places = np.flatnonzero((self.row_ids == row_id) & (self.sources == source))
        if not len(places):
            return LegScore(self.name, self.metric, None, None, 0.0)
        place = int(places[0])
        score = user_score(self.metric, float(self.distances[place]))
        parts = self.contributions
        part = score if parts is None else float(parts[place])
        steps = steps_of(self.records, source, row_id) if self.records else ()
        rank = place + 1 if self.ranks is None else int(self.ranks[place])
        return LegScore(self.name, self.metric, rank, score, part, steps)


class HitReasons(NamedTuple):
    """From what the explanations of hits are made when somebody asks for one.

    Attributes:
        legs: What each leg found for the query.
        sources: int64, for each hit the number of its source.
        row_ids: int64, its row there.
        names: Names of the sources.
        terms: Matched terms of each hit; empty without ``explain=True``.
        fusion: How several legs were joined, or "".
        records: What each ranker did.
    """

    legs: tuple[LegRanking, ...]
    sources: Int64Array
    row_ids: Int64Array
    names: tuple[str, ...]
    terms: tuple[tuple[TermScore, ...], ...] = ()
    fusion: str = ""
    records: tuple[RankRecord, ...] = ()

    def explain(self, hit: int) -> HitExplanation:
        """Return the explanation of the hit at this place, from 0."""
        source, row_id = int(self.sources[hit]), int(self.row_ids[hit])
        terms = self.terms[hit] if self.terms else ()
        return self.explain_row(source, row_id, terms)

    def of_hits(self) -> HitReasons:
        """Return the same for the hits alone: without candidates that became none."""
        sources, row_ids = self.sources, self.row_ids
        return self._replace(
            legs=tuple([leg.of_rows(sources, row_ids) for leg in self.legs]),
            records=tuple([record.of_rows(sources, row_ids) for record in self.records]),
        )

    def explain_row(
        self, source: int, row_id: int, terms: tuple[TermScore, ...] = ()
    ) -> HitExplanation:
        """Return the explanation of a row, be it a hit or not."""
        legs = tuple(leg.score_of(source, row_id) for leg in self.legs)
        done = steps_of(self.records, source, row_id)
        return HitExplanation(legs, self.names[source], terms, self.fusion, done)


class Hit:
    """One found entity.

    Attributes:
        id: Primary key.
        score: COSINE: cosine; IP: inner product; L2: squared distance, HAMMING: bits that differ
            and JACCARD: their share, all three smaller is nearer; BM25: score; hybrid search:
            fused score.
        entity: The output fields.
        highlights: By text field the fragments in which words of the query are marked, the first
            one first; of a search with ``highlight``, empty otherwise.
        offset: Which vector of a list is the one that was found, from 0, in a search of lists of
            vectors by another metric than MAX_SIM, also with ``per_element``; None elsewhere.
    """

    __slots__ = ("_explanation", "entity", "id", "offset", "score")
    highlights: Mapping[str, list[str]] = MappingProxyType({})

    def __init__(
        self,
        id: PrimaryKey,
        score: float,
        entity: dict[str, Any],
        explanation: HitExplanation | Callable[[], HitExplanation],
        offset: int | None = None,
    ) -> None:
        self.id = id
        self.score = score
        self.entity = entity
        self._explanation = explanation
        self.offset = offset

    @property
    def explanation(self) -> HitExplanation:
        """Parts of the score; made when it is first asked for."""
        found = self._explanation
        if not isinstance(found, HitExplanation):
            found = self._explanation = found()
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hit):
            return NotImplemented
        mine = self.id, self.score, self.entity, self.offset, self.explanation
        return mine == (other.id, other.score, other.entity, other.offset, other.explanation)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Hit(id={self.id!r}, score={self.score!r}, entity={self.entity!r})"


class HighlightedHit(Hit):
    """A hit of a search with ``highlight``."""

    __slots__ = ("highlights",)

    def __init__(
        self,
        id: PrimaryKey,
        score: float,
        entity: dict[str, Any],
        explanation: HitExplanation | Callable[[], HitExplanation],
        highlights: dict[str, list[str]],
    ) -> None:
        super().__init__(id, score, entity, explanation)
        self.highlights = highlights


class SearchExplanation(NamedTuple):
    """How a search was answered; ``print`` it.

    Attributes:
        legs: Plan of each searched field.
        fusion: How several legs were joined, or "".
        filters: How each filter was answered, of a search with ``explain=True``.
        timings_ms: Milliseconds by stage: ``filter``, ``candidates``, ``merge``, ``rank``,
            ``project``, ``total``; of all queries of a call together.
        ranking: What rankers saw; None without one.
    """

    legs: tuple[LegPlan, ...]
    fusion: str
    timings_ms: dict[str, float]
    ranking: RankingSummary | None = None
    filters: tuple[FilterPlan, ...] = ()

    def __str__(self) -> str:
        lines = [str(leg) for leg in (*self.legs, *self.filters)]
        if self.fusion:
            lines.append(f"fused by {self.fusion}")
        if self.ranking is not None:
            lines.append(str(self.ranking))
        lines.append(", ".join(f"{stage} {ms:.2f} ms" for stage, ms in self.timings_ms.items()))
        return "\n".join(lines)


class HitGroup(NamedTuple):
    """Hits that share a value, best first.

    Attributes:
        value: What they share; None also where a row has nothing there.
        hits: The hits.
    """

    value: Any
    hits: tuple[Hit, ...]


class Answer(NamedTuple):
    """Hits of one query as lists, best first; one value per hit.

    Attributes:
        made_reasons: From what hits are explained, or what makes it; see ``reasons``.
        groups: Value and number of hits of each group, one after the other.
        highlights: Marked fragments of each hit; none without ``highlight``.
        offsets: ``Hit.offset`` of each hit; empty when there are none.
    """

    ids: list[PrimaryKey]
    scores: list[float]
    entities: list[dict[str, Any]]
    made_reasons: HitReasons | Callable[[], HitReasons]
    groups: tuple[tuple[Any, int], ...] = ()
    highlights: Sequence[dict[str, list[str]]] = ()
    offsets: tuple[int, ...] = ()

    @property
    def reasons(self) -> HitReasons:
        """From what the explanations of hits are made."""
        found = self.made_reasons
        return found if isinstance(found, HitReasons) else found()

    def explain(self, hit: int) -> HitExplanation:
        """Return the explanation of the hit at this place, from 0."""
        return self.reasons.explain(hit)


class SearchResult(Sequence[Hit]):
    """Hits of one query, best first."""

    __slots__ = ("_answer", "_explanation", "_hits")

    def __init__(
        self, answer: Answer, explanation: SearchExplanation | Callable[[], SearchExplanation]
    ) -> None:
        self._answer = answer
        self._hits: tuple[Hit, ...] | None = None
        self._explanation = explanation

    @property
    def explanation(self) -> SearchExplanation:
        """Plan and timings; made when it is first asked for."""
        found = self._explanation
        if not isinstance(found, SearchExplanation):
            found = self._explanation = found()
        return found

    @property
    def answer(self) -> Answer:
        """The hits as lists."""
        return self._answer

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The hits."""
        if self._hits is None:
            ids, scores, entities, _, _, highlights, offsets = self._answer
            explain = self._answer.explain
            self._hits = tuple(
                Hit(pk, score, entity, partial(explain, place))
                for place, (pk, score, entity) in enumerate(zip(ids, scores, entities, strict=True))
            )
            if highlights:
                self._hits = tuple(
                    HighlightedHit(h.id, h.score, h.entity, partial(explain, i), marked)
                    for i, (h, marked) in enumerate(zip(self._hits, highlights, strict=True))
                )
            for hit, offset in zip(self._hits, offsets, strict=False):
                hit.offset = offset
        return self._hits

    @property
    def groups(self) -> tuple[HitGroup, ...]:
        """The hits by group, of a search with ``group_by``; none otherwise."""
        made, start = [], 0
        for value, count in self._answer.groups:
            made.append(HitGroup(value, self.hits[start : start + count]))
            start += count
        return tuple(made)

    @property
    def recall_estimate(self) -> float:
        """Expected share of the true nearest rows among the candidates."""
        return min(leg.recall for leg in self.explanation.legs)

    @property
    def is_exact(self) -> bool:
        """Whether every candidate list was computed exactly, and rankers saw what they had to."""
        ranking = self.explanation.ranking
        if ranking is not None and not ranking.is_exact:
            return False
        return all(step.is_exact for leg in self.explanation.legs for step in leg.steps)

    @property
    def ids(self) -> list[PrimaryKey]:
        """Primary keys, best first."""
        return [*self._answer.ids]

    def __len__(self) -> int:
        return len(self._answer.ids)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def __repr__(self) -> str:
        return f"SearchResult(hits={self.hits!r}, recall_estimate={self.recall_estimate!r})"
