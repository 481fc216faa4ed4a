"""Which fields come back, and as which columns?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elanus_server.codec.columns import DYNAMIC_FIELD
from elanus_server.codec.entities import encode_entities
from elanus_server.failures import invalid
from elanus_server.service.context import Hosted


@dataclass(frozen=True, slots=True)
class Outputs:
    """The fields that a request asks back.

    Attributes:
        asked: Names for elanus.
        columns: Declared fields to send, and ``$meta`` for the undeclared ones.
        shown: Names that the client is told.
    """

    asked: tuple[str, ...]
    columns: tuple[str, ...]
    shown: tuple[str, ...]

    def asked_with(self, order: Sequence[tuple[str, bool]]) -> tuple[str, ...]:
        """Return the names for elanus, with those of fields to order by."""
        if not order:
            return self.asked
        return tuple(dict.fromkeys([*self.asked, *[name for name, _ in order]]))

    def encode(self, hosted: Hosted, entities: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the columns of entities as ``FieldData``."""
        return encode_entities(
            hosted.collection.schema,
            entities,
            self.columns,
            numbers=hosted.known.numbers,
            is_text=hosted.known.texts,
        )


def resolve_outputs(hosted: Hosted, names: Sequence[str], *, with_key: bool) -> Outputs:
    """Return what the output fields of a request are.

    Args:
        hosted: The collection.
        names: As given: fields, undeclared ones, ``$meta``, paths of it, or ``*``.
        with_key: The primary key is always among them.

    Raises:
        MilvusError: A field does not exist, or cannot be read.
    """
    schema = hosted.collection.schema
    readable = [field.name for field in schema.fields if field.is_stored]
    columns: list[str] = [schema.primary.name] if with_key else []
    shown, undeclared = list(columns), []
    for name in names:
        if name == "*":
            columns += readable
            shown += readable
            undeclared += [DYNAMIC_FIELD] if schema.dynamic else []
        elif name in readable:
            columns.append(name)
            shown.append(name)
        elif any(field.name == name for field in schema.fields):
            raise invalid(f"not allowed to retrieve raw data of field {name}")
        elif name in schema or not schema.dynamic:
            raise invalid(f"field {name} not exist")
        else:
            undeclared.append(_undeclared(name))
            shown.append(name)
    if undeclared:
        columns.append(DYNAMIC_FIELD)
        shown += (
            [DYNAMIC_FIELD] if DYNAMIC_FIELD in undeclared and DYNAMIC_FIELD not in shown else []
        )
    declared = [name for name in columns if name != DYNAMIC_FIELD]
    return Outputs(
        tuple(dict.fromkeys([*declared, *undeclared])),
        tuple(dict.fromkeys(columns)),
        tuple(dict.fromkeys(shown)),
    )


def _undeclared(name: str) -> str:
    """Return the undeclared field that a name or ``$meta["name"]`` means."""
    prefix = f"{DYNAMIC_FIELD}["
    return name[len(prefix) : -1].strip("\"'") if name.startswith(prefix) else name
