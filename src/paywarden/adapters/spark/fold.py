"""One step of the catalogue over the rows of a shard: what the stream and a replay on Spark do alike.

They differ in where the states of keys come from, and go to.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.adapters.spark.rows import one_array, pack, shard_column, to_events, unpack
from paywarden.features.catalogue import Catalogue, Step
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, fold_order

States: TypeAlias = Callable[[str, EventBatch], AbstractContextManager[tuple[NDArray[np.int64], NDArray[np.int64]]]]
"""By record: the states of the keys that the events name, changed in place by the block, and where each event's is."""


@lru_cache(maxsize=4)
def engine_of(catalogue: Catalogue) -> Engine:
    """The engine of a catalogue, compiled once in a worker process."""
    settle(catalogue)
    return Engine(catalogue)


@lru_cache(maxsize=16)
def settle(_loaded: Hashable) -> None:
    """Spare the collector all that a worker process has loaded up to and with ``_loaded``: it stays.

    Without this the collector walks over it several times a batch, which took half the time of writing states; and
    Spark's worker has it done once more after every task, which took 60 of the 90 ms of CPU of a task on few rows.
    """
    gc.collect()
    gc.freeze()


def fold_step(live: pa.Table, catalogue: Catalogue, step: Step, shards: int, states: States) -> pa.Table:
    """Live rows of one shard with the features of the step added and the shard of the next one; the first one judges.

    ``partition`` and ``offset`` say who is first of rows that were received at the same time.
    """
    engine, steps = engine_of(catalogue), catalogue.steps
    events = to_events(live, catalogue.inputs)
    order = fold_order(events, live["partition"].to_numpy(), live["offset"].to_numpy())
    verdicts = live["verdict"].to_numpy()
    if step == steps[0]:
        with states(ROUTING, events) as (known, record_of):
            verdicts = engine.judge(events, order, known, record_of)
    before = unpack(live["features"], live.num_rows)
    vectors = np.empty((live.num_rows, engine.width), dtype=np.float32)
    vectors[:, : before.shape[1]] = before
    for record in step.records:
        with states(record, events) as (known, record_of):
            engine.fold(record, events, order, verdicts, known, record_of, vectors)
    folded = before.shape[1] + sum(len(catalogue.of(record)) for record in step.records)
    following = steps[min(steps.index(step) + 1, len(steps) - 1)].entity
    tokens = events.tokens[following] if following else events.routing_key
    columns = {name: one_array(live[name]) for name in live.schema.names}
    columns["features"] = pack(vectors[:, :folded])
    columns["verdict"] = pa.array(verdicts)
    columns["shard"] = shard_column(tokens, events.routing_key, shards)
    return pa.table(columns, schema=live.schema)
