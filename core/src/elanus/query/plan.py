"""How is a request answered, and what would it cost?

Pure functions from counts to a plan. The plan is data: execution only follows it, and
``explanation`` prints it.
"""

from __future__ import annotations

from typing import NamedTuple

from elanus.index.base import VectorIndex

EXACT_METHODS = frozenset({"scan", "postings", "skip"})
"""Methods of a ``SourceStep`` that find every row that they should."""


MINHASH_LSH = "MINHASH_LSH"
"""The index type that promises no recall of its own accord: its answers are near-duplicates."""


class SourceStep(NamedTuple):
    """What is done on one source.

    Attributes:
        source: Its name.
        num_rows: Its rows, dead ones included.
        allowed: Rows that are visible and pass the filters.
        method: ``scan`` (exact), ``graph``, ``codes`` (coded rows of all allowed ones), ``lists``,
            ``bands`` (rows that share a band of a signature), ``postings`` (exact) or ``skip``
            (nothing allowed).
        ef: Candidate list of a graph walk.
        recall: Estimated recall of this step; 1.0 when exact. What ``drop_ratio`` loses is not
            estimated.
        drop_ratio: Share of the weights of a sparse query that choose no rows.
        note: Why it is done so, where that may surprise; else empty.
    """

    source: str
    num_rows: int
    allowed: int
    method: str
    ef: int | None = None
    recall: float = 1.0
    drop_ratio: float = 0.0
    note: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether it finds every row that it should."""
        return self.method in EXACT_METHODS and not self.drop_ratio

    def __str__(self) -> str:
        ef = "" if self.ef is None else f" ef={self.ef}"
        recall = "" if self.recall == 1.0 else f" recall≈{self.recall:.3f}"
        dropped = "" if not self.drop_ratio else f" drop_ratio={self.drop_ratio:g}"
        share = f"{self.allowed}/{self.num_rows} rows"
        note = f" ({self.note})" if self.note else ""
        return f"{self.source}: {self.method}{ef}{dropped} over {share}{recall}{note}"


class LegPlan(NamedTuple):
    """Steps of one leg, one per source."""

    field: str
    metric: str
    limit: int
    steps: tuple[SourceStep, ...]

    @property
    def recall(self) -> float:
        """Estimated recall over all sources, weighted by their allowed rows."""
        total = sum(s.allowed for s in self.steps)
        if total == 0:
            return 1.0
        return sum(s.recall * s.allowed for s in self.steps) / total

    def __str__(self) -> str:
        head = f"{self.field} ({self.metric}), {self.limit} candidates"
        return "\n".join([head, *(f"  {step}" for step in self.steps)])


def plan_dense(
    source: str,
    index: VectorIndex,
    allowed: int,
    limit: int,
    recall: float,
    ef: int | None,
    *,
    in_range: bool = False,
) -> SourceStep:
    """Choose between a scan of the allowed rows and a walk over the graph.

    Args:
        source: Name for the plan.
        index: The source's index; its measured costs decide.
        allowed: Rows that may be returned.
        limit: Candidates wanted.
        recall: Share of the true nearest rows wanted, in (0, 1].
        ef: Candidate list given by the user; None derives it from ``recall``.
        in_range: All rows within bounds are wanted: rows in any list may lie there, so all are
            read, whatever ``ef`` and ``recall`` say, as in Milvus.
    """
    rows = index.num_rows
    if allowed == 0:
        return SourceStep(source, rows, 0, "skip")
    # A measured curve may reach 1.0 on its sample; only a scan promises it.
    chosen = ef if ef is not None or recall >= 1.0 else index.ef_for(recall, limit)
    if chosen is None or limit >= allowed:
        is_beyond = chosen is None and recall < 1.0 and index.index_type == MINHASH_LSH
        note = f"{MINHASH_LSH} cannot promise recall {recall:g}" if is_beyond else ""
        return SourceStep(source, rows, allowed, "scan", note=note)
    scan_ns = allowed * index.cost.ns_per_scanned_row
    found = index.approximate(allowed, limit, chosen)
    if in_range and found.method == "lists":
        return SourceStep(source, rows, allowed, "scan", note="a range may reach into every list")
    if found.method == "scan" or (ef is None and scan_ns <= found.ns):
        return SourceStep(source, rows, allowed, "scan")
    return SourceStep(source, rows, allowed, found.method, chosen, min(found.recall, 1.0))
