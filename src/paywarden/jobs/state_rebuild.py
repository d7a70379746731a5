"""State rebuild: the very state that was lost, made again from the lake at the batch where the stream stands.

A state build begins a new epoch where the lake ends. A rebuild begins nothing: it folds, in the order of the manifests,
what the stream's batches folded, so that every record is equal to the bit and the stream goes on with its checkpoint,
its epoch and its batches; what it has not decided yet, it decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from paywarden.errors import StateStoreError
from paywarden.features.engine import Engine
from paywarden.features.manifest import NO_BATCH, BatchManifest, batch_numbers
from paywarden.features.replay import replay
from paywarden.features.state import BatchTag
from paywarden.jobs.epochs import UNFINISHED, OpenState, StateEpochs
from paywarden.jobs.state_fold import write_states
from paywarden.jobs.stream_identity import StreamIdentity
from paywarden.jobs.training_data import History


@dataclass(frozen=True)
class Rebuilt:
    """The batch at which the state stands again, and its records by kind."""

    tag: BatchTag
    layout: str
    records: Mapping[str, int]


def folded_manifests(
    manifests: Sequence[BatchManifest], identity: StreamIdentity, committed: int | None
) -> list[BatchManifest]:
    """The manifests whose batches the lost state held, in their order.

    ``committed`` is the newest batch (ours, from 1 on) that the checkpoint says is done; a later one is run again by
    the stream, on the state before it. Raises StateStoreError where the first of them is not there, or none is done.
    """
    ours = sorted((m for m in manifests if m.state_layout == identity.layout), key=lambda m: m.tag)
    begins = [place for place, manifest in enumerate(ours) if manifest.from_empty]
    if not begins:
        raise StateStoreError(
            f"no manifest says how the state of layout {identity.layout[:16]} began: restore stream.manifests, or "
            "remove the stream's directory and build a state with `paywarden state build`"
        )
    done = BatchTag(identity.stream_epoch, committed or 0)
    folded = [manifest for manifest in ours[begins[-1] :] if manifest.tag <= done]
    if not folded:
        raise StateStoreError("the stream has not finished a batch, so there is nothing to rebuild: start it again")
    return folded


def rebuild_state(
    epochs: StateEpochs,
    identity: StreamIdentity,
    folded: Sequence[BatchManifest],
    engine: Engine,
    history: History,
    owner: str,
    *,
    takeover: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> Rebuilt:
    """Fold a history, which covers the manifests ``folded``, into a new state in the place of the lost one.

    What is left of the old one is removed. Killed half-way, the stream refuses what there is, and the next rebuild
    begins anew. Raises LeaseHeld where a stream holds what there is, unless it is taken over.
    """
    lineage = [replace(manifest, batch=place) for place, manifest in enumerate(folded)]
    transactions, labels = (_within(table, lineage) for table in (history.transactions, history.labels))
    say(f"replaying {transactions.num_rows:,} transactions and {labels.num_rows:,} labels of {len(lineage):,} batches")
    states = replay(transactions, labels, engine.catalogue, lineage).states
    _remove_old(epochs, identity.layout, owner, takeover=takeover, say=say)
    state = OpenState.take(epochs, identity.layout, owner)
    try:
        epochs.note(identity.layout, json.dumps(engine.catalogue.to_dict(), sort_keys=True))
        state.store.begin_batch(state.lease, UNFINISHED)
        for record, found in states.items():
            say(f"writing {len(found.keys):,} records of {record}")
            shards = engine.shards(record, found.keys, state.store.shards)
            write_states(state.store, state.lease, record, found.keys, found.states, shards, UNFINISHED)
        # Last: from here on the state is whole, and what the stream asks for.
        state.store.begin_batch(state.lease, folded[-1].tag)
    finally:
        state.close()
    return Rebuilt(folded[-1].tag, identity.layout, {record: len(found.keys) for record, found in states.items()})


def require_archived(folded: Sequence[BatchManifest], lake: Mapping[str, Mapping[int, int | None]]) -> None:
    """Raise StateStoreError where the lake, which stands at these offsets, ends before the batches do."""
    for manifest in folded:
        for span in manifest.ranges:
            stands = lake.get(span.topic, {}).get(span.partition) or 0
            if span.end > span.start and stands < span.end:
                raise StateStoreError(
                    f"the lake ends at offset {stands} of {span.topic}/{span.partition}, the state needs it up to "
                    f"{span.end}. Run `paywarden archive`; where Kafka has deleted those records, remove the stream's "
                    "directory and build a state with `paywarden state build`"
                )


def _remove_old(epochs: StateEpochs, layout: str, owner: str, *, takeover: bool, say: Callable[[str], None]) -> None:
    try:
        old = OpenState.take(epochs, layout, owner, takeover=takeover)
    except StateStoreError as error:
        if type(error) is not StateStoreError:
            raise  # it can be read, and another stream holds it
        say(f"what is left of the state cannot be opened and is removed: {error}")
    else:
        old.store.close()  # the lease is kept: nobody shall write what is being removed
    epochs.remove(layout)


def _within(rows: pa.Table, lineage: Sequence[BatchManifest]) -> pa.Table:
    return rows.filter(pa.array(np.not_equal(batch_numbers(rows, lineage), NO_BATCH)))
