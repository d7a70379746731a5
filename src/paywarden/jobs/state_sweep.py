"""Freeing space in the online state: what has read as empty for a whole lifetime is removed, and nothing changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from paywarden.errors import StateStoreError
from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING, newest_payment
from paywarden.features.engine import Engine
from paywarden.features.state import Lease, StateStore
from paywarden.jobs.epochs import StateEpochs


@dataclass(frozen=True)
class SweptState:
    """What was freed of one state, in records; ``problem`` says why a state was left alone."""

    layout: str
    records: int = 0
    freed: int = 0
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def sweep(store: StateStore, engine: Engine, lease: Lease | None, now_ms: int) -> int:
    """Delete the records that have read as empty for one more lifetime at ``now_ms``; how many. Frees space only.

    The extra lifetime keeps an event that is late by less than that exact.
    """
    cutoff, freed = now_ms - engine.catalogue.memory.record_ttl_ms, 0
    for record, shard in _parts(store, engine):
        idle = partial(engine.idle, record, now_ms=cutoff)
        freed += store.delete_where(lease, record, shard, engine.words(record), idle)
    return freed


def sweep_states(epochs: StateEpochs, *, dry_run: bool = False) -> list[SweptState]:
    """Sweep every state of a deployment beside its stream, if one runs: no lease is asked for and none is moved.

    The present of a state is when the newest payment that it remembers came, not the clock's: where history is being
    played, or the stream is far behind, nothing that it will still read goes, also where an analyst judges such a
    payment today. ``dry_run`` only counts.
    """
    return [_swept(epochs, layout, dry_run=dry_run) for layout in epochs.layouts()]


def _swept(epochs: StateEpochs, layout: str, *, dry_run: bool) -> SweptState:
    engine = _engine(epochs.noted(layout))
    if engine is None or engine.digest != layout:
        return SweptState(layout, problem="the catalogue it was made for is not known to this version; left alone")
    reading = epochs.find(layout) if dry_run else epochs.recipe(layout)
    if reading is None:
        return SweptState(layout, problem="it was removed meanwhile")
    try:
        store = reading()
    except StateStoreError as error:
        return SweptState(layout, problem=str(error))
    try:
        records, now = sum(size.records for size in store.stats()), newest_known(store, engine)
        freed = _idle(store, engine, now) if dry_run else sweep(store, engine, None, now)
    finally:
        store.close()
    return SweptState(layout, records, freed)


def newest_known(store: StateStore, engine: Engine) -> int:
    """When the newest payment (epoch ms) came that any routing record remembers; 0 in a state without one."""
    words, memory = engine.words(ROUTING), engine.catalogue.memory
    chunks = (states for shard in range(store.shards) for _, states in store.scan(ROUTING, shard, words))
    return max((int(newest_payment(states, memory).max()) for states in chunks), default=0)


def _idle(store: StateStore, engine: Engine, now_ms: int) -> int:
    cutoff = now_ms - engine.catalogue.memory.record_ttl_ms
    return sum(
        int(engine.idle(record, states, cutoff).sum())
        for record, shard in _parts(store, engine)
        for _, states in store.scan(record, shard, engine.words(record))
    )


def _parts(store: StateStore, engine: Engine) -> Iterator[tuple[str, int]]:
    return ((record, shard) for record in (ROUTING, *engine.catalogue.records) for shard in range(store.shards))


def _engine(definition: str | None) -> Engine | None:
    try:
        return Engine(Catalogue.from_dict(json.loads(definition))) if definition else None
    except (KeyError, TypeError, ValueError):
        return None
