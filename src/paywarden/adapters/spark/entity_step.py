"""The entity steps of a micro-batch: each task folds the events of one shard on its keys' states.

Guarantee: a task reads each key once, before anything of this batch, and writes each key once, at its end; a second
attempt of the task, of the batch or of the driver therefore gives the same rows and leaves the same state. A task
whose stream was fenced, or whose batch is over, fails without having written anything.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.adapters.spark.rows import (
    DEAD,
    RowSchema,
    from_parcels,
    one_array,
    pack,
    shard_column,
    to_events,
    to_parcels,
    unpack,
)
from paywarden.features.catalogue import Catalogue, Step
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, fold_order
from paywarden.features.state import BatchTag, Lease, OpenStore, StateStore


@lru_cache(maxsize=4)
def engine_of(catalogue: Catalogue) -> Engine:
    """The engine of a catalogue, compiled once in a worker process."""
    # What a worker has loaded by now stays: without this, the collector walks over all of it several times a batch,
    # which took half the time of writing states.
    gc.collect()
    gc.freeze()
    return Engine(catalogue)


@lru_cache(maxsize=4)
def store_of(recipe: OpenStore) -> StateStore:
    """The open store of a recipe, once in a worker process (the stores themselves notice a fork)."""
    return recipe()


@dataclass(frozen=True)
class EntityStep:
    """Folds the records of one step of the catalogue; the first one also judges repeats. For ``mapInArrow``."""

    catalogue: Catalogue
    step: Step
    open_store: OpenStore
    shards: int
    lease: Lease
    tag: BatchTag

    @property
    def rows(self) -> RowSchema:
        """The schema of the rows in the parcels that it takes and gives."""
        return RowSchema(self.catalogue.inputs)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Parcels of the rows that :meth:`folded` gives."""
        for rows in self.folded(batches):
            yield from to_parcels(rows)

    def folded(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        """The rows of all parcels: dead ones untouched, then live ones with the features of this step added."""
        table = from_parcels(batches, self.rows.arrow)
        is_dead = pc.equal(table["kind"], DEAD)
        yield table.filter(is_dead)
        live = table.filter(pc.invert(is_dead)).combine_chunks()
        if live.num_rows:
            yield self._fold(live)

    def _fold(self, live: pa.Table) -> pa.Table:
        engine, rows = engine_of(self.catalogue), live.num_rows
        events = to_events(live, self.catalogue.inputs)
        order = fold_order(events, live["partition"].to_numpy(), live["offset"].to_numpy())
        shard = live["shard"][0].as_py()
        verdicts = self._verdicts(engine, live, events, order, shard)
        before = unpack(live["features"], rows)
        vectors = np.empty((rows, engine.width), dtype=np.float32)
        vectors[:, : before.shape[1]] = before
        for record in self.step.records:
            with self._states(engine, record, shard, events) as (states, record_of):
                engine.fold(record, events, order, verdicts, states, record_of, vectors)
        known = before.shape[1] + sum(len(self.catalogue.of(record)) for record in self.step.records)
        columns = {name: one_array(live[name]) for name in live.schema.names}
        columns["features"] = pack(vectors[:, :known])
        columns["verdict"] = pa.array(verdicts)
        columns["shard"] = self._next_shards(events)
        return self.rows.table(rows, columns)

    def _verdicts(
        self, engine: Engine, live: pa.Table, events: EventBatch, order: NDArray[np.int64], shard: int
    ) -> NDArray[np.int8]:
        if self.step != self.catalogue.steps[0]:
            return live["verdict"].to_numpy()
        with self._states(engine, ROUTING, shard, events) as (states, record_of):
            return engine.judge(events, order, states, record_of)

    @contextmanager
    def _states(
        self, engine: Engine, record: str, shard: int, events: EventBatch
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The states of the keys that the events name, and where each event's is; written at the end of the block."""
        found = engine.keys(record, events)
        store, keys = store_of(self.open_store), found.unique.cast(pa.binary()).to_pylist()
        states = store.read_many(record, shard, keys, engine.words(record), self.tag)
        yield states, found.record_of
        if keys:
            store.write_many(self.lease, record, shard, keys, states, self.tag)

    def _next_shards(self, events: EventBatch) -> pa.Array:
        steps = self.catalogue.steps
        following = steps[min(steps.index(self.step) + 1, len(steps) - 1)].entity
        tokens = events.tokens[following] if following else events.routing_key
        return shard_column(tokens, events.routing_key, self.shards)
