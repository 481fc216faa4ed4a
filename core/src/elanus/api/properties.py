"""What users call to set how a collection works; ``Collection`` has these methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elanus.api.handle import Handle
from elanus.errors import InvalidArgumentError


class Properties(Handle):
    """The part of ``Collection`` that reads and changes its properties."""

    @property
    def properties(self) -> dict[str, Any]:
        """The properties that were set, by name."""
        return self._engine.properties

    def alter_properties(self, properties: Mapping[str, Any]) -> None:
        """Set properties, durably and at once; the others stay as they are.

        Args:
            properties: Values by name; None removes one, and texts stand for what they say.
                ``collection.ttl.seconds`` and ``ttl_field`` are those of ``set_ttl``;
                ``timezone`` is that of all TIMESTAMPTZ fields, whose moments stay the same;
                ``consistency_level`` is that of ``set_consistency``;
                ``partitionkey.isolation``: searches and queries must name one partition key;
                ``allow_insert_auto_id``: ``insert`` takes keys that the engine makes otherwise;
                ``dynamicfield.enabled``: entities may hold undeclared fields, from now on; with
                False they may not any more, and those that they hold are gone for good;
                ``collection.description`` is that of the schema; ``search.profile``: how searches
                are done that do not say it, as ``tune`` chooses it; ``mmap.enabled`` is kept and
                changes nothing. Any other name is your own: its JSON value is kept.

        Raises:
            FieldNotFoundError: No field of that name says when entities expire.
            InvalidArgumentError: A value does not fit, or a name is nearly one of these.
            SchemaError: No such time zone.
        """
        self._engine.set_properties(properties)

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        """Do what ``alter_properties`` does."""
        self.alter_properties(properties)

    def drop_properties(self, *names: str) -> None:
        """Remove properties, durably; those that mean something are as at first again.

        Args:
            names: One or several; those that are not set count nothing.

        Raises:
            InvalidArgumentError: No name, or one that is nearly that of a property.
        """
        if not names:
            raise InvalidArgumentError("drop_properties: expected at least one name, got none")
        self._engine.set_properties(dict.fromkeys(names))
