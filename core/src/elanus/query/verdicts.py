"""What does a user learn about an entity that is not among the hits?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from elanus.query.results import HitExplanation
from elanus.query.scores import shown_score
from elanus.types import PrimaryKey


class Cause(StrEnum):
    """Where an entity fell out.

    HIT: nowhere. OFFSET: it is left out at the front. UNKNOWN_KEY: nothing has the key. DELETED:
    it was deleted. EXPIRED: it is too old. LATER: it was written after the state that is searched.
    FILTER: a filter says no.
    NULL: it has no vector in the field. NO_MATCH: it shares no term or dimension with the query.
    RANGE: its score lies outside of the bounds. LIMIT: others are nearer. MISSED: it is near
    enough, and the approximate search did not find it. CUT: it was a candidate, and others are
    better after fusion and rankers. GROUP_FULL: its group is wanted and has better hits.
    GROUP_LIMIT: other groups are better than its own.
    """

    HIT = "hit"
    OFFSET = "offset"
    UNKNOWN_KEY = "unknown_key"
    DELETED = "deleted"
    EXPIRED = "expired"
    LATER = "later"
    FILTER = "filter"
    NULL = "null"
    NO_MATCH = "no_match"
    RANGE = "range"
    LIMIT = "limit"
    MISSED = "missed"
    CUT = "cut"
    GROUP_FULL = "group_full"
    GROUP_LIMIT = "group_limit"


@dataclass(frozen=True, slots=True)
class LegVerdict:
    """What one leg says of the entity.

    Attributes:
        field: Field that it searched.
        metric: Its metric.
        cause: FILTER, NULL, NO_MATCH, RANGE, LIMIT, MISSED, or CUT by rankers of the leg; None: it
            is a candidate.
        score: The metric's value, computed exactly; None where it shares nothing with the query.
        rank: Place of the entity among all rows that the leg may find, by exact scores, from 1;
            None where it is not one of them.
        limit: Candidates of the leg.
        failed: Conditions of the filter that say no, with what the entity holds.
        remedy: What would make it a candidate, or "".
    """

    field: str
    metric: str
    cause: Cause | None
    score: float | None
    rank: int | None
    limit: int
    failed: tuple[str, ...] = ()
    remedy: str = ""

    def __str__(self) -> str:
        score = "" if self.score is None else f"{self.metric} {shown_score(self.score)}"
        place = f"{score}, exact rank {self.rank}"
        said = {
            None: f"{place}, one of {self.limit} candidates",
            Cause.FILTER: f"fails {' and '.join(self.failed)}",
            Cause.NULL: "holds no vector",
            Cause.NO_MATCH: "shares no term with the query"
            if self.metric == "BM25"
            else "shares no dimension with the query",
            Cause.RANGE: f"{score} lies outside of the bounds",
            Cause.LIMIT: f"{place}, not among the nearest {self.limit}",
            Cause.CUT: f"{place}, and the rankers of the leg leave others",
            Cause.MISSED: f"{place}, missed by the approximate search for {self.limit}",
        }[self.cause]
        return f"{self.field}: {said}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """What became of the group of the entity.

    Attributes:
        value: What the group shares.
        rank: Place of the group, from 1; None when it is not found.
        limit: Groups wanted, those of ``offset`` included.
        place: Place of the entity in its group, from 1; None when it is not found there.
        size: Most hits of a group.
        kept: Keys and scores of the hits of the group; none when it is not wanted.
    """

    value: object
    rank: int | None
    limit: int
    place: int | None
    size: int
    kept: tuple[tuple[PrimaryKey, float], ...] = ()

    def __str__(self) -> str:
        rank = "not found" if self.rank is None else f"number {self.rank} of {self.limit} wanted"
        place = "" if self.place is None else f"; the entity is number {self.place} of it"
        hits = ", ".join(f"{pk!r} ({shown_score(score)})" for pk, score in self.kept)
        kept = f", with {hits}" if hits else ""
        return f"group {self.value!r}: {rank}{kept}{place} where {self.size} are kept"


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why an entity is not among the hits of a search; ``print`` it.

    Attributes:
        id: Its primary key.
        cause: Where it fell out.
        summary: The same as a sentence.
        legs: What each leg says; none for a key that cannot be searched.
        rank: Its place in the end, from 1, offset included; None when it was no candidate, or a
            ranker left it out. Of a search for groups its place in its group.
        score: Its score in the end; None when it was no candidate.
        last_score: Score of the last hit; None without hits.
        explanation: The parts of its score, as of a hit; None when it was no candidate.
        group: What became of its group, of a search with ``group_by``.
        offset: With ``per_element`` the place of the element in its list that is spoken of: the
            best hit of the entity, else the nearest that filters allow, else the nearest; None
            where it has none.
    """

    id: PrimaryKey
    cause: Cause
    summary: str
    legs: tuple[LegVerdict, ...] = ()
    rank: int | None = None
    score: float | None = None
    last_score: float | None = None
    explanation: HitExplanation | None = None
    group: GroupVerdict | None = None
    offset: int | None = None

    def __str__(self) -> str:
        element = "" if self.offset is None else f", element {self.offset}"
        lines = [f"{self.id!r}{element}: {self.summary}"]
        lines += [f"  {leg}" for leg in self.legs]
        if self.group is not None:
            lines.append(f"  {self.group}")
        if self.explanation is not None:
            lines += [f"  {line}" for line in self.explanation.ranking_lines()]
        return "\n".join(lines)
