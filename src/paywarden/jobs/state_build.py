"""State build: the online state made from the lake by one replay, as batch 0 of a new stream epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.replay import EntityStates, Replay, replay
from paywarden.features.state import BatchTag, Lease, StateStore
from paywarden.jobs.stream import Manifests, next_epoch

_KEYS_PER_WRITE = 20_000


@dataclass(frozen=True)
class Built:
    """The build's manifest and its replay."""

    manifest: BatchManifest
    replay: Replay


def build_state(
    store: StateStore,
    lease: Lease,
    manifests: Manifests,
    engine: Engine,
    transactions: pa.Table,
    labels: pa.Table,
    ranges: Iterable[OffsetRange],
) -> Built:
    """Replace the store's content by the replay of these rows, which cover the Kafka offsets ``ranges``.

    The order is that of one batch: (received_at, labels first, partition, offset). The store is usable once this
    returns; killed half-way, it is built again from the start.
    """
    tag = BatchTag(next_epoch(store.current(), manifests), 0)
    store.clear(lease)
    lease = store.acquire(lease.owner, engine.digest)
    manifest = BatchManifest(tag.stream_epoch, 0, tuple(sorted(ranges)), engine.digest)
    built = replay(transactions, labels, engine.catalogue, [manifest])
    store.begin_batch(lease, tag)
    for record, states in built.states.items():
        _write(store, lease, record, states, engine.shards(record, states.keys, store.shards), tag)
    manifests.write(manifest)
    store.release(lease)
    return Built(manifest, built)


def ranges_of(topics: Mapping[str, Mapping[int, int | None]]) -> list[OffsetRange]:
    """Ranges from offset 0 to where the lake stands, by topic and partition."""
    return [OffsetRange(t, p, 0, end) for t, ends in topics.items() for p, end in ends.items() if end is not None]


def _write(
    store: StateStore, lease: Lease, record: str, found: EntityStates, shards: NDArray[np.int32], tag: BatchTag
) -> None:
    for shard in range(store.shards):
        rows = np.flatnonzero(shards == shard)
        for first in range(0, len(rows), _KEYS_PER_WRITE):
            chunk = rows[first : first + _KEYS_PER_WRITE]
            keys = found.keys.take(pa.array(chunk)).cast(pa.binary()).to_pylist()
            store.write_many(lease, record, shard, keys, found.states[chunk], tag)
