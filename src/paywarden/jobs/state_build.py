"""State build: the state of a layout made from the lake by one replay, as batch 0 of a new stream epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, OffsetRange
from paywarden.features.replay import Replay, replay
from paywarden.features.state import BatchTag
from paywarden.jobs.epochs import Manifests, OpenState, StateEpochs
from paywarden.jobs.state_fold import write_states
from paywarden.jobs.training_data import History

NextOffsets = Mapping[str, Mapping[int, int | None]]
"""Topic → partition → where the lake stands, None before its first record."""


@dataclass(frozen=True)
class Built:
    """The build's manifest and its replay."""

    manifest: BatchManifest
    replay: Replay


def build_state(
    epochs: StateEpochs,
    manifests: Manifests,
    engine: Engine,
    history: History,
    ranges: Iterable[OffsetRange],
    owner: str,
    *,
    takeover: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> Built:
    """Make the state of the engine's layout by the replay of a history, which covers the Kafka offsets ``ranges``.

    Other layouts' states are left alone, and so is the stream that writes one of them. The order is that of one batch:
    (received_at, labels first, partition, offset). The state is usable once this returns; killed half-way, it is built
    again from the start. Raises LeaseHeld where a stream is writing the state of this very layout.
    """
    state = OpenState.take(epochs, engine.digest, owner, takeover=takeover)
    try:
        tag = BatchTag(manifests.new_epoch(state.current_epoch()), 0)
        # Before the old records go: from here on the state is that of a build without a manifest, which nobody uses.
        state.store.begin_batch(state.lease, tag)
        state.store.clear(state.lease)
        state = replace(state, lease=state.store.acquire(owner, engine.digest))
        epochs.note(engine.digest, json.dumps(engine.catalogue.to_dict(), sort_keys=True))
        manifest = BatchManifest(tag.stream_epoch, 0, tuple(sorted(ranges)), engine.digest, from_empty=True)
        say(f"replaying {history.transactions.num_rows:,} transactions and {history.labels.num_rows:,} labels")
        built = replay(history.transactions, history.labels, engine.catalogue, [manifest])
        state.store.begin_batch(state.lease, tag)
        for record, found in built.states.items():
            say(f"writing {len(found.keys):,} records of {record}")
            shards = engine.shards(record, found.keys, state.store.shards)
            write_states(state.store, state.lease, record, found.keys, found.states, shards, tag)
        manifests.write(manifest)
    finally:
        state.close()
    return Built(manifest, built)


def ranges_of(topics: NextOffsets) -> list[OffsetRange]:
    """Ranges from offset 0 to where the lake stands, by topic and partition."""
    return [OffsetRange(t, p, 0, end) for t, ends in topics.items() for p, end in ends.items() if end is not None]


def cut(rows: pa.Table, ends: Mapping[int, int | None]) -> pa.Table:
    """The rows below these offsets of their partitions: what was archived after the offsets were read is left out."""
    limits = np.array([ends.get(p) or 0 for p in range(max(ends, default=-1) + 1)], dtype=np.int64)
    partition, offset = (rows[name].to_numpy() for name in ("partition", "offset"))
    if not len(limits):
        return rows.slice(0, 0)
    known = partition < len(limits)
    return rows.filter(pa.array(known & (offset < limits[np.where(known, partition, 0)])))
