"""How does a schema change while entities are there?

A field that is added is absent in what was written before: those entities have its default, or
null. Nothing is rewritten; segments get the column when they are merged. What is made of texts that
are there is no value of anybody: signatures are made for these entities too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from elanus.errors import SchemaError
from elanus.schema.batches import Column, DenseVectorColumn
from elanus.schema.collection import Schema, Successor
from elanus.schema.converters import MISSING, convert_column
from elanus.schema.fields import Field
from elanus.schema.functions import BM25
from elanus.schema.structs import part_name, struct_of
from elanus.schema.validation import check_default

ALTERABLE = ("description", "max_length", "max_capacity", "metric", "source", "embedding")
"""Attributes of a field that can be changed."""


def absent_column(field: Field, num_rows: int) -> Column:
    """Return the column of a field in rows that were written before there was such a field."""
    one = convert_column(field, [MISSING], 1)
    if isinstance(one, DenseVectorColumn):
        # Zeros that nobody writes to are pages that the system shares: a million rows take no room.
        values = np.zeros((num_rows, one.values.shape[1]), dtype=one.values.dtype)
        return DenseVectorColumn(values, np.zeros(num_rows, dtype=np.bool_))
    return one.take(np.zeros(num_rows, dtype=np.int64))


def with_field(schema: Schema, field: Field) -> Schema:
    """Return the schema with one more field.

    Raises:
        SchemaError: The name is taken, entities that are there cannot do without a value, or the
            default is no value of the field.
    """
    if not isinstance(field, Field):
        raise SchemaError(f"add_field: expected a Field, got {type(field).__name__}")
    if any(one.field == field.name for one in schema.successors):
        raise SchemaError(
            f"field {field.name!r}: searches by this name are answered by "
            f"{schema.answering(field.name).name!r}; choose another name"
        )
    if field.primary:
        raise SchemaError(f"field {field.name!r}: a collection has its primary key from the start")
    if field.partition_key:
        raise SchemaError(
            f"field {field.name!r}: a collection has its partition key from the start; add the "
            f"field with clustering_key=True, and rows are kept in its order"
        )
    if field.is_stored and not field.may_be_absent and field.minhash is None:
        raise SchemaError(
            f"field {field.name!r}: entities that are there have no value for it; declare it with "
            f"nullable=True" + ("" if field.dtype.is_vector else " or a default")
        )
    added = schema.replaced(fields=(*schema.fields, field))
    check_default(added.field(field.name))
    return added


def without_field(schema: Schema, name: str) -> Schema:
    """Return the schema without a field.

    Raises:
        FieldNotFoundError: No such field.
        SchemaError: It is the primary key, or another field is computed from it.
    """
    field = schema.field(name)
    if field.primary:
        raise SchemaError(f"field {name!r}: the primary key cannot be dropped")
    if field.partition_key:
        raise SchemaError(f"field {name!r}: the partition key cannot be dropped")
    functions = [(f.name, f.source or f.embedding) for f in schema.fields]
    users = [user for user, made in functions if made is not None and made.field == name]
    if users:
        raise SchemaError(f"field {name!r}: {users[0]!r} is computed from it; drop that first")
    left = tuple(f for f in schema.fields if f.name != name)
    if len(left) == len(schema.fields):
        raise SchemaError(f"field {name!r} was not declared and cannot be dropped")
    heir = next((one.by for one in schema.successors if one.field == name and one.answers), None)
    successors = []
    for one in schema.successors:
        if one.by == name:
            # What answered by the name of another one hands that on.
            successors += [replace(one, by=heir)] if heir and one.answers else []
        elif one.field != name or one.answers:
            successors.append(one)
    return schema.replaced(fields=left, successors=successors)


def with_successor(schema: Schema, name: str, successor: Field) -> Schema:
    """Return the schema with a field that is to answer for another one, which answers still.

    Raises:
        SchemaError: The name is taken, or there is such a field already.
    """
    if any(one.field == name and not one.answers for one in schema.successors):
        raise SchemaError(f"field {name!r}: another one is to answer for it already")
    added = with_field(schema, successor)
    return added.replaced(successors=(*schema.successors, Successor(name, successor.name)))


def with_answering(schema: Schema, successor: str, *, answers: bool) -> Schema:
    """Return the schema in which a field answers for the one that it is to answer for, or no more.

    Raises:
        SchemaError: It is to answer for none, or what it answers for is not there any more.
    """
    found = next((one for one in schema.successors if one.by == successor), None)
    if found is None:
        raise SchemaError(f"field {successor!r} is to answer for no other")
    if not answers and found.field not in schema:
        raise SchemaError(
            f"field {found.field!r} was dropped and cannot answer again; its vectors are gone"
        )
    changed = replace(found, answers=answers)
    return schema.replaced(
        successors=[changed if one is found else one for one in schema.successors]
    )


def with_altered_field(schema: Schema, name: str, changes: Mapping[str, Any]) -> Schema:
    """Return the schema with other attributes of a field.

    Raises:
        FieldNotFoundError: No such field.
        SchemaError: The attribute cannot be changed, or not to that.
    """
    field = schema.field(name)
    for attribute, value in changes.items():
        if attribute not in ALTERABLE:
            raise SchemaError(
                f"field {name!r}: {attribute} cannot be changed; expected one of "
                f"{', '.join(ALTERABLE)}"
            )
        old = field.max_length
        is_length_of_key = field.primary and attribute == "max_length"
        if is_length_of_key and value is not None and (old is None or value < old):
            raise SchemaError(
                f"field {name!r}: {attribute} cannot become smaller than {old or 'unlimited'}, "
                f"got {value!r}: longer keys that are stored could not be named any more"
            )
    source, known = changes.get("source", field.source), field.source
    declared = field.bm25
    is_kept = isinstance(source, BM25) and declared is not None and source.field == declared.field
    if source is not known and not is_kept:
        raise SchemaError(
            f"field {name!r}: only k1 and b of its function can be changed, got source={source!r}"
        )
    made, before = changes.get("embedding"), field.embedding
    if made is not None and before is not None and made.field != before.field:
        raise SchemaError(
            f"field {name!r}: its vectors are made of {before.field!r}, not of {made.field!r}; add "
            f"another field"
        )
    struct = struct_of(name)
    if struct == name:
        changed = replace(field, **changes)
        check_default(changed)
        return with_other_fields(schema, [changed])
    whole = schema.field(struct)
    parts = [
        replace(part, **changes) if part_name(struct, part.name) == name else part
        for part in whole.struct or ()
    ]
    return with_other_fields(schema, [replace(whole, struct=parts)])


def other_metrics(old: Schema, new: Schema) -> set[str]:
    """Return the fields of dense vectors, or of lists of them, that are compared otherwise now."""
    before = {f.name: f.metric_type.of_vectors for f in old.stored_fields if _has_metric(f)}
    return {
        f.name
        for f in new.stored_fields
        if f.name in before and f.metric_type.of_vectors is not before[f.name]
    }


def _has_metric(field: Field) -> bool:
    return field.vector_type.is_dense_vector


def with_partitions(schema: Schema) -> Schema:
    """Return the schema with the hidden column of partitions; entities are in the first."""
    return schema.replaced(partitioned=True)


def as_given(schema: Schema) -> Schema:
    """Return the schema that entities must fit as they are given: vectors that are made of texts
    may be missing."""
    made = {field.name for field in (*schema.embedded_fields, *schema.minhash_fields)}
    if not made:
        return schema
    return schema.replaced(
        fields=[replace(f, nullable=True) if f.name in made else f for f in schema.fields]
    )


def with_other_fields(schema: Schema, fields: Iterable[Field]) -> Schema:
    """Return the schema with each of the given fields in place of the one of its name."""
    others = {field.name: field for field in fields}
    return schema.replaced(fields=[others.get(f.name, f) for f in schema.fields])
