"""What does ``create_index`` name: a field, an array, or a path inside JSON?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elanus.engine.indexing.derived_columns import index_key
from elanus.errors import FilterError, InvalidArgumentError
from elanus.filter import Exists, FieldRef, JsonPath, parse
from elanus.filter.names import Casts, Scope, resolve
from elanus.index.scalar.registry import (
    CAST_FUNCTIONS,
    CAST_TYPES,
    ScalarTarget,
    check_scalar,
    scalar_type,
)
from elanus.schema.collection import DYNAMIC_FIELD, Schema
from elanus.schema.fields import Field
from elanus.types import DataType

PATH_PARAM, CAST_PARAM, FUNCTION_PARAM = "json_path", "json_cast_type", "json_cast_function"


def scalar_target(
    schema: Schema, name: str, cast: object = None, function: object = None
) -> ScalarTarget:
    """Return what an index of a field or path is over.

    Args:
        schema: The fields.
        name: A field, or a path of a JSON field such as ``meta["year"]``.
        cast: ``json_cast_type`` of a path.
        function: ``json_cast_function`` of a path.

    Raises:
        InvalidArgumentError: No such field, one that cannot be indexed, or a wrong cast.
    """
    place = _place(schema, name)
    is_json = isinstance(place, JsonPath) and schema.field(place.field).dtype is DataType.JSON
    if function is not None and not is_json:
        raise InvalidArgumentError(f"{name}: {FUNCTION_PARAM} is for paths of JSON fields")
    if isinstance(place, FieldRef):
        field = schema.field(place.name)
        if field.dtype is not DataType.JSON and cast is not None:
            raise InvalidArgumentError(f"{name}: {CAST_PARAM} is for paths of JSON fields")
        return _field_target(field)
    if not is_json:
        if cast is not None:
            raise InvalidArgumentError(f"{name}: {CAST_PARAM} is for paths of JSON fields")
        return _place_target(schema.field(place.field), place.keys, name)
    if not isinstance(cast, str) or cast.upper() not in CAST_TYPES:
        raise InvalidArgumentError(
            f"{name}: {CAST_PARAM} must be one of {', '.join(CAST_TYPES)}, got {cast!r}"
        )
    dtype, of_elements = CAST_TYPES[cast.upper()]
    if function is not None:
        wanted = CAST_FUNCTIONS.get(str(function).upper())
        if wanted is None:
            raise InvalidArgumentError(
                f"{name}: {FUNCTION_PARAM} must be {' or '.join(CAST_FUNCTIONS)}, got {function!r}"
            )
        if wanted is not dtype or of_elements:
            raise InvalidArgumentError(
                f"{name}: {FUNCTION_PARAM} {function} goes with {CAST_PARAM} {wanted.name}, "
                f"got {cast}"
            )
    is_cast = function is not None
    return ScalarTarget(place.field, place.keys, dtype, of_elements, is_json=True, is_cast=is_cast)


def casts_of(schema: Schema, chosen: Mapping[str, Mapping[str, Any]]) -> Casts:
    """Return the paths where filters take texts that are numbers as numbers.

    Args:
        schema: The fields.
        chosen: Checked parameters of scalar indexes by key.
    """
    casts = [name for name, params in chosen.items() if FUNCTION_PARAM in params]
    # Settings may be newer than the schema, and name a field that it does not have yet.
    places = [_place(schema, name) for name in casts if name.partition("[")[0] in schema]
    return frozenset((p.field, p.keys) for p in places if isinstance(p, JsonPath))


def key_of(schema: Schema, name: str) -> str:
    """Return under which key an index of a field or path stands.

    Raises:
        InvalidArgumentError: No such field.
    """
    place = _place(schema, name)
    return place.name if isinstance(place, FieldRef) else index_key(place.field, place.keys)


def checked_choice(
    schema: Schema, name: str, type_name: str, params: Mapping[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Return key, canonical type and checked parameters of a scalar index.

    Args:
        schema: The fields.
        name: A field, or a path of a JSON field.
        type_name: As given.
        params: As given; ``json_path`` may name the path instead of ``name``.

    Raises:
        InvalidArgumentError: Something of it is wrong.
    """
    left = dict(params)
    shown = str(left.pop(PATH_PARAM, name))
    cast = left.pop(CAST_PARAM, None)
    function = left.pop(FUNCTION_PARAM, None)
    target = scalar_target(schema, shown, cast, function)
    if shown != name and target.field != name and name not in (DYNAMIC_FIELD, shown):
        raise InvalidArgumentError(f"{PATH_PARAM} {shown!r} is no path of field {name!r}")
    canonical = scalar_type(type_name)
    if canonical is None:
        raise InvalidArgumentError(
            f"{shown}: no scalar index type {type_name!r}; take AUTO, INVERTED, BITMAP, STL_SORT, "
            f"TRIE, NGRAM or RTREE"
        )
    checked = check_scalar(canonical, target, left, shown)
    if target.is_json:
        checked[CAST_PARAM] = str(cast).upper()
    if target.is_cast:
        checked[FUNCTION_PARAM] = str(function).upper()
    return index_key(target.field, target.keys), canonical, checked


def _place(schema: Schema, name: str) -> FieldRef | JsonPath:
    if name in schema:
        return FieldRef(name)
    try:
        tree = resolve(parse(f"exists {name}"), Scope(schema))
    except FilterError as error:
        raise InvalidArgumentError(
            f'{name!r} is neither a field nor a path such as meta["key"]: {error}'
        ) from None
    if not isinstance(tree, Exists) or not isinstance(tree.operand, FieldRef | JsonPath):
        raise InvalidArgumentError(f'{name!r} is neither a field nor a path such as meta["key"]')
    return tree.operand


def _place_target(field: Field, keys: tuple[str | int, ...], name: str) -> ScalarTarget:
    is_place = len(keys) == 1 and isinstance(keys[0], int)
    if field.dtype is not DataType.ARRAY or not is_place or field.element_type is None:
        raise InvalidArgumentError(f"{name}: index the whole field {field.name!r}, not a place")
    if field.vector_type.is_vector or field.struct is not None:
        raise InvalidArgumentError(f"{name}: places of {field.name!r} have no scalar values")
    return ScalarTarget(field.name, keys, field.element_type, of_elements=False, is_json=False)


def _field_target(field: Field) -> ScalarTarget:
    if field.dtype is DataType.JSON:
        raise InvalidArgumentError(
            f"field {field.name!r} is JSON: index a path of it, as in "
            f"create_index('{field.name}[\"key\"]', 'INVERTED', {{'{CAST_PARAM}': 'DOUBLE'}})"
        )
    if field.dtype.is_vector:
        raise InvalidArgumentError(
            f"field {field.name!r} is {field.dtype.name}; create_index is for dense vectors and "
            f"scalars (sparse and BM25 fields are always indexed)"
        )
    if field.dtype is DataType.ARRAY:
        return ScalarTarget(field.name, (), field.element_type or DataType.INT64, True, False)
    return ScalarTarget(field.name, (), field.dtype, False, False)
