"""How is a schema written down?

As plain JSON values under a version number. A newer version is refused by name; unknown keys of
the same version are an error, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from elanus.errors import FormatVersionError, SchemaError
from elanus.schema.collection import Schema, Successor
from elanus.schema.fields import FIELD_ATTRIBUTES, Field
from elanus.schema.functions import BM25, Embedding, MinHash

SCHEMA_VERSION = 1
_SOURCES: dict[type, str] = {BM25: "bm25", MinHash: "minhash"}


def schema_to_json(schema: Schema) -> dict[str, Any]:
    """Return ``schema`` as JSON values; attributes at their default are left out."""
    made = {
        "version": SCHEMA_VERSION,
        "dynamic": schema.dynamic,
        "description": schema.description,
        "fields": [_field_to_json(f) for f in schema.fields],
    }
    if schema.partitioned:
        made["partitioned"] = True
    if schema.timezone is not None:
        made["timezone"] = schema.timezone
    if schema.successors:
        made["successors"] = [asdict(one) for one in schema.successors]
    return made


def schema_from_json(stored: Mapping[str, Any]) -> Schema:
    """Return the schema that ``schema_to_json`` wrote.

    Raises:
        FormatVersionError: Written by a newer version.
        SchemaError: Not a schema.
    """
    version = stored.get("version")
    if version != SCHEMA_VERSION:
        raise FormatVersionError(
            f"schema version {version!r} cannot be read by this version of elanus, which knows "
            f"{SCHEMA_VERSION}; upgrade elanus"
        )
    return Schema(
        [_field_from_json(f) for f in stored["fields"]],
        dynamic=stored["dynamic"],
        description=stored["description"],
        partitioned=stored.get("partitioned", False),
        timezone=stored.get("timezone"),
        successors=[Successor(**one) for one in stored.get("successors", ())],
    )


def _field_to_json(field: Field) -> dict[str, Any]:
    made: dict[str, Any] = {"name": field.name, "dtype": field.dtype.name}
    plain = Field.__dataclass_fields__
    for name in FIELD_ATTRIBUTES[2:]:
        value = getattr(field, name)
        if value == plain[name].default:
            continue
        if name == "source":
            made[name] = {_SOURCES[type(value)]: _source_to_json(value)}
        elif name == "embedding":
            made[name] = asdict(value)
        elif name == "element_type":
            made[name] = value.name
        elif name == "struct":
            made[name] = [_field_to_json(part) for part in value]
        else:
            made[name] = str(value) if name == "metric" else value
    return made


def _source_to_json(source: BM25 | MinHash) -> dict[str, Any]:
    made = asdict(source)
    if not made["fingerprint"]:
        del made["fingerprint"]
    return made


def _field_from_json(stored: Mapping[str, Any]) -> Field:
    unknown = sorted(set(stored) - set(FIELD_ATTRIBUTES))
    if unknown:
        raise SchemaError(f"stored field has unknown attributes: {', '.join(unknown)}")
    options = dict(stored)
    if "source" in options:
        ((kind, arguments),) = options["source"].items()
        options["source"] = (MinHash if kind == _SOURCES[MinHash] else BM25)(**arguments)
    if "embedding" in options:
        options["embedding"] = Embedding(**options["embedding"])
    if "struct" in options:
        options["struct"] = [_field_from_json(part) for part in options["struct"]]
    return Field(options.pop("name"), options.pop("dtype"), **options)
