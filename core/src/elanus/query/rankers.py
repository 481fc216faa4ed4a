"""How can found hits be ranked anew?

What users write. Several form a list and are applied one after the other; ``query.ranking`` does
it. ``RRF``, ``Weighted`` and ``DBSF``, which join the legs of a hybrid search, come before them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from elanus.errors import InvalidArgumentError
from elanus.plugins import Reranker, get_reranker

DECAY_FUNCTIONS = ("gauss", "exp", "linear")
MODES = ("multiply", "sum")


@dataclass(frozen=True, slots=True)
class Decay:
    """Multiply scores by a factor that falls with the distance of a number from ``origin``.

    With ``x = max(0, |value - origin| - offset)``:

    - ``gauss``: ``exp(ln(decay) * x² / scale²)``
    - ``exp``: ``exp(ln(decay) * x / scale)``
    - ``linear``: ``max(decay, 1 - (1 - decay) * x / scale)``: it stays at ``decay`` from ``scale``
      on, as in Milvus

    Similarities, BM25 scores and fused scores are multiplied as they are; a distance ``d`` becomes
    ``1 - 2 atan(d) / π`` first, and larger is better from then on, as in Milvus' decay ranker.

    Attributes:
        field: Numeric or TIMESTAMPTZ field, or path of a JSON field such as ``meta["price"]``.
        function: ``"gauss"``, ``"exp"`` or ``"linear"``.
        origin: Value of the factor 1; of a TIMESTAMPTZ field also a ``datetime``, without a zone in
            that of the field.
        scale: Distance from ``origin``, beyond ``offset``, at which the factor is ``decay``; more
            than 0, in the unit of the field. Of a TIMESTAMPTZ field a ``timedelta``, or
            microseconds.
        offset: Distance up to which the factor stays 1; as ``scale``.
        decay: Factor at ``scale``, between 0 and 1.
        missing: Factor of entities without a number in the field, 0 or larger.
        norm_score: Map the score of the searched field into [0, 1] first, as ``Weighted`` does. In
            a hybrid search it is for a decay in place of the fusion; what joined legs before has a
            ``norm_score`` of its own.
    """

    field: str
    function: str = "gauss"
    origin: float | datetime = 0.0
    scale: float | timedelta = 1.0
    offset: float | timedelta = 0.0
    decay: float = 0.5
    missing: float = 1.0
    norm_score: bool = False

    def __post_init__(self) -> None:
        _check_choice("Decay: function", self.function, DECAY_FUNCTIONS)
        for name in ("origin", "scale", "offset", "decay", "missing"):
            kind = {"origin": datetime, "scale": timedelta, "offset": timedelta}.get(name)
            if kind is None or not isinstance(getattr(self, name), kind):
                _check_number(f"Decay: {name}", getattr(self, name))
        if not as_number(self.scale) > 0:
            raise InvalidArgumentError(f"Decay: scale must be more than 0, got {self.scale!r}")
        if as_number(self.offset) < 0:
            raise InvalidArgumentError(f"Decay: offset must be 0 or more, got {self.offset!r}")
        if not 0 < self.decay < 1:
            raise InvalidArgumentError(
                f"Decay: decay must lie between 0 and 1, both excluded, got {self.decay!r}"
            )
        if self.missing < 0:
            raise InvalidArgumentError(f"Decay: missing must be 0 or more, got {self.missing!r}")

    def __str__(self) -> str:
        offset = f", offset={_shown(self.offset)}" if self.offset else ""
        return (
            f"Decay({self.field}, {self.function}, origin={_shown(self.origin)}, "
            f"scale={_shown(self.scale)}{offset}, decay={self.decay:g})"
        )

    @property
    def is_of_time(self) -> bool:
        """Whether moments or lengths of time are given, which only a TIMESTAMPTZ field has."""
        given = self.origin, self.scale, self.offset
        return any(isinstance(value, datetime | timedelta) for value in given)


@dataclass(frozen=True, slots=True)
class RandomScore:
    """A number in [0, 1) for each entity, the same in every search.

    Attributes:
        seed: Which numbers.
        field: Field of whole numbers to draw by; entities with equal values get equal numbers.
            None: by the primary key.
    """

    seed: int = 0
    field: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise InvalidArgumentError(f"RandomScore: expected a whole seed, got {self.seed!r}")


@dataclass(frozen=True, slots=True)
class Boost:
    """Change the scores of the entities that pass a filter.

    The score is the metric's value: to bring entities up, a weight above 1 multiplies COSINE, IP
    and BM25 scores, and one below 1 the distances of L2, HAMMING and JACCARD, as in Milvus. A
    weight that is added brings entities up with every metric: a distance falls by it.

    Attributes:
        filter: Text, dict or tree of the filter language; None: every entity.
        weight: What the score is multiplied by; with ``boost_mode="sum"`` what a similarity or a
            BM25 score rises by, and a distance falls by.
        random_score: The weight is multiplied by this number.
    """

    filter: Any = None
    weight: float = 1.0
    random_score: RandomScore | None = None

    def __post_init__(self) -> None:
        _check_number("Boost: weight", self.weight)
        if self.random_score is not None and not isinstance(self.random_score, RandomScore):
            raise InvalidArgumentError(
                f"Boost: expected random_score=RandomScore(...), got {self.random_score!r}"
            )


@dataclass(frozen=True, slots=True)
class FunctionScore:
    """Several boosts together, with the modes of Milvus.

    The weights of all boosts whose filter an entity passes become one by ``function_mode``, which
    then changes the score by ``boost_mode``. An entity that passes none keeps its score.

    Attributes:
        functions: The boosts.
        boost_mode: ``"multiply"`` or ``"sum"``: how score and weight become the new score.
        function_mode: ``"multiply"`` or ``"sum"``: how several weights become one.
    """

    functions: Sequence[Boost]
    boost_mode: str = "multiply"
    function_mode: str = "multiply"

    def __post_init__(self) -> None:
        object.__setattr__(self, "functions", tuple(self.functions))
        for one in self.functions:
            if not isinstance(one, Boost):
                raise InvalidArgumentError(
                    f"FunctionScore: expected Boost(...), got {type(one).__name__}"
                )
        if not self.functions:
            raise InvalidArgumentError("FunctionScore: expected at least one Boost, got none")
        for name in ("boost_mode", "function_mode"):
            mode = getattr(self, name)
            object.__setattr__(self, name, mode.lower() if isinstance(mode, str) else mode)
            _check_choice(f"FunctionScore: {name}", getattr(self, name), MODES)


@dataclass(frozen=True, slots=True)
class Rerank:
    """Let a model read the text of the best hits; its score replaces theirs.

    Make one and use it for many searches: a plug-in is made, and may load its model, each time that
    its name is given here.

    Attributes:
        reranker: Name of a reranker plug-in, or an object with the protocol of one; afterwards the
            object.
        field: Field of text, or path of a JSON field, that the model reads.
        query: What it is read for; one text, or one for each query of a batch. None: the text
            that is searched for.
        top: Hits that it reads, the best so far; the others are left out. None: all candidates.
    """

    reranker: str | Reranker
    field: str = "text"
    query: str | Sequence[str] | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        _check_count("Rerank: top", self.top)
        object.__setattr__(self, "reranker", get_reranker(self.reranker))

    @property
    def model(self) -> Reranker:
        """The object that reads."""
        return cast(Reranker, self.reranker)


@dataclass(frozen=True, slots=True)
class MMR:
    """Choose hits that are near the query and far from each other; the last ranker of a list.

    From the ``fetch_k`` best hits the nearest to the query comes first; then always the one with
    the largest ``lambda_mult * sim(query, hit) - (1 - lambda_mult) * max(sim(chosen, hit))``.
    ``sim`` is the cosine of dense vectors, whatever the metric, and of binary vectors the share of
    equal bits, or for JACCARD of common ones. Rankers before it say which hits are the ``fetch_k``
    best; hits keep their scores.

    Attributes:
        lambda_mult: 1 looks only at nearness, 0 only at diversity.
        fetch_k: Hits to choose from; None: ``max(4 * (limit + offset), 20)``.
        field: Dense field to compare by; None: the one that is searched.

    Source: Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering
    Documents and Producing Summaries", SIGIR 1998.
    """

    lambda_mult: float = 0.5
    fetch_k: int | None = None
    field: str | None = None

    def __post_init__(self) -> None:
        _check_number("MMR: lambda_mult", self.lambda_mult)
        if not 0 <= self.lambda_mult <= 1:
            raise InvalidArgumentError(
                f"MMR: lambda_mult must lie in [0, 1], got {self.lambda_mult!r}"
            )
        _check_count("MMR: fetch_k", self.fetch_k)


Ranker = Decay | Boost | FunctionScore | Rerank | MMR


def as_number(value: float | timedelta) -> float:
    """Return a number as it is, and a length of time in microseconds."""
    return value / timedelta(microseconds=1) if isinstance(value, timedelta) else float(value)


def _shown(value: float | datetime | timedelta) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else f"{value:g}"


def _check_number(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(float(value)):  # type: ignore[arg-type]
        raise InvalidArgumentError(f"{name} must be a finite number, got {value!r}")


def _check_count(name: str, value: int | None) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise InvalidArgumentError(f"{name} must be an integer >= 1, got {value!r}")


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(known)}, got {value!r}")
