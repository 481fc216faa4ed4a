"""What is to be marked in the texts of hits, from messages to what ``Collection`` takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from elanus import BM25, Field, Highlighter, Schema
from elanus_server.codec.pairs import loose_value, read_name, read_pairs
from elanus_server.failures import invalid
from elanus_server.wire import common

_QUERIES = ("highlight_query", "queries")
_TYPE = "TextMatch"
_LEAST = {"fragment_size": 1, "fragment_offset": 0, "num_of_fragments": 0}


def decode_highlighter(message: Any, schema: Schema, field: Field) -> Highlighter:
    """Return what a ``Highlighter`` message asks for.

    Args:
        message: Of a search.
        schema: Of the collection.
        field: That is searched.

    Raises:
        MilvusError: Another kind than the lexical one, or parameters that Milvus refuses.
    """
    kind = read_name(common.HighlightType, message.type)
    if kind != "Lexical":
        raise invalid(f"highlighter: {kind} is not supported; take Lexical")
    params = read_pairs(message.params)
    options: dict[str, Any] = {}
    for name in ("pre_tags", "post_tags"):
        if name in params:
            options[name] = _tags(name, params[name])
    for name, least in _LEAST.items():
        if name in params:
            options[name] = _count(name, params[name], least)
    if "highlight_search_text" in params:
        options["highlight_search_text"] = _marks_search(params["highlight_search_text"], field)
    given = next((params[name] for name in _QUERIES if name in params), "[]")
    options["highlight_query"] = _queries(given, schema)
    return Highlighter(**options)


def _tags(name: str, text: str) -> list[str]:
    tags = loose_value(text)
    if isinstance(tags, str):
        tags = [tags]
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise invalid(f"unmarshal {name} as string list failed: {text}")
    if not tags:
        raise invalid(f"{name} cannot be empty list")
    return tags


def _count(name: str, text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < least:
        raise invalid(f"invalid {name}: {text}")
    return value


def _marks_search(text: str, field: Field) -> bool:
    marks = loose_value(text.lower())
    if not isinstance(marks, bool):
        raise invalid(f"unmarshal highlight_search_text as bool failed: {text}")
    if marks and not isinstance(field.source, BM25):
        raise invalid('Search highlight only support with metric type "BM25" but was: ')
    return marks


def _queries(text: str, schema: Schema) -> list[Mapping[str, str]]:
    try:
        queries = json.loads(text)
    except ValueError:
        queries = None
    if not isinstance(queries, list):
        raise invalid(f"unmarshal highlight queries as json array failed: {text}")
    return [_query(query, schema) for query in queries]


def _query(query: Any, schema: Schema) -> Mapping[str, str]:
    failed = "unmarshal highlight queries failed"
    if not isinstance(query, dict):
        raise invalid(f"{failed}: item in array is not json object")
    for name in ("text", "type", "field"):
        if name not in query:
            raise invalid(f"{failed}: must set `{name}` in query")
        if not isinstance(query[name], str):
            raise invalid(f"{failed}: `{name}` must be string")
    if query["type"] != _TYPE:
        raise invalid(f"{failed}: invalid highlight query type: {query['type']}")
    if query["field"] not in schema:
        raise invalid(f"highlight field not found in schema: {query['field']}")
    return {"type": _TYPE, "field": query["field"], "text": query["text"]}
