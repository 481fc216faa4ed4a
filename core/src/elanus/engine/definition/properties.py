"""Which properties of collections and databases mean something, and what?

Their names are those of Milvus, and values may be texts as its clients send them. Those that have
an effect are kept where it is, in the schema or in the settings; the others are the user's own and
come back as they were given. A name that is nearly one of these is refused: it would do nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from elanus.engine.consistency import Consistency, parse_consistency
from elanus.engine.definition.settings import ALLOW_AUTO_ID, ISOLATION, CollectionSettings
from elanus.errors import InvalidArgumentError
from elanus.query.profile import PROFILE, SearchProfile
from elanus.schema.collection import Schema
from elanus.schema.times import zone_of

TTL: Final = "collection.ttl.seconds"
TTL_FIELD: Final = "ttl_field"
TIMEZONE: Final = "timezone"
CONSISTENCY: Final = "consistency_level"
DESCRIPTION: Final = "collection.description"
DYNAMIC: Final = "dynamicfield.enabled"
MMAP: Final = "mmap.enabled"
OLDER_NAME: Final = {False: "collection.timezone", True: "database.timezone"}
"""What clients may still call ``timezone``, by whether it is that of a database."""

_NEAR: Final = 0.85
"""How alike two names are, from 0 to 1, for one to be taken for the other misspelled."""
_OF_SCHEMA: Final = frozenset({TIMEZONE, DESCRIPTION, DYNAMIC})


@dataclass(frozen=True, slots=True)
class Property:
    """A property that means something.

    Attributes:
        name: As in Milvus.
        about: What it does.
        read: Returns the value that is meant, or raises ``ValueError``.
        expected: What values it takes, for the message.
        of_databases: Databases have it too, for collections that are made in them.
    """

    name: str
    about: str
    read: Callable[[Any], Any]
    expected: str
    of_databases: bool = False


def _switch(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise ValueError


MAX_TTL_S = 100 * 365.25 * 86_400
"""Oldest that entities can become before they expire, as in Milvus."""


def _seconds(value: Any) -> float | None:
    """Return seconds; 0 and -1 are no bound, as in Milvus."""
    if isinstance(value, bool):
        raise ValueError
    seconds = float(value)
    if seconds in (0, -1):
        return None
    if not 0 < seconds <= MAX_TTL_S:
        raise ValueError
    return seconds


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _profile(value: Any) -> dict[str, Any]:
    profile = value if isinstance(value, SearchProfile) else SearchProfile.from_json(value)
    return profile.to_json()


def _zone(value: Any) -> str:
    zone_of(_text(value))
    return str(value)


KNOWN: Final = {
    known.name: known
    for known in (
        Property(
            TTL, "age at which entities expire", _seconds, "seconds up to a century, 0 for never"
        ),
        Property(TTL_FIELD, "field that says when an entity expires", _text, "a field"),
        Property(
            TIMEZONE, "that of TIMESTAMPTZ fields", _zone, "a name such as 'Europe/Berlin'", True
        ),
        Property(CONSISTENCY, "how recent reads are", parse_consistency, "a level"),
        Property(ISOLATION, "reads name one partition key", _switch, "true or false"),
        Property(ALLOW_AUTO_ID, "inserts may give automatic keys", _switch, "true or false"),
        Property(DYNAMIC, "entities may hold undeclared fields", _switch, "true or false"),
        Property(DESCRIPTION, "free text", _text, "a text"),
        Property(PROFILE, "how searches are done that do not say it", _profile, "a profile"),
        Property(MMAP, "kept; segments are always mapped", _switch, "true or false"),
    )
}
"""The properties that mean something, by name."""


def read_properties(properties: Mapping[str, Any], *, of_database: bool = False) -> dict[str, Any]:
    """Return properties with the values that are meant; None removes one.

    Older names have become those of now.

    Raises:
        InvalidArgumentError: A value does not fit, or a name is nearly that of a property.
        SchemaError: No such time zone.
    """
    known = {name: p for name, p in KNOWN.items() if p.of_databases or not of_database}
    values: dict[str, Any] = {}
    older = OLDER_NAME[of_database]
    if older in properties:
        left = {name: value for name, value in properties.items() if name != older}
        properties = {TIMEZONE: properties[older], **left}
    for name, value in properties.items():
        found = known.get(name)
        if found is None:
            _check_own(name, known)
            values[name] = value
            continue
        try:
            values[name] = None if value is None else found.read(value)
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidArgumentError):
                raise
            raise InvalidArgumentError(
                f"property {name!r}: expected {found.expected}, got {value!r}"
            ) from None
    return values


def _check_own(name: str, known: Mapping[str, Property]) -> None:
    """Raise ``InvalidArgumentError`` unless a name can be one of the user's own."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"properties: expected names, got {name!r}")
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=_NEAR)
    if near:
        raise InvalidArgumentError(
            f"property {name!r} is none that means something; did you mean {near[0]!r}? A property "
            f"of your own needs another name"
        )


def own_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties that are the user's own.

    Raises:
        InvalidArgumentError: One of them means something.
    """
    values = read_properties(properties)
    if meant := sorted(KNOWN.keys() & values.keys()):
        raise InvalidArgumentError(
            f"property {meant[0]!r} means something; set it with alter_properties"
        )
    return values


def changes_schema(values: Mapping[str, Any]) -> bool:
    """Whether any of the properties is kept in the schema."""
    return not _OF_SCHEMA.isdisjoint(values)


def changed_schema(schema: Schema, values: Mapping[str, Any]) -> Schema:
    """Return the schema with what ``read_properties`` gave."""
    if TIMEZONE in values:
        schema = schema.in_timezone(values[TIMEZONE])
    if DESCRIPTION in values:
        schema = schema.replaced(description=values[DESCRIPTION] or "")
    if values.get(DYNAMIC) is not None:
        schema = schema.replaced(dynamic=values[DYNAMIC])
    return schema


def changed_settings(
    settings: CollectionSettings, schema: Schema, values: Mapping[str, Any]
) -> CollectionSettings:
    """Return the settings with what ``read_properties`` gave.

    Raises:
        FieldNotFoundError: No field of that name says when entities expire.
        InvalidArgumentError: The schema has no partition key to isolate by, a field of another
            type says when entities expire, or a profile is of other fields.
    """
    if values.get(ISOLATION) and schema.partition_key is None:
        raise InvalidArgumentError(
            f"property {ISOLATION!r}: the collection has no partition key; declare a field with "
            f"partition_key=True"
        )
    if values.get(PROFILE) is not None:
        SearchProfile.from_json(values[PROFILE]).check(schema)
    if TTL in values or TTL_FIELD in values:
        seconds = values.get(TTL, settings.ttl_s)
        settings = settings.with_ttl(schema, seconds, values.get(TTL_FIELD, settings.ttl_field))
    if CONSISTENCY in values:
        settings = replace(settings, consistency=values[CONSISTENCY] or Consistency.STRONG)
    elsewhere = {TTL, TTL_FIELD, CONSISTENCY, *_OF_SCHEMA}
    return settings.with_properties({n: v for n, v in values.items() if n not in elsewhere})


def shown_properties(settings: CollectionSettings, schema: Schema) -> dict[str, Any]:
    """Return the properties that were set, the user's own among them."""
    found = {
        TIMEZONE: schema.timezone,
        TTL: settings.ttl_s,
        TTL_FIELD: settings.ttl_field,
        CONSISTENCY: None if settings.is_strong else str(settings.consistency),
    }
    return {**settings.properties, **{n: value for n, value in found.items() if value is not None}}
