"""What is a collection?

A ``Schema`` is a list of fields with the invariants that hold between them. It never changes;
the engine replaces it as a whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from elanus.errors import FieldNotFoundError, SchemaError
from elanus.schema.fields import Field
from elanus.types import DataType

DYNAMIC_FIELD = "$meta"
"""Name of the JSON column that holds undeclared fields, as in Milvus."""


@dataclass(frozen=True, slots=True, init=False)
class Schema:
    """The fields of a collection.

    Attributes:
        fields: In the order in which they were declared.
        dynamic: Entities may carry undeclared fields; they are stored in the JSON column
            ``$meta`` and can be filtered and returned by their name.
        description: Free text.
        primary: The primary key.
        stored_fields: Fields that have a column, ``$meta`` last when the schema is dynamic.
        column_types: Type by name of the stored fields but ``$meta``.

    Raises:
        SchemaError: No or several primary keys, a name used twice, or a function without a
            usable input.
    """

    fields: tuple[Field, ...]
    dynamic: bool
    description: str
    primary: Field = dataclass_field(compare=False, repr=False)
    stored_fields: tuple[Field, ...] = dataclass_field(compare=False, repr=False)
    column_types: Mapping[str, DataType] = dataclass_field(compare=False, repr=False)

    def __init__(
        self, fields: Iterable[Field], *, dynamic: bool = False, description: str = ""
    ) -> None:
        object.__setattr__(self, "fields", tuple(fields))
        object.__setattr__(self, "dynamic", dynamic)
        object.__setattr__(self, "description", description)
        self._check()
        # Every write and search asks for these.
        stored = tuple(f for f in self.fields if f.is_stored)
        object.__setattr__(self, "primary", next(f for f in self.fields if f.primary))
        object.__setattr__(self, "stored_fields", (*stored, _DYNAMIC) if dynamic else stored)
        object.__setattr__(self, "column_types", {f.name: f.dtype for f in stored})

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
        for field in self.fields:
            if field.source is not None:
                self._check_source(field)

    def _check_source(self, field: Field) -> None:
        source = field.source
        text = next((f for f in self.fields if source and f.name == source.field), None)
        if text is None or text.dtype is not DataType.VARCHAR:
            raise SchemaError(
                f"field {field.name!r}: BM25 needs a VARCHAR field named "
                f"{source.field if source else None!r} in the same schema"
            )
        if text.analyzer is None:
            raise SchemaError(
                f"field {field.name!r}: its source {text.name!r} has no analyzer; "
                f"declare it with analyzer='standard' or analyzer='english'"
            )

    @property
    def vector_fields(self) -> tuple[Field, ...]:
        """Fields that can be searched by similarity."""
        return tuple(f for f in self.fields if f.dtype.is_vector)

    def __contains__(self, name: object) -> bool:
        return any(f.name == name for f in self.fields)

    def field(self, name: str) -> Field:
        """Return the field with this name; ``$meta`` names the dynamic column.

        Raises:
            FieldNotFoundError: With the nearest name as a hint.
        """
        for field in self.fields:
            if field.name == name:
                return field
        if self.dynamic and name == DYNAMIC_FIELD:
            return _DYNAMIC
        names = [f.name for f in self.fields]
        raise FieldNotFoundError(f"no field {name!r}{did_you_mean(name, names)}", name=name)


def did_you_mean(name: object, names: Sequence[str]) -> str:
    """Return a clause that names the nearest of ``names``, or all of them when few."""
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not names:
        return ""
    return f"; expected one of {', '.join(repr(n) for n in names[:12])}"


def _dynamic_field() -> Field:
    # "$meta" is outside the names a user may give, so the check of Field is passed by
    # renaming afterwards: no declared field can ever collide with it.
    field = Field("meta", DataType.JSON, nullable=True)
    object.__setattr__(field, "name", DYNAMIC_FIELD)
    return field


_DYNAMIC = _dynamic_field()
