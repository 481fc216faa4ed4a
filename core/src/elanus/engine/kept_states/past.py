"""What did a collection consist of back then?

A past state is a manifest that was kept, with the writes of its logs up to the asked sequence
number on top: the same steps as recovery, which end earlier.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from typing import NamedTuple

from elanus.engine.context import EngineContext
from elanus.engine.kept_states.history import candidates, gone
from elanus.engine.recovery import read_logs, replay_logs
from elanus.engine.sealed import SealedSegment
from elanus.engine.snapshot import Snapshot
from elanus.engine.views import FieldViews
from elanus.errors import CorruptionError, NotFoundError
from elanus.schema.serialization import schema_from_json
from elanus.storage.manifest import Manifest

KEPT_STATES = 2
"""Past states that stay open, so that several searches of one of them open it once."""
UNUSED_S = 30.0
"""Seconds without a search after which past states are closed."""


class _Seen(NamedTuple):
    """A state, and when it was the current one."""

    snapshot: Snapshot
    moment_s: float


class HeldState:
    """Keeps a state of a collection readable by its number for as long as this lives.

    Attributes:
        seq: Its sequence number.
    """

    __slots__ = ("__weakref__", "seen")

    def __init__(self, seen: _Seen) -> None:
        self.seen = seen

    @property
    def seq(self) -> int:
        return self.seen.snapshot.seq


class PastStates:
    """Opens past states of one collection. Safe from many threads at once."""

    def __init__(self, context: EngineContext, path: str) -> None:
        self._context = context
        self._path = path
        self._lock = threading.Lock()
        self._open: OrderedDict[int, Snapshot] = OrderedDict()
        self._used_at = 0.0
        self._held: weakref.WeakValueDictionary[int, HeldState] = weakref.WeakValueDictionary()

    def hold(self, snapshot: Snapshot, moment_s: float) -> HeldState:
        """Keep a state for as long as what is returned lives.

        Args:
            snapshot: It.
            moment_s: When it is the current one, in seconds since 1970.
        """
        held = HeldState(_Seen(snapshot, moment_s))
        with self._lock:
            self._held[snapshot.seq] = held
        return held

    def held(self, seq: int) -> _Seen | None:
        """Return a state that somebody holds, and when that began; None: nobody does."""
        with self._lock:
            found = self._held.get(seq)
            return None if found is None else found.seen

    def at(self, seq: int) -> Snapshot:
        """Return what was visible when the last write up to ``seq`` was acknowledged.

        Raises:
            HistoryError: That state was not kept.
        """
        with self._lock:
            if seq not in self._open:
                self._open[seq] = self._read(seq)
                while len(self._open) > KEPT_STATES:
                    self._open.popitem(last=False)
            self._open.move_to_end(seq)
            self._used_at = time.monotonic()
            return self._open[seq]

    def forget_unused(self) -> None:
        """Close past states that nobody has asked for in a while: they hold files and memory."""
        with self._lock:
            if time.monotonic() > self._used_at + UNUSED_S:
                self._open.clear()

    def _read(self, seq: int) -> Snapshot:
        failure: Exception | None = None
        for manifest in candidates(self._context.directory, self._path, seq):
            try:
                return self._state(manifest, seq)
            except (CorruptionError, NotFoundError) as error:
                # Its files went when it was superseded; an older one may be kept by name.
                failure = failure or error
        raise gone(seq) from failure

    def _state(self, manifest: Manifest, seq: int) -> Snapshot:
        context, path = self._context, self._path
        fields = FieldViews.of(schema_from_json(manifest.schema))
        sealed = [
            SealedSegment.open(context.directory, path, fields, info, context.memory)
            for info in manifest.segments
        ]
        logs = read_logs(context, path, manifest)
        return replay_logs(fields, sealed, logs, last_seq=seq).snapshot(seq)
