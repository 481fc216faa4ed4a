"""How is a collection searched where the caller does not say it?

A profile is a property of a collection that tuning writes: how legs are joined, how many candidates
each brings, the parameters of BM25, and how many hits a reranker reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, Final

from elanus.errors import ElanusError, InvalidArgumentError
from elanus.query.rankers import Ranker, Rerank
from elanus.query.requests import DBSF, MAX_LIMIT, RRF, Fusion, Weighted
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.functions import BM25

PROFILE: Final = "search.profile"
"""Property of a collection that holds its profile."""
_FUSIONS: Final[dict[str, type[RRF] | type[Weighted] | type[DBSF]]] = {
    "rrf": RRF,
    "weighted": Weighted,
    "dbsf": DBSF,
}


@dataclass(frozen=True, slots=True)
class SearchProfile:
    """Settings of searches that do not say otherwise.

    Attributes:
        fields: The legs that ``fusion`` and ``depth`` are for; a hybrid search over others has the
            usual ones. One field: nothing is joined.
        fusion: How the legs are joined, with weights by field; None: as usual.
        depth: Candidates of each leg, at least; None: as usual.
        bm25: ``(k1, b)`` by BM25 field, of every search of that field.
        rerank_top: Hits that a ``Rerank`` without ``top`` reads; None: all candidates.
        best_leg: The field whose order counts alone, where joining did not win; its leg has all the
            weight.
        measured: What tuning measured, for readers; means nothing to searches.
    """

    fields: tuple[str, ...]
    fusion: RRF | Weighted | DBSF | None = None
    depth: int | None = None
    bm25: Mapping[str, tuple[float, float]] = dataclass_field(default_factory=dict)
    rerank_top: int | None = None
    best_leg: str | None = None
    measured: Mapping[str, Any] = dataclass_field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("depth", self.depth), ("rerank_top", self.rerank_top)):
            if value is not None and (type(value) is not int or not 1 <= value <= MAX_LIMIT):
                raise InvalidArgumentError(
                    f"profile: expected {name} from 1 to {MAX_LIMIT}, got {value!r}"
                )
        weights = None if self.fusion is None else self.fusion.weights
        if weights is not None and (
            not isinstance(weights, Mapping) or set(weights) != set(self.fields)
        ):
            raise InvalidArgumentError(
                f"profile: expected weights by field for {', '.join(self.fields)}, got {weights!r}"
            )
        if self.best_leg is not None and self.best_leg not in self.fields:
            raise InvalidArgumentError(
                f"profile: expected best_leg to be one of {', '.join(self.fields)}, got "
                f"{self.best_leg!r}"
            )

    def is_for(self, names: Sequence[str]) -> bool:
        """Whether legs over these fields are joined as the profile says."""
        return set(names) == set(self.fields)

    def joined(self, names: Sequence[str]) -> Fusion:
        """Return how legs over these fields are joined, with a weight for each leg in turn."""
        fusion = self.fusion or RRF()
        weights = fusion.weights
        if not isinstance(weights, Mapping):
            return fusion
        return replace(fusion, weights=tuple(float(weights[name]) for name in names))

    def function(self, field: Field) -> BM25 | None:
        """Return the function of a field, with the parameters of the profile if it has any."""
        found = self.bm25.get(field.name)
        if field.bm25 is None or found is None:
            return field.bm25
        return BM25(field.bm25.field, *found)

    def reading(self, rankers: tuple[Ranker, ...], wanted: int) -> tuple[Ranker, ...]:
        """Return rankers in which models read as many hits as the profile says."""
        if self.rerank_top is None:
            return rankers
        top = max(self.rerank_top, wanted)
        return tuple(
            replace(one, top=top) if isinstance(one, Rerank) and one.top is None else one
            for one in rankers
        )

    def check(self, schema: Schema) -> None:
        """Raise ``InvalidArgumentError`` unless the profile fits a schema."""
        roles = {one.field: schema.answering(one.field) for one in schema.successors}
        vectors = {**{field.name: field for field in schema.vector_fields}, **roles}
        for name in (*self.fields, *self.bm25):
            if name not in vectors:
                raise InvalidArgumentError(f"profile: {name!r} is no vector field")
        for name in self.bm25:
            if vectors[name].bm25 is None:
                raise InvalidArgumentError(f"profile: {name!r} is no BM25 field")
            self.function(vectors[name])

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON values."""
        fusion = None
        if self.fusion is not None:
            kinds = {kind: name for name, kind in _FUSIONS.items()}
            fusion = {"kind": kinds[type(self.fusion)], **asdict(self.fusion)}
        return {
            "fields": list(self.fields),
            "fusion": fusion,
            "depth": self.depth,
            "bm25": {name: list(pair) for name, pair in self.bm25.items()},
            "rerank_top": self.rerank_top,
            "best_leg": self.best_leg,
            "measured": dict(self.measured),
        }

    @classmethod
    def from_json(cls, stored: Any) -> SearchProfile:
        """Return the profile that ``to_json`` wrote.

        Raises:
            InvalidArgumentError: It is none.
        """
        try:
            options = dict(stored)
            options["fields"] = tuple(options["fields"])
            given = options.get("fusion")
            if given is not None:
                given = dict(given)
                options["fusion"] = _FUSIONS[given.pop("kind")](**given)
            pairs = options.get("bm25", {})
            options["bm25"] = {n: (float(k1), float(b)) for n, (k1, b) in pairs.items()}
            return cls(**options)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ElanusError):
                raise
            raise InvalidArgumentError(
                f"property {PROFILE!r}: expected a profile as tune() writes it, got {stored!r}"
            ) from None

    def __str__(self) -> str:
        parts = []
        if self.best_leg is not None and len(self.fields) > 1:
            parts.append(f"{self.best_leg} alone decides the order")
        elif self.fusion is not None and len(self.fields) > 1:
            parts.append(f"{' and '.join(self.fields)} joined by {self.fusion}")
        if self.depth is not None:
            parts.append(f"{self.depth} candidates of each leg")
        parts += [f"{name}: k1={k1:g}, b={b:g}" for name, (k1, b) in self.bm25.items()]
        if self.rerank_top is not None:
            parts.append(f"a reranker reads {self.rerank_top} hits")
        return "; ".join(parts) or "as usual"
