"""What is a collection?

A ``Schema`` is a list of fields with the invariants that hold between them. It never changes;
the engine replaces it as a whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import tzinfo
from typing import Any

import numpy as np

from elanus.errors import FieldNotFoundError, SchemaError
from elanus.schema.fields import Field
from elanus.schema.functions import MinHash
from elanus.schema.structs import stored_parts
from elanus.schema.times import time_of, to_iso, zone_of
from elanus.types import DataType

DYNAMIC_FIELD = "$meta"
"""Name of the JSON column that holds undeclared fields, as in Milvus."""


PARTITION_FIELD = "$partition"
"""Name of the hidden column that says to which partition an entity belongs."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A field that is to answer what another one is asked: vectors of the same texts by another
    model.

    Attributes:
        field: Name that searches ask.
        by: Name of the field that is to answer.
        answers: It does; else ``field`` itself does still.
    """

    field: str
    by: str
    answers: bool = False


@dataclass(frozen=True, slots=True, init=False)
class Schema:
    """The fields of a collection.

    Attributes:
        fields: In the order in which they were declared.
        dynamic: Entities may carry undeclared fields; they are stored in the JSON column
            ``$meta`` and can be filtered and returned by their name.
        description: Free text.
        partitioned: Entities belong to partitions; the number of each is in a hidden column.
        timezone: In which zone moments come back, and are read where they have no offset from UTC:
            that of all TIMESTAMPTZ fields. None: UTC.
        primary: The primary key.
        value_fields: What entities hold as columns, ``$meta`` last when the schema is dynamic; an
            array of structs has a column for each field of the struct (``chunks[text]``).
        stored_fields: Everything that has a column: those, and the hidden column of partitions.
        order_field: Name of the field in whose order rows are kept, the clustering key or else the
            partition key; None when neither is declared.
        column_types: Type by name of the stored fields but ``$meta``.
        structs: Fields that are arrays of structs.
        successors: Fields that are to answer in place of others; see ``answering``.
        waiting: Names of vector fields that only searches which name them look at: those that are
            to answer, and those that others answer for.

    Raises:
        SchemaError: No or several primary keys, a name used twice, or a function without a
            usable input.
    """

    fields: tuple[Field, ...]
    dynamic: bool
    description: str
    partitioned: bool
    timezone: str | None
    successors: tuple[Successor, ...]
    primary: Field = dataclass_field(compare=False, repr=False)
    value_fields: tuple[Field, ...] = dataclass_field(compare=False, repr=False)
    stored_fields: tuple[Field, ...] = dataclass_field(compare=False, repr=False)
    order_field: str | None = dataclass_field(compare=False, repr=False)
    column_types: Mapping[str, DataType] = dataclass_field(compare=False, repr=False)
    structs: tuple[Field, ...] = dataclass_field(compare=False, repr=False)
    waiting: frozenset[str] = dataclass_field(compare=False, repr=False)
    _answering: Mapping[str, Field] = dataclass_field(compare=False, repr=False)
    _names: frozenset[str] = dataclass_field(compare=False, repr=False)

    def __init__(
        self,
        fields: Iterable[Field],
        *,
        dynamic: bool = False,
        description: str = "",
        partitioned: bool = False,
        timezone: str | None = None,
        successors: Iterable[Successor] = (),
    ) -> None:
        object.__setattr__(self, "fields", tuple(fields))
        if timezone is not None:
            object.__setattr__(self, "fields", _in_zone(self.fields, timezone))
        object.__setattr__(self, "dynamic", dynamic)
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "partitioned", partitioned)
        object.__setattr__(self, "successors", tuple(successors))
        self._check()
        named = [f.timezone for f in self.fields if f.dtype is DataType.TIMESTAMPTZ]
        object.__setattr__(self, "timezone", named[0] if named else timezone)
        # Every write and search asks for these.
        stored = tuple(part for f in self.fields if f.is_stored for part in stored_parts(f))
        object.__setattr__(self, "primary", next(f for f in self.fields if f.primary))
        values = (*stored, _DYNAMIC) if dynamic else stored
        object.__setattr__(self, "value_fields", values)
        object.__setattr__(self, "stored_fields", (*values, _PARTITION) if partitioned else values)
        keys = [f.name for f in self.fields if f.clustering_key]
        keys += [f.name for f in self.fields if f.partition_key]
        object.__setattr__(self, "order_field", keys[0] if keys else None)
        structs = tuple(f for f in self.fields if f.struct is not None)
        object.__setattr__(self, "structs", structs)
        object.__setattr__(self, "column_types", {f.name: f.dtype for f in stored})
        waiting = {one.field if one.answers else one.by for one in self.successors}
        object.__setattr__(self, "waiting", frozenset(waiting))
        object.__setattr__(self, "_answering", self._answering_fields())
        names = frozenset([*self.column_types, *[f.name for f in self.fields]])
        object.__setattr__(self, "_names", names)

    def _answering_fields(self) -> dict[str, Field]:
        """Return the field that answers by each name that can be asked."""
        fields = {f.name: f for f in (*self.stored_fields, *self.fields)}
        heirs = {one.field: one.by for one in self.successors if one.answers}
        made = dict(fields)
        for name in heirs:
            by = heirs[name]
            while by in heirs:
                by = heirs[by]
            made[name] = fields[by]
        return made

    def _check(self) -> None:
        for field in self.fields:
            if not isinstance(field, Field):
                raise SchemaError(f"a schema holds Field objects, got {type(field).__name__}")
        names = [f.name for f in self.fields]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise SchemaError(f"field names must be unique, used twice: {', '.join(twice)}")
        primary = [f.name for f in self.fields if f.primary]
        if len(primary) != 1:
            raise SchemaError(
                "a schema needs exactly one primary key, got "
                + (", ".join(primary) or "none; add Field('id', INT64, primary=True)")
            )
        for what in ("partition_key", "clustering_key"):
            keys = [f.name for f in self.fields if getattr(f, what)]
            if len(keys) > 1:
                raise SchemaError(f"a schema has at most one {what}, got {', '.join(keys)}")
        for field in self.fields:
            if field.source is not None:
                self._check_source(field)
            if field.embedding is not None:
                self._check_embedding(field)
            if field.language_field is not None:
                self._check_language(field)
            if field.dtype.is_vector and field.metric_type.is_max_sim:
                raise SchemaError(
                    f"field {field.name!r}: {field.metric} compares lists of vectors; declare an "
                    f"ARRAY with element_type={field.dtype.name}, or take "
                    f"{field.metric_type.of_vectors}"
                )
        for successor in self.successors:
            kept = successor.by if successor.answers else successor.field
            if not {successor.by, kept} <= set(names):
                raise SchemaError(
                    f"field {successor.by!r} is to answer for {successor.field!r}, and one of them "
                    f"is not there"
                )
        zones = {f.timezone or "UTC" for f in self.fields if f.dtype is DataType.TIMESTAMPTZ}
        if len(zones) > 1:
            raise SchemaError(
                f"TIMESTAMPTZ fields of one schema share a timezone, got {', '.join(sorted(zones))}"
            )

    def _check_embedding(self, field: Field) -> None:
        text = field.embedding.field if field.embedding else None
        if not any(f.name == text and f.dtype is DataType.VARCHAR for f in self.fields):
            raise SchemaError(
                f"field {field.name!r}: an embedding needs a VARCHAR field named {text!r} in the "
                f"same schema"
            )

    def _check_source(self, field: Field) -> None:
        source = field.source
        text = next((f for f in self.fields if source and f.name == source.field), None)
        if text is None or text.dtype is not DataType.VARCHAR:
            raise SchemaError(
                f"field {field.name!r}: {type(source).__name__} needs a VARCHAR field named "
                f"{source.field if source else None!r} in the same schema"
            )
        of_characters = isinstance(source, MinHash) and source.token_level == "char"
        if text.analyzer is None and not of_characters:
            raise SchemaError(
                f"field {field.name!r}: its source {text.name!r} has no analyzer; "
                f"declare it with analyzer='standard' or analyzer='english'"
            )

    def _check_language(self, field: Field) -> None:
        language = next((f for f in self.fields if f.name == field.language_field), None)
        if language is None or language.dtype is not DataType.VARCHAR or language is field:
            raise SchemaError(
                f"field {field.name!r}: analyzer: by_field needs another VARCHAR field named "
                f"{field.language_field!r} in the same schema"
            )

    def with_timezone(self, timezone: str) -> Schema:
        """Return a schema whose TIMESTAMPTZ fields have this time zone unless they name one."""
        return self.replaced(timezone=timezone)

    def in_timezone(self, timezone: str | None) -> Schema:
        """Return a schema whose TIMESTAMPTZ fields have this time zone, whatever they had.

        The defaults of fields stay the moments that they are.

        Raises:
            SchemaError: No such zone.
        """
        zone_of(timezone)
        return self.replaced(fields=[_moved(f, timezone) for f in self.fields], timezone=timezone)

    def replaced(self, **changes: Any) -> Schema:
        """Return a schema with other arguments; the others are those of this one."""
        arguments: dict[str, Any] = {
            "fields": self.fields,
            "dynamic": self.dynamic,
            "description": self.description,
            "partitioned": self.partitioned,
            "timezone": self.timezone,
            "successors": self.successors,
        }
        return Schema(**{**arguments, **changes})

    @property
    def zone(self) -> tzinfo:
        """Time zone in which moments are read that have no offset from UTC."""
        return zone_of(self.timezone)

    @property
    def embedded_fields(self) -> tuple[Field, ...]:
        """Fields whose vectors are made of a text where none is given."""
        return tuple(f for f in self.fields if f.embedding is not None)

    @property
    def minhash_fields(self) -> tuple[Field, ...]:
        """Fields whose signatures are made of a text."""
        return tuple(f for f in self.fields if f.minhash is not None)

    @property
    def partition_key(self) -> str | None:
        """Name of the partition key; None when none is declared."""
        return next((f.name for f in self.fields if f.partition_key), None)

    @property
    def vector_lists(self) -> tuple[Field, ...]:
        """Lists of dense vectors that can be searched, those in structs included."""
        return tuple(f for f in self.stored_fields if f.is_vector_list)

    @property
    def vector_fields(self) -> tuple[Field, ...]:
        """Fields that can be searched by similarity."""
        return tuple(f for f in self.fields if f.dtype.is_vector)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def undeclared(self, extra: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return what the dynamic column of an entity holds, but for the names of fields.

        A field that was added later has taken its name: what entities held under it before is
        behind ``$meta["its name"]``.
        """
        if extra is None:
            return {}
        return {name: extra[name] for name in extra if name not in self._names}

    def answering(self, name: str) -> Field:
        """Return the field that answers searches by this name: mostly the one that has it.

        Raises:
            FieldNotFoundError: With the nearest name as a hint.
        """
        found = self._answering.get(name) if isinstance(name, str) else None
        return self.field(name) if found is None else found

    def role_of(self, name: str) -> str:
        """Return the name by which searches ask a field: its own, or that of the one it answers
        for."""
        asked: dict[str, str] = {}
        for one in self.successors:
            if one.answers:
                asked.setdefault(one.by, one.field)
        while name in asked:
            name = asked[name]
        return name

    def field(self, name: str) -> Field:
        """Return the field with this name.

        ``$meta`` names the dynamic column, ``chunks[text]`` a column of a struct.

        Raises:
            FieldNotFoundError: With the nearest name as a hint.
        """
        for field in self.fields:
            if field.name == name:
                return field
        for field in self.stored_fields:
            if field.name == name:
                return field
        names = [f.name for f in self.fields]
        raise FieldNotFoundError(f"no field {name!r}{did_you_mean(name, names)}", name=name)


def _in_zone(fields: tuple[Field, ...], timezone: str) -> tuple[Field, ...]:
    zone_of(timezone)
    return tuple(
        replace(field, timezone=timezone)
        if isinstance(field, Field)
        and field.dtype is DataType.TIMESTAMPTZ
        and field.timezone is None
        else field
        for field in fields
    )


def _moved(field: Field, timezone: str | None) -> Field:
    """Return a field in another time zone; its default is the moment that it was."""
    if field.dtype is not DataType.TIMESTAMPTZ:
        return field
    default = field.default
    if isinstance(default, str):
        (default,) = to_iso(np.array([time_of(default, field.zone)], dtype=np.int64))
    return replace(field, timezone=timezone, default=default)


_MOST_NAMES = 12
"""Names that a message lists; the nearest one is looked for among all."""


def did_you_mean(name: object, names: Sequence[str]) -> str:
    """Return a clause that names the nearest of ``names``, or else the first of them."""
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not names:
        return ""
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"; expected one of {', '.join(repr(n) for n in names[:_MOST_NAMES])}{more}"


def _hidden_field(name: str, dtype: DataType, **options: Any) -> Field:
    # A "$" is outside the names a user may give, so the check of Field is passed by renaming
    # afterwards: no declared field can ever collide with it.
    field = Field(name.lstrip("$"), dtype, **options)
    object.__setattr__(field, "name", name)
    return field


_DYNAMIC = _hidden_field(DYNAMIC_FIELD, DataType.JSON, nullable=True)
_PARTITION = _hidden_field(PARTITION_FIELD, DataType.INT32, default=0)
