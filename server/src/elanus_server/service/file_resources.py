"""Files that analyzers use: stop words, synonyms, words of dictionaries.

A resource names a file below the operator's folder. Its lines become part of the analyzer when a
collection is made, so that what was analyzed stays what it is when the file changes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elanus_server.codec.pairs import loose_value, read_pairs
from elanus_server.failures import UNEXPECTED, MilvusError, invalid
from elanus_server.service.context import Call, Host
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus

MAX_BYTES = 16 << 20
"""Largest file that an analyzer takes in."""
_PROPERTY = "file_resources"
_PARTS = {
    "stop_words_file": "stop_words",
    "synonyms_file": "synonyms",
    "word_list_file": "word_list",
    "extra_dict_file": "dict",
}
"""Which parameter of a filter or tokenizer the lines of a file are."""
_MULTI = "multi_analyzer_params"


@rpc("AddFileResource")
def add_file_resource(call: Call, request: Any) -> None:
    """Name a file; the same again is no error."""
    name, path = request.name, request.path
    if not name:
        raise invalid("file resource: expected a name, got none")
    if not call.host.files.path_of(path, "file resource").is_file():
        raise invalid(f"file resource {name}: {path!r} is a folder")

    def add(resources: dict[str, str]) -> dict[str, str]:
        if resources.get(name, path) != path:
            raise MilvusError(UNEXPECTED, f"file resource {name} already exists with another path")
        return {**resources, name: path}

    call.host.kept.change(_PROPERTY, {}, add)


@rpc("RemoveFileResource")
def remove_file_resource(call: Call, request: Any) -> None:
    """Forget a file; one that is not there is no error."""
    name = request.name
    users = [full for full, used in _used(call.host) if name in used]
    if users:
        raise MilvusError(
            UNEXPECTED, f"file resource {name} is still in use by collection {users[0]}"
        )
    call.host.kept.change(
        _PROPERTY, {}, lambda known: {n: path for n, path in known.items() if n != name}
    )


@rpc("ListFileResources")
def list_file_resources(call: Call, request: Any) -> Any:
    found = call.host.kept.read(_PROPERTY, {})
    return milvus.ListFileResourcesResponse(
        resources=[
            milvus.FileResourceInfo(id=zlib.crc32(name.encode()) + 1, name=name, path=path)
            for name, path in sorted(found.items())
        ]
    )


def with_contents(host: Host, spec: Any) -> Any:
    """Return an analyzer in which the lines of files stand in place of the files.

    Args:
        host: Knows the files.
        spec: Name or parameters of an analyzer, or of several.

    Raises:
        MilvusError: A file is not known, cannot be read, or is too large.
    """
    if isinstance(spec, list):
        return [with_contents(host, one) for one in spec]
    if not isinstance(spec, dict):
        return spec
    made: dict[str, Any] = {}
    for key, value in spec.items():
        if key not in _PARTS:
            made[key] = with_contents(host, value)
            continue
        name = _PARTS[key]
        given = spec.get(name, ["_default_"] if name == "dict" else [])
        made[name] = [*([given] if isinstance(given, str) else given), *_lines(host, key, value)]
    return {**made, **{_PARTS[key]: made[_PARTS[key]] for key in spec if key in _PARTS}}


def schema_with_contents(host: Host, message: Any) -> Any:
    """Return a ``CollectionSchema`` or ``FieldSchema`` whose analyzers have their files' lines."""
    made = type(message)()
    made.CopyFrom(message)
    for field in getattr(made, "fields", [made]):
        for pair in field.type_params:
            if pair.key in ("analyzer_params", _MULTI) and any(k in pair.value for k in _PARTS):
                pair.value = json.dumps(with_contents(host, loose_value(pair.value)))
    return made


def _lines(host: Host, key: str, given: Any) -> list[str]:
    path = _path(host, key, given)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise invalid(f"{key}: the file has {size} bytes, expected at most {MAX_BYTES}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise invalid(f"{key}: the file is no text in UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _path(host: Host, key: str, given: Any) -> Path:
    if not isinstance(given, dict):
        raise invalid(f"{key}: expected an object with a type, got {given!r}")
    # A path would let whoever may analyze texts try files that nobody gave to analyzers.
    if given.get("type") != "remote":
        raise invalid(
            f"{key}: expected the type remote and the resource_name of a file that was added with "
            f"AddFileResource, got the type {given.get('type')!r}"
        )
    name = given.get("resource_name")
    known = host.kept.read(_PROPERTY, {})
    if name not in known:
        raise MilvusError(UNEXPECTED, f"file resource {name} not found")
    return host.files.path_of(known[name], key)


def _used(host: Host) -> Iterator[tuple[str, set[str]]]:
    """Yield each collection with the names of the resources in its analyzers."""
    for database in host.list_databases():
        handle = host.database(database)
        for name in handle.list_collections():
            message = host.known(database, handle.collection(name)).message
            params = [read_pairs(field.type_params) for field in message.fields]
            texts = [one.get(key, "") for one in params for key in ("analyzer_params", _MULTI)]
            used = {found for text in texts if text for found in _names(loose_value(text))}
            yield f"{database}.{name}", used


def _names(spec: Any) -> Iterator[str]:
    if isinstance(spec, dict):
        if "resource_name" in spec:
            yield str(spec["resource_name"])
        spec = list(spec.values())
    if isinstance(spec, list):
        for one in spec:
            yield from _names(one)
