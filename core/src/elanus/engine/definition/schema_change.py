"""How does a collection get other fields while it is used?

What is in memory becomes a segment first, so that every log holds rows of one schema; then one
manifest names the new schema. No row is rewritten: a column that a segment lacks is made up of the
default or of nulls, and one that nobody may ask for any more goes when the segment is merged. Only
signatures are written for the segments that are there (``signature_columns.py``).
Searches go on meanwhile; writes wait for the flush, and the change for a merge that is under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import replace

from elanus.engine.background.flush import MemtableFlush
from elanus.engine.background.merge_job import MergeJob
from elanus.engine.definition.settings import CollectionSettings
from elanus.engine.definition.signature_columns import SignatureColumns, unsigned_fields
from elanus.engine.indexing.segment_indexes import field_of
from elanus.engine.state import CollectionState
from elanus.engine.views import FieldViews, check_analyzers
from elanus.errors import StateError
from elanus.query.profile import PROFILE, SearchProfile
from elanus.schema.collection import Schema
from elanus.storage.load_record import delete_other_loads


class SchemaChanges:
    """Changes the fields of one collection, one change at a time."""

    def __init__(
        self, state: CollectionState, flush: MemtableFlush, is_loading: Callable[[], bool]
    ) -> None:
        self._state = state
        self._flush = flush
        self._is_loading = is_loading

    def apply(
        self,
        change: Callable[[Schema], Schema],
        change_settings: Callable[[CollectionSettings, Schema], CollectionSettings] | None = None,
        anew: Collection[str] = (),
    ) -> None:
        """Replace the schema by what ``change`` makes of it, durably.

        Args:
            change: Returns the new schema.
            change_settings: Returns the settings that come with it, given the schema; None leaves
                them as they are.
            anew: Fields whose terms and signatures are made anew.

        Raises:
            PluginError: An analyzer is not installed, or fails on a text that is there.
            SchemaError: ``change`` refuses, or an analyzer is unknown.
            StateError: An import is running.
            StorageError: The medium failed; nothing has changed.
        """
        state = self._state
        change(state.schema)  # what is refused is refused before anything is flushed
        self._flush.run()
        with state.reorganise_lock:
            self._check_not_loading()
            # The schema has one writer, who holds the lock.
            wanted = change(state.schema)
            settings = state.settings
            if change_settings is not None:
                settings = change_settings(settings, wanted)
            if wanted == state.schema and settings == state.settings and not anew:
                return
            check_analyzers(wanted, state.schema)
            fields = FieldViews.of(wanted)
            unsigned = unsigned_fields(wanted, state.schema, anew)
            columns = SignatureColumns(state, fields, unsigned)
            with contextlib.ExitStack() as undo:
                undo.callback(columns.discard)
                columns.write()  # while writes go on
                with self._flush.drained():
                    self._check_not_loading()
                    columns.write()
                    MergeJob.forget_unfinished(state)
                    if unsigned or anew:
                        # What it wrote is swept at the next opening.
                        delete_other_loads(state.directory, state.path, None)
                    # A manifest that fails may be there after all: nothing that it names goes.
                    undo.pop_all()
                    self._install(fields, change_settings, columns, anew)

    def _install(
        self,
        fields: FieldViews,
        change_settings: Callable[[CollectionSettings, Schema], CollectionSettings] | None,
        columns: SignatureColumns,
        anew: Collection[str],
    ) -> None:
        settings = self._state.settings
        if change_settings is not None:
            settings = change_settings(settings, fields.schema)
        kept = {n: c for n, c in settings.indexes.items() if fields.has(field_of(n))}
        ttl_field = settings.ttl_field if settings.ttl_field in fields.schema else None
        settings = replace(settings, indexes=kept, ttl_field=ttl_field)
        settings = _with_fitting_profile(settings, fields.schema)
        self._state.install_schema(fields, settings, columns.made, anew)

    def _check_not_loading(self) -> None:
        if self._is_loading():
            raise StateError(
                f"{self._state.path}: an import is running, whose rows have the fields as they "
                f"are; wait until it has ended"
            )

    def truncate(self) -> None:
        """Remove all rows, with one manifest.

        Raises:
            StateError: An import is running.
            StorageError: The medium failed; nothing has changed.
        """
        with self._state.reorganise_lock, self._flush.drained():
            if self._is_loading():
                raise StateError(f"{self._state.path}: an import is running; wait until it ends")
            segments = self._state.sealed()
            if segments:
                self._state.install_truncated(segments)


def _with_fitting_profile(settings: CollectionSettings, schema: Schema) -> CollectionSettings:
    """Return settings without a profile of fields that are no longer there."""
    stored = settings.properties.get(PROFILE)
    if stored is None:
        return settings
    profile = SearchProfile.from_json(stored)
    roles = {one.field for one in schema.successors}
    if all(name in schema or name in roles for name in (*profile.fields, *profile.bm25)):
        return settings
    return settings.with_properties({PROFILE: None})
