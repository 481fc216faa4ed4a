"""Which fields come back, and as which columns?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elanus import Field, Schema
from elanus_server.codec.columns import DYNAMIC_FIELD
from elanus_server.codec.entities import encode_entities
from elanus_server.failures import invalid
from elanus_server.service.context import Hosted

_IN_META = re.compile(r"""\$meta\[(["'])([^"'\[\]]*)\1\]""")
_WORD = re.compile(r"\w")
_TIME_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


@dataclass(frozen=True, slots=True)
class Outputs:
    """The fields that a request asks back.

    Attributes:
        asked: Names for elanus.
        columns: Declared fields to send, and ``$meta`` for the undeclared ones.
        shown: Names that the client is told.
        structs: Arrays of structs of which only some fields are asked for, by name, with those.
        time_parts: Parts of moments, such as ``hour``, that are sent in their place.
    """

    asked: tuple[str, ...]
    columns: tuple[str, ...]
    shown: tuple[str, ...]
    structs: Mapping[str, Field]
    time_parts: tuple[str, ...] = ()

    @property
    def held(self) -> tuple[str, ...]:
        """Names under which entities hold what is asked: an array of structs holds its fields."""
        structs = [name.partition("[")[0] for name in self.asked]
        both = zip(self.asked, structs, strict=True)
        return tuple(dict.fromkeys(s if s in self.structs else name for name, s in both))

    def asked_with(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names for elanus, with those of further fields that are read."""
        return tuple(dict.fromkeys([*self.asked, *names])) if names else self.asked

    def encode(self, hosted: Hosted, entities: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the columns of entities as ``FieldData``."""
        return encode_entities(
            hosted.collection.schema,
            entities,
            self.columns,
            numbers=hosted.known.numbers,
            is_text=hosted.known.texts,
            structs=self.structs,
            time_parts=self.time_parts,
        )


def resolve_outputs(
    hosted: Hosted, names: Sequence[str], *, with_key: bool, time_fields: str = ""
) -> Outputs:
    """Return what the output fields of a request are.

    Args:
        hosted: The collection.
        names: As given: fields, fields of structs as ``chunks[text]``, undeclared ones, ``$meta``,
            paths of it, or ``*``.
        with_key: The primary key is always among them.
        time_fields: Parts of moments to send in their place, as ``"year, month"``.

    Raises:
        MilvusError: A field does not exist, or cannot be read, or a moment has no such part.
    """
    schema = hosted.collection.schema
    readable = [field.name for field in schema.fields if field.is_stored]
    columns: list[str] = [schema.primary.name] if with_key else []
    shown, undeclared = list(columns), []
    structs = {field.name: field for field in schema.fields if field.struct is not None}
    parts: dict[str, list[str]] = {}
    for name in names:
        if name == "*":
            columns += readable
            shown += readable
            undeclared += [DYNAMIC_FIELD] if schema.dynamic else []
        elif name in readable:
            columns.append(name)
            shown.append(name)
        elif (struct := name.partition("[")[0]) in structs:
            parts.setdefault(struct, []).append(_part(structs[struct], name))
            shown.append(struct)
        else:
            undeclared.append(_undeclared(schema, name))
            shown.append(name)
    if undeclared:
        columns.append(DYNAMIC_FIELD)
        shown += [DYNAMIC_FIELD] if DYNAMIC_FIELD in undeclared else []
    chosen = {name: _narrowed(structs[name], some) for name, some in parts.items()}
    narrowed = {name: part for name, part in chosen.items() if name not in columns}
    asked = [f"{name}[{part.name}]" for name, one in narrowed.items() for part in one.struct or ()]
    declared = [name for name in columns if name != DYNAMIC_FIELD]
    return Outputs(
        tuple(dict.fromkeys([*declared, *asked, *undeclared])),
        tuple(dict.fromkeys([*columns, *narrowed])),
        tuple(dict.fromkeys(shown)),
        narrowed,
        _time_parts(time_fields),
    )


def _time_parts(asked: str) -> tuple[str, ...]:
    parts = tuple(asked.replace(",", " ").split())
    for part in parts:
        if part.lower() not in _TIME_PARTS:
            raise invalid(
                f"unsupported field for extraction: {part}, fields should be seprated by ',' or ' '"
            )
    return tuple([part.lower() for part in parts])


def _part(struct: Field, name: str) -> str:
    """Return the field that a path such as ``chunks[text]`` names in a struct.

    Raises:
        MilvusError: There is none.
    """
    part = name[len(struct.name) + 1 : -1]
    if not name.endswith("]") or all(one.name != part for one in struct.struct or ()):
        raise invalid(f"field {name} not exist")
    return part


def _narrowed(struct: Field, parts: Sequence[str]) -> Field:
    """Return an array of structs that has only some of its fields, as they were declared."""
    return replace(struct, struct=[part for part in struct.struct or () if part.name in parts])


def _undeclared(schema: Schema, name: str) -> str:
    """Return the undeclared field that a name or ``$meta["name"]`` means.

    Raises:
        MilvusError: There are none, it reaches into one, is nothing but signs, or is that of a
            field that cannot be read.
    """
    if any(field.name == name for field in schema.fields):
        raise invalid(f"not allowed to retrieve raw data of field {name}")
    if name in schema or not schema.dynamic:
        raise invalid(f"field {name} not exist")
    place = _IN_META.fullmatch(name)
    if place is not None:
        return place[2]
    if name.startswith(f"{DYNAMIC_FIELD}[") or _WORD.search(name) is None:
        raise invalid(f"parse output field name failed: {name}")
    return name
