"""The entity steps of a micro-batch: each task folds the events of one shard on its keys' states.

Guarantee: a task reads each key once, before anything of this batch, and writes each key once, at its end; a second
attempt of the task, of the batch or of the driver therefore gives the same rows and leaves the same state. A task
whose stream was fenced, or whose batch is over, fails without having written anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.adapters.spark.fold import engine_of, fold_step
from paywarden.adapters.spark.rows import DEAD, NO_COLUMNS, RowSchema, from_parcels, to_parcels
from paywarden.features.catalogue import Catalogue, Step
from paywarden.features.events import EventBatch
from paywarden.features.state import BatchTag, Lease, OpenStore, StateStore


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
    besides: pa.Schema = NO_COLUMNS

    @property
    def rows(self) -> RowSchema:
        """The schema of the rows in the parcels that it takes and gives."""
        return RowSchema(self.catalogue.inputs, self.besides)

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
            states = partial(self._states, live["shard"][0].as_py())
            yield fold_step(live, self.catalogue, self.step, self.shards, states)

    @contextmanager
    def _states(
        self, shard: int, record: str, events: EventBatch
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The states of the keys that the events name, and where each event's is; written at the end of the block."""
        engine = engine_of(self.catalogue)
        found = engine.keys(record, events)
        store, keys = store_of(self.open_store), found.unique.cast(pa.binary()).to_pylist()
        states = store.read_many(record, shard, keys, engine.words(record), self.tag)
        yield states, found.record_of
        if keys:
            store.write_many(self.lease, record, shard, keys, states, self.tag)
