"""What does a document store need from a database?

The embedded ``Database`` and the client of a server both fit; nothing above these protocols knows
which of them answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Unpack

from elanus.api.options import Leg, SearchOptions
from elanus.query.requests import Fusion
from elanus.schema.collection import Schema
from elanus.schema.fields import Field


class SearchHit(Protocol):
    """One entity that a search found."""

    @property
    def id(self) -> Any: ...

    @property
    def score(self) -> float: ...

    @property
    def entity(self) -> Mapping[str, Any]: ...

    @property
    def explanation(self) -> Any: ...

    @property
    def highlights(self) -> Mapping[str, list[str]]: ...


class DocumentCollection(Protocol):
    """The calls that a document store makes on a collection."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...

    @property
    def seen_schema(self) -> Schema:
        """The fields as this handle saw them last."""

    @property
    def properties(self) -> Mapping[str, Any]: ...

    def create_index(
        self, field: str, index_type: str = "AUTO", params: Mapping[str, Any] | None = None
    ) -> None: ...

    def add_field(self, field: Field) -> None: ...

    def upsert(self, entities: Any, *, partial: bool = False) -> Sequence[Any]: ...

    def get(self, ids: Any, output: Sequence[str] | None = None) -> list[dict[str, Any]]: ...

    def delete(self, ids: Any = None, *, filter: Any = None) -> int: ...

    def query(
        self,
        filter: Any = None,
        output: Sequence[str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]: ...

    def count(self, filter: Any = None) -> int: ...

    def search(
        self,
        data: Any,
        field: str | None = None,
        limit: int = 10,
        *,
        filter: Any = None,
        output: Sequence[str] | None = None,
        **options: Unpack[SearchOptions],
    ) -> Any:
        """Return the hits of one query, nearest first."""

    def hybrid_search(
        self,
        legs: Sequence[Leg],
        fusion: Fusion | None = None,
        limit: int = 10,
        *,
        filter: Any = None,
        output: Sequence[str] | None = None,
        **options: Unpack[SearchOptions],
    ) -> Any:
        """Return the fused hits of several legs, best first."""


class DocumentDatabase(Protocol):
    """The calls that a document store makes on a database."""

    def has_collection(self, name: str) -> bool: ...

    def collection(self, name: str) -> DocumentCollection: ...

    def create_collection(
        self, name: str, schema: Schema, *, properties: Any = None
    ) -> DocumentCollection: ...

    def drop_collection(self, name: str) -> None: ...
