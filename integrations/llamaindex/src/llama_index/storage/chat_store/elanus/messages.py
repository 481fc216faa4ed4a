"""How are conversations kept as rows?

A row is a message: its conversation, its position there, and its generation. Whoever replaces a
whole conversation writes a new generation in one step and deletes the old one after that; readers
take the newest generation of what one read found, so they see the old messages or the new ones and
never a mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from elanus import INT64, VARCHAR, Field
from elanus.documents import Place, Table
from elanus.errors import EntityError
from elanus.filter import And, Compare, CompareOp, FieldRef, Literal

ACTIVE = "active"

_FIELDS = (
    Field("id", VARCHAR, primary=True),
    Field("key", VARCHAR),
    Field("generation", INT64),
    Field("position", INT64),
    Field("status", VARCHAR),
    Field("message", VARCHAR),
)
_NAMES = [f.name for f in _FIELDS if not f.primary]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a conversation, as it is stored; ``message`` is its JSON."""

    key: str
    generation: int
    position: int
    status: str
    message: str

    @property
    def id(self) -> str:
        """The primary key: no two places share one, whatever the key holds."""
        return f"{self.generation}:{self.position}:{self.key}"

    def parse(self) -> ChatMessage:
        """Return the message itself."""
        return ChatMessage.model_validate_json(self.message)


class Messages:
    """Conversations of one table, each an ordered list of messages. Safe from many threads."""

    def __init__(self, place: Place, name: str) -> None:
        self._table = Table(place, name, _FIELDS, index_on="key")

    @property
    def place(self) -> Place:
        """The database as it was asked for."""
        return self._table.place

    def close(self) -> None:
        """Close what was opened here."""
        self._table.close()

    def keys(self) -> list[str]:
        """Return the keys of all conversations with messages, sorted."""
        table = self._table.collection
        return [] if table is None else [g["key"] for g in table.aggregate(group_by="key")]

    def read(self, key: str) -> list[StoredMessage]:
        """Return the messages of a conversation, oldest first."""
        table = self._table.collection
        return [] if table is None else _read(table, key)

    def append(self, key: str, messages: Sequence[ChatMessage], status: str = ACTIVE) -> None:
        """Add messages to the end of a conversation, all or none of them."""
        if messages:
            with self._table.changing(key) as table:
                generation, last = _end_of(table, key)
                _write(table, _rows(key, generation, last + 1, messages, status))

    def insert(self, key: str, message: ChatMessage, index: int) -> None:
        """Put a message before the one at ``index``, as ``list.insert`` does."""
        with self._table.changing(key) as table:
            before = _read(table, key)
            moved = before[slice(index, None).indices(len(before))[0] :]
            generation, last = _end_of(table, key)
            # Everything behind moves to the position of its successor, the last one to a new one.
            positions = [*(m.position for m in moved), last + 1]
            rows = [*_rows(key, generation, 0, [message], ACTIVE), *moved]
            _write(table, [replace(r, position=p) for r, p in zip(rows, positions, strict=True)])

    def replace(self, key: str, messages: Sequence[ChatMessage], status: str = ACTIVE) -> None:
        """Let a conversation hold these messages and no other ones."""
        with self._table.changing(key) as table:
            generation = _end_of(table, key)[0] + 1
            _write(table, _rows(key, generation, 0, messages, status))
            older = Compare(CompareOp.LT, FieldRef("generation"), Literal(generation))
            table.delete(filter=And((_of_key(key), older)))

    def delete(self, key: str, chosen: slice, *, status: str | None = None) -> list[StoredMessage]:
        """Delete messages and return them.

        Args:
            key: The conversation.
            chosen: Which of those with the status.
            status: None counts all messages.
        """
        with self._table.changing(key) as table:
            gone = [m for m in _read(table, key) if status in (None, m.status)][chosen]
            if gone:
                table.delete([m.id for m in gone])
            return gone

    def mark(self, key: str, count: int, status: str, new: str) -> list[StoredMessage]:
        """Give the oldest ``count`` messages with a status another one, and return them."""
        with self._table.changing(key) as table:
            found = [m for m in _read(table, key) if m.status == status][:count]
            marked = [replace(m, status=new) for m in found]
            _write(table, marked)
            return marked


def _of_key(key: str) -> Compare:
    return Compare(CompareOp.EQ, FieldRef("key"), Literal(key))


def _read(table: Any, key: str) -> list[StoredMessage]:
    rows = table.query(_of_key(key), _NAMES)
    found = [StoredMessage(**{name: row[name] for name in _NAMES}) for row in rows]
    newest = max((m.generation for m in found), default=0)
    return sorted((m for m in found if m.generation == newest), key=lambda m: m.position)


def _end_of(table: Any, key: str) -> tuple[int, int]:
    """Return the newest generation of a conversation, and its last position; -1 where none is."""
    (row,) = table.aggregate(["max(generation)", "max(position)"], filter=_of_key(key)) or [{}]
    generation, position = row.get("max(generation)"), row.get("max(position)")
    return generation or 0, -1 if position is None else position


def _rows(
    key: str, generation: int, start: int, messages: Sequence[ChatMessage], status: str
) -> list[StoredMessage]:
    return [
        StoredMessage(key, generation, start + i, status, _to_json(message))
        for i, message in enumerate(messages)
    ]


def _to_json(message: ChatMessage) -> str:
    try:
        return message.model_dump_json()
    except ValueError as error:
        raise EntityError(f"message cannot be written as JSON: {error}") from error


def _write(table: Any, rows: Sequence[StoredMessage]) -> None:
    if rows:
        columns = {name: [getattr(row, name) for row in rows] for name in _NAMES}
        table.upsert({"id": [row.id for row in rows], **columns})
