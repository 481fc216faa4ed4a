"""Properties of collections and of fields: what may change, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from elanus import DataType
from elanus_server.clock import now
from elanus_server.codec.pairs import as_text, loose_value, read_pairs, write_pairs
from elanus_server.codec.schema import read_max_capacity
from elanus_server.failures import COLLECTION_LOADED, FIELD_NOT_FOUND, MilvusError, invalid
from elanus_server.security.policies import PROPERTY as ROW_POLICIES
from elanus_server.service.context import Call, Hosted
from elanus_server.service.records import IMPORTED, PROPERTY, CollectionRecord
from elanus_server.service.registry import rpc
from elanus_server.service.schema_checks import check_properties
from elanus_server.wire import common

_OWN = frozenset({PROPERTY, IMPORTED, ROW_POLICIES})
_MMAP, _LAZY, _WARMUP = "mmap.enabled", "lazyload.enabled", "warmup"
_DYNAMIC = "dynamicfield.enabled"
_OF_FIELDS = ("max_length", "max_capacity", "description", "field.description", _MMAP)
_MAX_LENGTH = 65_535


def check_free(*names: str) -> None:
    """Refuse names of properties that clients do not set."""
    taken = sorted(_OWN.intersection(names))
    if taken:
        raise invalid(f"property {taken[0]} belongs to the server")


def read_properties(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return properties as elanus keeps them: numbers and words rather than texts of them."""
    return {name: loose_value(text) for name, text in properties.items()}


def shown_properties(hosted: Hosted) -> dict[str, str]:
    """Return the properties of a collection as clients see them: as they were spelled."""
    texts, shown = hosted.record.texts, {}
    for name, value in hosted.collection.properties.items():
        if name not in _OWN and name != "consistency_level":
            text, plain = texts.get(name, ""), _shown(value)
            # The library may have changed it since.
            is_same = text.lower() == plain.lower() or loose_value(text) == value
            shown[name] = text if is_same else plain
    return shown


def _shown(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return as_text(value)


def _is_warmup(name: str) -> bool:
    return name == _WARMUP or name.startswith(f"{_WARMUP}.")


def _refuse_loaded(hosted: Hosted, what: str) -> None:
    """Refuse what does not go while a collection is loaded."""
    if hosted.record.is_loaded:
        name = hosted.collection.name
        raise MilvusError(
            COLLECTION_LOADED,
            f"{what} if collection loaded: collection already loaded[collection={name}]",
        )


@rpc("AlterCollection")
def alter_collection(call: Call, request: Any) -> None:
    hosted = (
        call.hosted(request)
        if request.collection_name
        else call.by_number(request.collectionID, request)
    )
    given, gone = read_pairs(request.properties), list(request.delete_keys)
    if given and gone:
        raise invalid("cannot provide both DeleteKeys and ExtraParams")
    if not given and not gone:
        raise invalid("no properties or delete keys provided")
    check_free(*given, *gone)
    _check_change(hosted, given, gone)
    level = given.pop("consistency_level", None)
    if level is not None:
        number = _consistency(level)
        hosted.change(lambda record: replace(record, consistency=number))
    if given:
        hosted.collection.alter_properties(read_properties(given))
    if gone:
        hosted.collection.drop_properties(*gone)
    _forget_undeclared(hosted)
    left = {n: text for n, text in {**hosted.record.texts, **given}.items() if n not in gone}
    hosted.change(lambda record: replace(record, updated=now(), texts=left))


def _forget_undeclared(hosted: Hosted) -> None:
    """Forget indexes of fields that entities cannot hold any more."""
    schema = hosted.collection.schema
    if not schema.dynamic:
        for index in hosted.record.indexes.values():
            if index.field.partition("[")[0] not in schema:
                hosted.change(partial(CollectionRecord.without_index, name=index.name))


def _check_change(hosted: Hosted, given: Mapping[str, str], gone: Iterable[str]) -> None:
    """Refuse changes that Milvus refuses, all of them or none."""
    for verb, names in (("alter", given), ("delete", gone)):
        if _MMAP in names or _LAZY in names:
            _refuse_loaded(hosted, f"can not {verb} mmap properties")
        if any(map(_is_warmup, names)):
            _refuse_loaded(hosted, f"can not {verb} warmup properties")
    if _DYNAMIC in gone:
        raise invalid(
            f"cannot delete key {_DYNAMIC}, dynamic field schema could support set to true/false"
        )
    if _DYNAMIC in given:
        if given[_DYNAMIC].lower() not in ("true", "false"):
            raise invalid(f"invalid dynamic schema property value: {given[_DYNAMIC]}")
        if len(given) > 1:
            raise invalid("cannot alter dynamic schema with other properties at the same time")
    schema = hosted.collection.schema
    if given.get("allow_insert_auto_id", "").lower() == "true" and not schema.primary.auto_id:
        raise invalid("the value for allow_insert_auto_id must be false when autoID is false")
    types = {field.name: field.dtype for field in schema.fields}
    keyed = schema.partition_key is not None
    check_properties(hosted.collection.name, given, types, keyed=keyed)


def _consistency(text: str) -> int:
    names = common.ConsistencyLevel.keys()
    found = next((name for name in names if name.lower() == text.lower()), None)
    if found is not None:
        return int(common.ConsistencyLevel.Value(found))
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    raise invalid(f"consistency_level: expected one of {', '.join(names)}, got {text!r}")


@rpc("AlterCollectionField")
def alter_collection_field(call: Call, request: Any) -> None:
    hosted = call.hosted(request)
    kept = hosted.schema()
    field = next((f for f in kept.fields if f.name == request.field_name), None)
    if field is None:
        raise MilvusError(FIELD_NOT_FOUND, f"field not found[field={request.field_name}]")
    given = {_dotted(name): text for name, text in read_pairs(request.properties).items()}
    gone = [_dotted(name) for name in request.delete_keys]
    _check_field_change(hosted, given, gone)
    changes = _changes(hosted, field.name, given)
    if changes:
        hosted.collection.alter_field(field.name, **changes)
    params = {**read_pairs(field.type_params), **given}
    params.update({n: str(value) for n, value in changes.items() if n != "description"})
    for name in (*gone, "description", "field.description"):
        params.pop(name, None)
    del field.type_params[:]
    field.type_params.extend(write_pairs(params))
    hosted.keep_schema(kept)


def _dotted(name: str) -> str:
    return _MMAP if name == "mmap_enabled" else name


def _check_field_change(hosted: Hosted, given: Mapping[str, str], gone: Iterable[str]) -> None:
    for name in given:
        if name not in _OF_FIELDS and not _is_warmup(name):
            raise invalid(f"{name} does not allow update in collection field param")
    for name in gone:
        if name != _MMAP and not _is_warmup(name):
            raise invalid(f"{name} is not allowed to drop in collection field param")
    if _MMAP in given:
        _refuse_loaded(hosted, "can not alter collection field properties")
    if any(map(_is_warmup, given)):
        _refuse_loaded(hosted, "can not alter warmup")
    if gone:
        _refuse_loaded(hosted, "can not drop collection field properties")


def _changes(hosted: Hosted, name: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what of a field changes in elanus."""
    field, changes = hosted.collection.schema.field(name), dict[str, Any]()
    if "max_length" in given:
        if DataType.VARCHAR not in (field.dtype, field.element_type):
            raise invalid(f"{name} can not modify the maxlength for non-string types")
        changes["max_length"] = _length(name, given["max_length"])
    if "max_capacity" in given:
        if field.dtype is not DataType.ARRAY:
            raise invalid(f"{name} can not modify the maxcapacity for non-array types")
        if not given["max_capacity"].lstrip("-").isdecimal():
            raise invalid(f"the value for max_capacity of field {name} must be an integer")
        changes["max_capacity"] = read_max_capacity(given["max_capacity"])
    for key in ("description", "field.description"):
        if key in given:
            changes["description"] = given[key]
    return changes


def _length(name: str, text: str) -> int:
    if not text.lstrip("-").isdecimal():
        raise invalid("max_length should be an integer, but got string")
    length = int(text)
    if length > _MAX_LENGTH:
        raise invalid(f"{length} exceeds the maximum allowed value {_MAX_LENGTH}")
    if length <= 0:
        raise invalid(
            f"the maximum length specified for the field({name}) should be in (0, {_MAX_LENGTH}], "
            f"but got {length} instead"
        )
    return length
