"""The entity steps of a micro-batch: each task folds the events of one shard on its keys' states.

Guarantee: a task reads each key once, before anything of this batch, and writes each key once, at its end; a second
attempt of the task, of the batch or of the driver therefore gives the same rows and leaves the same state. A task
whose stream was fenced, or whose batch is over, fails without having written anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.adapters.spark.rows import DEAD, RowSchema, gather, one_array, pack, shard_column, to_events, unpack
from paywarden.features.catalogue import Catalogue
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine, keys_of
from paywarden.features.events import EventBatch, fold_order
from paywarden.features.state import BatchTag, Lease, OpenStore, StateStore


@lru_cache(maxsize=4)
def engine_of(catalogue: Catalogue) -> Engine:
    """The engine of a catalogue, compiled once in a worker process."""
    return Engine(catalogue)


@lru_cache(maxsize=4)
def store_of(recipe: OpenStore) -> StateStore:
    """The open store of a recipe, once in a worker process (the stores themselves notice a fork)."""
    return recipe()


@dataclass(frozen=True)
class EntityStep:
    """Folds one entity of the catalogue; the first one also judges repeats. A callable for ``mapInArrow``."""

    catalogue: Catalogue
    entity: str
    open_store: OpenStore
    shards: int
    lease: Lease
    tag: BatchTag

    @property
    def rows(self) -> RowSchema:
        """The schema of the rows it takes and gives."""
        return RowSchema(self.catalogue.entities)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows, live ones in fold order with this entity's features added, dead ones untouched."""
        table = gather(batches, self.rows.arrow)
        if table.num_rows == 0:
            return
        is_dead = pc.equal(table["kind"], DEAD)
        yield from table.filter(is_dead).to_batches()
        live = table.filter(pc.invert(is_dead)).combine_chunks()
        if live.num_rows:
            yield from self._fold(live).to_batches()

    def _fold(self, live: pa.Table) -> pa.Table:
        engine = engine_of(self.catalogue)
        events = to_events(live, self.catalogue.entities)
        order = fold_order(events, live["partition"].to_numpy(), live["offset"].to_numpy())
        live, events = live.take(pa.array(order)).combine_chunks(), events.take(order)
        shard = live["shard"][0].as_py()
        verdicts = self._verdicts(engine, live, events, shard)
        keys = keys_of(events.tokens[self.entity])
        states = self._load(engine, self.entity, shard, keys.unique)
        features = engine.fold(self.entity, events, verdicts, states, keys.record_of)
        self._save(self.entity, shard, keys.unique, states)
        before = unpack(live["features"], live.num_rows)
        columns = {name: one_array(live[name]) for name in live.schema.names}
        columns["features"] = pack(np.concatenate([before, features], axis=1))
        columns["verdict"] = pa.array(verdicts)
        columns["shard"] = self._next_shards(events)
        return self.rows.table(live.num_rows, columns)

    def _verdicts(self, engine: Engine, live: pa.Table, events: EventBatch, shard: int) -> NDArray[np.int8]:
        if self.entity != self.catalogue.entities[0]:
            return live["verdict"].to_numpy()
        keys = keys_of(events.routing_key)
        states = self._load(engine, ROUTING, shard, keys.unique)
        verdicts = engine.judge(events, states, keys.record_of)
        self._save(ROUTING, shard, keys.unique, states)
        return verdicts

    def _load(self, engine: Engine, entity: str, shard: int, keys: pa.Array) -> NDArray[np.int64]:
        store = store_of(self.open_store)
        return store.read_many(entity, shard, _bytes(keys), engine.words(entity), self.tag)

    def _save(self, entity: str, shard: int, keys: pa.Array, states: NDArray[np.int64]) -> None:
        if len(keys):
            store_of(self.open_store).write_many(self.lease, entity, shard, _bytes(keys), states, self.tag)

    def _next_shards(self, events: EventBatch) -> pa.Array:
        entities = self.catalogue.entities
        following = entities[min(entities.index(self.entity) + 1, len(entities) - 1)]
        return shard_column(events.tokens[following], events.routing_key, self.shards)


def _bytes(keys: pa.Array) -> list[bytes]:
    return keys.cast(pa.binary()).to_pylist()
