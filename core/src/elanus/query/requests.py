"""What does a search ask for?

Requests are frozen and checked: by the time one exists, names are bound to the schema and values
have their final types. What every search makes is a tuple, which costs a fraction of a frozen
dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from elanus.analysis.analyzer import Analyzer
from elanus.errors import InvalidArgumentError
from elanus.filter import BoundFilter, FieldRef, JsonPath
from elanus.index.vector_lists import VectorQueries
from elanus.query.highlighter import HighlightRequest
from elanus.query.ordering import OrderKey
from elanus.query.ranges import DistanceRange
from elanus.query.ranking import Ranking
from elanus.schema.fields import Field
from elanus.schema.functions import BM25
from elanus.types import Float32Array, UInt32Array, VectorArray

MAX_LIMIT = 16_384
"""Most hits of one search, as in Milvus."""
DEFAULT_RECALL = 0.95
SCORE_MODES = ("max", "sum", "avg")


class DenseQuery(NamedTuple):
    """``vectors``: C-contiguous, shape ``(nq, dim)``, as ``VectorIndex.search`` takes them."""

    vectors: VectorArray
    recall: float = DEFAULT_RECALL
    ef: int | None = None

    @property
    def num_queries(self) -> int:
        """Number of vectors."""
        return len(self.vectors)

    def one(self, i: int) -> DenseQuery:
        """Return one of the queries."""
        return self._replace(vectors=self.vectors[i : i + 1])


class SparseQuery(NamedTuple):
    """Sparse vectors.

    Attributes:
        vectors: Dimensions (uint32, ascending) and weights (float32) of each.
        drop_ratio: Share of the weights, the smallest, that choose no rows; from 0 to below 1.
    """

    vectors: tuple[tuple[UInt32Array, Float32Array], ...]
    drop_ratio: float = 0.0

    @property
    def num_queries(self) -> int:
        """Number of vectors."""
        return len(self.vectors)

    def one(self, i: int) -> SparseQuery:
        """Return one of the queries."""
        return self._replace(vectors=self.vectors[i : i + 1])


class TextQuery(NamedTuple):
    """Texts for a BM25 field, analyzed as the field is.

    Attributes:
        texts: The texts.
        analyzer: That of the field.
        function: That of the field.
        drop_ratio: Share of the terms, those that weigh least, that choose no rows; from 0 to
            below 1.
    """

    texts: tuple[str, ...]
    analyzer: Analyzer
    function: BM25
    drop_ratio: float = 0.0

    @property
    def num_queries(self) -> int:
        """Number of texts."""
        return len(self.texts)

    def one(self, i: int) -> TextQuery:
        """Return one of the queries."""
        return self._replace(texts=self.texts[i : i + 1])


class ListQuery(NamedTuple):
    """Queries of a field of lists of vectors.

    Attributes:
        queries: One vector or several for each query.
        recall: Share of the true nearest rows wanted, in (0, 1].
    """

    queries: VectorQueries
    recall: float = DEFAULT_RECALL

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return len(self.queries)

    def one(self, i: int) -> ListQuery:
        """Return one of the queries."""
        return self._replace(queries=self.queries.one(i))


class LegRequest(NamedTuple):
    """Candidates of one field, nearest first.

    Attributes:
        field: The vector field to search.
        query: What to look for; its kind fits the field.
        limit: Candidates wanted per query.
        filters: Rows must pass all of them.
        range: Candidates must lie in it; None: any do.
        ranking: What the rankers of this leg do with its candidates before legs are joined.
    """

    field: Field
    query: DenseQuery | SparseQuery | TextQuery | ListQuery
    limit: int
    filters: tuple[BoundFilter, ...] = ()
    range: DistanceRange | None = None
    ranking: Ranking | None = None


Weights: TypeAlias = Sequence[float] | Mapping[str, float]


def _is_number(value: object) -> bool:
    is_real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_real and value == value


def _settle_weights(fusion: RRF | Weighted | DBSF | ByScore) -> None:
    """Check the weights of the legs, and keep a sequence as a tuple, which can be compared."""
    weights = fusion.weights
    if weights is None:
        return
    values = list(weights.values()) if isinstance(weights, Mapping) else weights
    is_list = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
    if not (is_list and all(map(_is_number, values))):
        raise InvalidArgumentError(
            f"{type(fusion).__name__}: weights are one number per leg, or a dict of numbers by the "
            f"names of the legs' fields, got {weights!r}"
        )
    if not isinstance(weights, Mapping):
        object.__setattr__(fusion, "weights", tuple(weights))


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal rank fusion: a hit's score is the sum of ``weight / (k + rank)`` over the legs.

    Attributes:
        k: Larger values flatten the ranks; ranks count from 1.
        weights: One weight per leg, or by the leg's field name; None weighs all legs 1.

    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
    individual Rank Learning Methods", SIGIR 2009.
    """

    k: float = 60
    weights: Weights | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.k) and self.k >= 0):
            raise InvalidArgumentError(f"RRF: k must be 0 or larger, got {self.k!r}")
        _settle_weights(self)


@dataclass(frozen=True, slots=True)
class Weighted:
    """Weighted sum of the legs' scores, each mapped into [0, 1] by its metric.

    COSINE: ``(1 + s) / 2``; IP: ``0.5 + atan(s) / π``; L2, HAMMING and
    JACCARD: ``1 - 2 atan(d) / π``; MHJACCARD: ``s``; BM25: ``2 atan(s) / π``, as in Milvus'
    weighted ranker. A hit that a leg did not find gets 0 from it.

    Attributes:
        dense: Weight of each leg over a dense field.
        sparse: Weight of each leg over a sparse or BM25 field.
        weights: One weight per leg, or by the leg's field name; goes before the other two.
        norm_score: False adds similarities and BM25 scores up as they are. Distances are still
            mapped: the smallest sum of distances would be that of a hit that no leg found.
        negate: With ``norm_score=False`` distances count as they are as well, as negative numbers;
            what a leg did not find is then better than what it found.
    """

    dense: float = 0.5
    sparse: float = 0.5
    weights: Weights | None = None
    norm_score: bool = True
    negate: bool = False

    def __post_init__(self) -> None:
        for name, weight in (("dense", self.dense), ("sparse", self.sparse)):
            if not _is_number(weight):
                raise InvalidArgumentError(
                    f"Weighted: {name} is the weight of the legs over {name} fields, a number, "
                    f"got {weight!r}; one weight per leg is Weighted(weights=[0.3, 0.7])"
                )
        _settle_weights(self)


@dataclass(frozen=True, slots=True)
class DBSF:
    """Distribution-based score fusion: each leg's scores by their own mean and deviation.

    A leg gives a hit ``weight * (s - (m - 3 d)) / (6 d)``, with the mean ``m`` and the sample
    deviation ``d`` of the scores of its candidates, of distances their negatives; 0.5 where all
    are equal. How far ahead a hit is counts, unlike in ``RRF``, and the scale of a leg does not.

    Attributes:
        weights: One weight per leg, or by the leg's field name; None weighs all legs 1.

    Source: Mazzeschi, "Distribution-Based Score Fusion (DBSF), a new approach to Vector Search
    Ranking", 2023, with the sample deviation, as Qdrant has it.
    """

    weights: Weights | None = None

    def __post_init__(self) -> None:
        _settle_weights(self)


@dataclass(frozen=True, slots=True)
class ByScore:
    """Joins the legs' scores, larger is better, for rankers that come after it.

    Similarities and BM25 scores stay, a distance ``d`` becomes ``1 - 2 atan(d) / π``. This is how
    Milvus joins legs where a decay is the ranker of a hybrid search. Scores of different scales,
    such as cosines and BM25, are better joined by the others.

    Attributes:
        mode: ``"max"``, ``"sum"`` or ``"avg"`` of the scores of the legs that found a hit.
        weights: One weight per leg, or by the leg's field name; None weighs all legs 1.
        norm_score: Map all scores into [0, 1] first, as ``Weighted`` does.
    """

    mode: str = "max"
    weights: Weights | None = None
    norm_score: bool = False

    def __post_init__(self) -> None:
        if self.mode not in SCORE_MODES:
            raise InvalidArgumentError(
                f"ByScore: mode must be one of {', '.join(SCORE_MODES)}, got {self.mode!r}"
            )
        _settle_weights(self)


Fusion = RRF | Weighted | DBSF | ByScore


class GroupBy(NamedTuple):
    """Hits come in groups that share a value, or several.

    Attributes:
        nodes: Fields of whole numbers, bools, moments, texts or JSON, or paths of JSON fields.
        size: Most hits of a group.
        is_composite: Whether what a group shares is a tuple, even of one value.
    """

    nodes: tuple[FieldRef | JsonPath, ...]
    size: int = 1
    is_composite: bool = False


class SearchRequest(NamedTuple):
    """Ranked hits over one leg, or over several that are fused.

    Attributes:
        legs: At least one.
        limit: Hits wanted, 1 to 16,384; with ``group`` groups.
        offset: Hits to leave out at the front; with ``group`` groups.
        fusion: How several legs are joined.
        output: Fields of ``hit.entity``.
        explain: Attach plan, timings and the parts of every score.
        group: How hits are grouped; None: not at all. The legs hold one query then.
        ranking: What rankers do with what was found; None: nothing.
        decimals: Places that scores are rounded to; None: not at all.
        highlight: What to mark in the texts of hits; None: nothing.
        elements: Hits are elements of lists as long as those of this field; None: entities. The
            legs' fields are of single vectors then, under the names of the lists.
        order: By what the hits that are found are put in order; empty: by score.
        is_profiled: The fusion is that of the collection's profile.
        joins_one: The fusion makes the scores of a single leg, too.
    """

    legs: tuple[LegRequest, ...]
    limit: int
    offset: int = 0
    fusion: Fusion = RRF()
    output: tuple[str, ...] = ()
    explain: bool = False
    group: GroupBy | None = None
    ranking: Ranking | None = None
    decimals: int | None = None
    highlight: HighlightRequest | None = None
    elements: str | None = None
    order: tuple[OrderKey, ...] = ()
    is_profiled: bool = False
    joins_one: bool = False

    @property
    def is_joined(self) -> bool:
        """Whether a fusion makes the scores."""
        return len(self.legs) > 1 or self.joins_one

    @property
    def joined_by(self) -> str:
        """How legs are joined, for explanations; empty where nothing is joined."""
        if not self.is_joined:
            return ""
        return f"{self.fusion} of the profile" if self.is_profiled else str(self.fusion)
