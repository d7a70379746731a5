"""The online state as one who only reads it sees it: the states of keys, and how old what is read is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.clock import Clock
from paywarden.features.engine import Engine
from paywarden.features.state import BatchTag, StateStore

BeganAt = Callable[[BatchTag], int | None]
"""When a batch was begun, epoch ms; None where that is not known."""

_LOOK_EVERY_MS = 50
"""How often the store is asked which batch it holds: a batch takes longer, and a server is not asked for every row."""


class StateReading:
    """The state of one layout, read beside the stream that writes it. Threads may share it; it writes nothing."""

    def __init__(self, store: StateStore, engine: Engine, began_at: BeganAt, clock: Clock) -> None:
        self._store = store
        self._engine = engine
        self._began_at = began_at
        self._clock = clock
        self._looked_at = -_LOOK_EVERY_MS
        self._seen: tuple[BatchTag, int] | None = None

    def load(self, record: str, keys: pa.Array) -> NDArray[np.int64]:
        """The states of distinct keys ``[k]`` of a record, int64 ``[k, words]``; zeros for those never seen."""
        words = self._engine.words(record)
        names: list[bytes] = keys.cast(pa.binary()).to_pylist()
        shards = self._engine.shards(record, keys, self._store.shards)
        held = sorted(set(shards.tolist()))
        if len(held) == 1:
            return self._store.read_many(record, held[0], names, words)
        states = np.zeros((len(keys), words), dtype=np.int64)
        for shard in held:
            rows = np.flatnonzero(shards == shard)
            states[rows] = self._store.read_many(record, shard, [names[row] for row in rows.tolist()], words)
        return states

    def current(self) -> BatchTag | None:
        """The batch begun last, as of at most 50 ms ago."""
        return seen[0] if (seen := self._look()) else None

    def age_ms(self) -> int | None:
        """How long ago the batch was begun that moved the state last; None in a state without any.

        Where its manifest cannot be seen from here, since it was first seen here.
        """
        seen = self._look()
        return max(self._clock() - seen[1], 0) if seen else None

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _look(self) -> tuple[BatchTag, int] | None:
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY_MS:
            tag = self._store.current()
            if tag is not None and (self._seen is None or tag != self._seen[0]):
                began_at = self._began_at(tag)
                self._seen = (tag, now if began_at is None else began_at)
            self._looked_at = now
        return self._seen
