"""What can be changed about a collection after it was made?

User properties, partitions, and the indexes of fields and JSON paths. They live in the manifest, so
a change is as atomic and durable as a flush.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from elanus.engine.consistency import Consistency
from elanus.engine.indexing.scalar_targets import casts_of, checked_choice, key_of
from elanus.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    StateError,
)
from elanus.filter.names import Casts
from elanus.index.base import VectorIndexType
from elanus.index.registry import AUTO, canonical_name, check_installed, index_type
from elanus.schema.collection import Schema, did_you_mean
from elanus.schema.fields import PARTITION_PATTERN, Field, check_name
from elanus.types import DataType

DEFAULT_PARTITION = "_default"
"""Where entities are that name no partition, as in Milvus."""
MAX_PARTITIONS = 1_024
"""As in Milvus."""
ISOLATION = "partitionkey.isolation"
"""Property by which searches and queries must name one partition key, as in Milvus."""
ALLOW_AUTO_ID = "allow_insert_auto_id"
"""Property by which inserts may give keys that the engine makes otherwise, as in Milvus."""
MAX_RETENTION_S = 10 * 366 * 24 * 3600
"""Ten years."""


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """Index type (``AUTO``, ``HNSW``, ``BITMAP``) and build parameters of a field or path."""

    type: str = AUTO
    params: Mapping[str, Any] = field(default_factory=dict)


class PastPartition(NamedTuple):
    """A partition that was dropped.

    Attributes:
        name: Its name.
        number: Its number.
        last_seq: Largest sequence number at which there was one.
    """

    name: str
    number: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What can be changed about a collection.

    Attributes:
        properties: JSON values given by the user.
        indexes: Index choices by field or JSON path.
        retention_s: How long past states are kept, in seconds.
        partitions: Number of each partition by name, but the default one, which is 0.
        next_partition: Number of the next partition; none is ever given out twice.
        dropping: Numbers of partitions whose entities are being deleted.
        ttl_s: Seconds after which an entity expires; None: never.
        ttl_field: Field that says when an entity expires; None: none does.
        consistency: How recent reads are that do not say it.
        past_partitions: The last partitions that were dropped, the newest last.
    """

    properties: dict[str, Any] = field(default_factory=dict)
    indexes: Mapping[str, IndexChoice] = field(default_factory=dict)
    retention_s: float = 0.0
    partitions: Mapping[str, int] = field(default_factory=dict)
    next_partition: int = 1
    dropping: tuple[int, ...] = ()
    ttl_s: float | None = None
    ttl_field: str | None = None
    consistency: Consistency = Consistency.STRONG
    past_partitions: tuple[PastPartition, ...] = ()

    @property
    def is_isolated(self) -> bool:
        """Whether searches and queries must name one partition key."""
        return bool(self.properties.get(ISOLATION))

    @property
    def takes_auto_ids(self) -> bool:
        """Whether inserts may give keys that the engine makes otherwise."""
        return bool(self.properties.get(ALLOW_AUTO_ID))

    @property
    def is_strong(self) -> bool:
        """Whether reads that do not say it see everything that was acknowledged."""
        return self.consistency is Consistency.STRONG

    def partition(self, name: str | None) -> int:
        """Return the number of a partition; None is the default one.

        Raises:
            NotFoundError: No such partition; names the nearest one.
        """
        if name is None or name == DEFAULT_PARTITION:
            return 0
        if name not in self.partitions:
            known = [DEFAULT_PARTITION, *self.partitions]
            raise NotFoundError(f"no partition {name!r}{did_you_mean(name, known)}")
        return self.partitions[name]

    def with_partition(self, name: str) -> CollectionSettings:
        """Return settings with one more partition.

        Raises:
            AlreadyExistsError: There is one of this name.
            SchemaError: The name is not valid.
            StateError: There are 1,024 already.
        """
        check_name(name, "partition", PARTITION_PATTERN)
        if name == DEFAULT_PARTITION or name in self.partitions:
            raise AlreadyExistsError(f"partition {name!r} exists already")
        if len(self.partitions) + 1 >= MAX_PARTITIONS:
            raise StateError(
                f"partition {name!r}: a collection has at most {MAX_PARTITIONS}; declare a field "
                f"with partition_key=True for more, such as one for each tenant"
            )
        partitions = {**self.partitions, name: self.next_partition}
        return replace(self, partitions=partitions, next_partition=self.next_partition + 1)

    def at(self, seq: int) -> CollectionSettings:
        """Return settings with the names of partitions as they were at a sequence number."""
        past = {p.name: p.number for p in reversed(self.past_partitions) if p.last_seq >= seq}
        return replace(self, partitions={**self.partitions, **past}) if past else self

    def without_partition(self, name: str, last_seq: int) -> CollectionSettings:
        """Return settings in which a partition is being dropped.

        Args:
            name: Its name.
            last_seq: Largest sequence number at which there is one.

        Raises:
            InvalidArgumentError: It is the default partition.
            NotFoundError: No such partition.
        """
        number = self.partition(name)
        if number == 0:
            raise InvalidArgumentError(
                f"partition {DEFAULT_PARTITION!r} cannot be dropped; delete its entities"
            )
        left = {n: found for n, found in self.partitions.items() if n != name}
        past = (*self.past_partitions, PastPartition(name, number, last_seq))
        return replace(
            self,
            partitions=left,
            dropping=(*self.dropping, number),
            past_partitions=past[-MAX_PARTITIONS:],
        )

    def index(self, name: str) -> IndexChoice:
        """Return the choice for a field; AUTO when none was made."""
        return self.indexes.get(name, IndexChoice())

    def types(self, schema: Schema) -> dict[str, str]:
        """Return the index type of every field of dense vectors, or of lists of them, and of scalar
        fields and JSON paths."""
        dense = (f for f in schema.stored_fields if f.vector_type.is_dense_vector)
        scalars = {key: choice.type for key, choice in self.scalars(schema).items()}
        return {f.name: self.index(f.name).type for f in dense} | scalars

    def scalars(self, schema: Schema) -> dict[str, IndexChoice]:
        """Return the choices for scalar fields and JSON paths.

        Partition keys and clustering keys have an index unless another one was chosen.
        """
        dense = {f.name for f in schema.stored_fields if f.vector_type.is_vector}
        keys = {f.name: IndexChoice() for f in schema.fields if f.partition_key or f.clustering_key}
        return keys | {key: choice for key, choice in self.indexes.items() if key not in dense}

    def casts(self, schema: Schema) -> Casts:
        """Return the paths of JSON fields where texts that are numbers count as numbers."""
        return casts_of(schema, {key: choice.params for key, choice in self.indexes.items()})

    def with_index(
        self, schema: Schema, name: str, type_name: str, params: Mapping[str, Any]
    ) -> CollectionSettings:
        """Return settings with another index for a field or JSON path.

        Raises:
            InvalidArgumentError: It cannot be indexed, no such type, one that does not take such
                values, or a wrong parameter.
            PluginNotInstalledError: The type needs a package that is missing.
        """
        stored = {f.name: f for f in schema.stored_fields}
        if name not in stored or not stored[name].vector_type.is_dense_vector:
            key, kind, checked = checked_choice(schema, name, type_name, params)
            return replace(self, indexes={**self.indexes, key: IndexChoice(kind, checked)})
        target = stored[name]
        canonical = canonical_name(type_name)
        if canonical != AUTO:
            _check_supported(target, index_type(canonical))
        if canonical == AUTO and params:
            raise InvalidArgumentError("index type AUTO takes no parameters; name the type")
        checked = {} if canonical == AUTO else dict(index_type(canonical).parse_params(params))
        check_installed(canonical)
        return replace(self, indexes={**self.indexes, target.name: IndexChoice(canonical, checked)})

    def without_index(self, schema: Schema, name: str) -> CollectionSettings:
        """Return settings without an index; a dense field goes back to AUTO.

        Raises:
            NotFoundError: No index was chosen for it.
        """
        key = name if name in self.indexes else key_of(schema, name)
        if key not in self.indexes:
            raise NotFoundError(f"no index on {name!r}{did_you_mean(key, list(self.indexes))}")
        return replace(self, indexes={k: c for k, c in self.indexes.items() if k != key})

    def with_retention(self, seconds: float) -> CollectionSettings:
        """Return settings that keep past states for another time.

        Raises:
            InvalidArgumentError: Not a number of seconds from 0 to ten years.
        """
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 0 <= seconds <= MAX_RETENTION_S:
            raise InvalidArgumentError(
                f"retention must be a number of seconds in 0..{MAX_RETENTION_S}, got {seconds!r}"
            )
        return replace(self, retention_s=float(seconds))

    def with_ttl(
        self, schema: Schema, seconds: float | None, name: str | None
    ) -> CollectionSettings:
        """Return settings with which entities expire otherwise.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: Not a number of seconds above 0, or a field of another type.
        """
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 < seconds < math.inf):
            raise InvalidArgumentError(f"ttl: expected seconds above 0 or None, got {seconds!r}")
        if name is not None and not is_time(schema.field(name).dtype):
            raise InvalidArgumentError(
                f"ttl: field {name!r} is {schema.field(name).dtype.name}; expected a number, the "
                f"seconds since 1970 at which an entity expires, or a TIMESTAMPTZ"
            )
        return replace(self, ttl_s=seconds if seconds is None else float(seconds), ttl_field=name)

    def with_properties(self, properties: Mapping[str, Any]) -> CollectionSettings:
        """Return settings with properties added or replaced; a value of None removes one.

        Raises:
            InvalidArgumentError: A value has no JSON form.
        """
        merged = {**self.properties, **properties}
        kept = {name: value for name, value in merged.items() if value is not None}
        try:
            return replace(self, properties=json.loads(json.dumps(kept)))
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(f"properties must be JSON values: {error}") from None

    def to_json(self) -> dict[str, Any]:
        return {
            "user": self.properties,
            "indexes": {
                n: {"type": c.type, "params": dict(c.params)} for n, c in self.indexes.items()
            },
            "retention_s": self.retention_s,
            "partitions": dict(self.partitions),
            "next_partition": self.next_partition,
            "dropping": list(self.dropping),
            "ttl_s": self.ttl_s,
            "ttl_field": self.ttl_field,
            "consistency": str(self.consistency),
            "past_partitions": [list(past) for past in self.past_partitions],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CollectionSettings:
        indexes = {n: IndexChoice(c["type"], c["params"]) for n, c in stored["indexes"].items()}
        return cls(
            dict(stored["user"]),
            indexes,
            float(stored.get("retention_s", 0.0)),
            dict(stored.get("partitions", {})),
            int(stored.get("next_partition", 1)),
            tuple(stored.get("dropping", ())),
            stored.get("ttl_s"),
            stored.get("ttl_field"),
            Consistency(stored.get("consistency", Consistency.STRONG)),
            tuple([PastPartition(*past) for past in stored.get("past_partitions", ())]),
        )


def is_time(dtype: DataType) -> bool:
    """Whether a field of this type can say when an entity expires."""
    return dtype.is_number or dtype.name == "TIMESTAMPTZ"


def _check_supported(field: Field, kind: VectorIndexType) -> None:
    held, metric = field.vector_type, field.metric_type.of_vectors
    if not kind.supports(held, metric):
        raise InvalidArgumentError(
            f"field {field.name!r}: {kind.name} does not take {held.name} with "
            f"{metric}; take FLAT or AUTO"
        )
