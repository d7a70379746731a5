"""Fold one batch of events into a stored state in this process, exactly as the stream's tasks do.

Guarantee: every key is read as it was before the batch and written once, so folding the same batch again, after a crash
at any point, leaves the same state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.engine import Engine
from paywarden.features.events import fold_order, from_tables
from paywarden.features.state import BatchTag, Lease, StateStore

_KEYS_PER_WRITE = 20_000


def fold_into(
    store: StateStore, lease: Lease, engine: Engine, transactions: pa.Table, labels: pa.Table, tag: BatchTag
) -> None:
    """Fold canonical transactions and labels, with their Kafka coordinates, as the batch ``tag``, which has begun."""
    events = from_tables(transactions, labels, engine.catalogue.inputs)
    places = pa.concat_tables([table.select(["partition", "offset"]) for table in (transactions, labels)])
    order = fold_order(events, places["partition"].to_numpy(), places["offset"].to_numpy())

    @contextmanager
    def states_of(record: str) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        found = engine.keys(record, events)
        shards = engine.shards(record, found.unique, store.shards)
        states = _read(store, record, found.unique, shards, engine.words(record), tag)
        yield states, found.record_of
        write_states(store, lease, record, found.unique, states, shards, tag)

    vectors = np.empty((transactions.num_rows, engine.width), dtype=np.float32)
    engine.fold_all(events, order, vectors, states_of)


def write_states(
    store: StateStore,
    lease: Lease,
    record: str,
    keys: pa.Array,
    states: NDArray[np.int64],
    shards: NDArray[np.int32],
    tag: BatchTag,
) -> None:
    """Write ``states`` ``[k, words]`` of ``keys``, each to its shard, in writes of bounded size."""
    for shard in range(store.shards):
        rows = np.flatnonzero(shards == shard)
        for first in range(0, len(rows), _KEYS_PER_WRITE):
            chunk = rows[first : first + _KEYS_PER_WRITE]
            store.write_many(lease, record, shard, _bytes(keys, chunk), states[chunk], tag)


def _read(
    store: StateStore, record: str, keys: pa.Array, shards: NDArray[np.int32], words: int, tag: BatchTag
) -> NDArray[np.int64]:
    states = np.zeros((len(keys), words), dtype=np.int64)
    for shard in range(store.shards):
        rows = np.flatnonzero(shards == shard)
        if len(rows):
            states[rows] = store.read_many(record, shard, _bytes(keys, rows), words, tag)
    return states


def _bytes(keys: pa.Array, rows: NDArray[np.int64]) -> list[bytes]:
    return keys.take(pa.array(rows)).cast(pa.binary()).to_pylist()
