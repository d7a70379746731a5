"""A replay on Spark, for history that is larger than a machine: the same engine, shard by shard.

Guarantee: the vectors and verdicts of an in-process replay, bit for bit. Rows carry their place in arrival order, and a
task folds the whole history of its shard's keys in that order, from empty states, so a retried task gives the same.

What bounds a task's memory is its shard: the events of the keys that fall into it, with the features of the steps
before, and those keys' states. All events of one key are in one shard, so the busiest key (a large merchant) is the
least that a task must hold, whatever the number of shards. The driver holds the history that it was given and the frame
it gives back, which training needs in one place anyway; states, sorting and folding are the executors'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as sf
from numpy.typing import NDArray
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from paywarden.adapters.spark.entity_step import engine_of
from paywarden.adapters.spark.rows import (
    PARCEL_DDL,
    RowSchema,
    from_parcels,
    one_array,
    pack,
    shard_column,
    to_events,
    to_parcels,
    unpack,
)
from paywarden.errors import StreamError
from paywarden.features.catalogue import Catalogue, Step
from paywarden.features.duplicates import ROUTING
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, arrival_order, from_tables

_ROWS_AT_ONCE = 20_000
"""Of a parcel on its way from the driver, so that Spark can spread them."""


@dataclass(frozen=True)
class SparkReplayed:
    """Vectors float32 ``[t, f]`` and verdicts int8 ``[t]``, aligned with the transactions."""

    features: NDArray[np.float32]
    verdicts: NDArray[np.int8]


@dataclass(frozen=True)
class SparkReplay:
    """A replayer (see ``jobs.training_data``) over ``shards`` tasks an entity, by default four a core of the session.

    More shards make smaller tasks. Raises StreamError where Spark could not finish.
    """

    session: SparkSession
    shards: int | None = None

    def __call__(self, transactions: pa.Table, labels: pa.Table, catalogue: Catalogue) -> SparkReplayed:
        """Fold canonical transactions and labels in arrival order, from nothing."""
        shards = self.shards or 4 * self.session.sparkContext.defaultParallelism
        events = from_tables(transactions, labels, catalogue.inputs)
        try:
            rows = self._distributed(events, catalogue, shards)
            for step in catalogue.steps:
                fold = ReplayStep(catalogue, step, shards)
                rows = rows.repartitionById(shards, sf.col("shard")).mapInArrow(fold, PARCEL_DDL)
            done = from_parcels(rows.toArrow().to_batches(), RowSchema(catalogue.inputs).arrow)
        except PySparkException as error:
            raise StreamError(f"Spark could not replay the history: {str(error).splitlines()[0]}") from error
        return _collected(done, events, transactions.num_rows, Engine(catalogue))

    def _distributed(self, events: EventBatch, catalogue: Catalogue, shards: int) -> DataFrame:
        """The events as parcels by the shard of their routing key, each row with its place in arrival order."""
        place = np.empty(len(events), dtype=np.int64)
        place[arrival_order(events)] = np.arange(len(events))
        rows = _rows(events, place, RowSchema(catalogue.inputs), shards)
        parts = (rows.slice(start, _ROWS_AT_ONCE) for start in range(0, rows.num_rows, _ROWS_AT_ONCE))
        return self.session.createDataFrame(
            pa.Table.from_batches([parcel for part in parts for parcel in to_parcels(part)])
        )


@dataclass(frozen=True)
class ReplayStep:
    """Folds the whole history of a shard at one step of the catalogue, for ``mapInArrow``; the first judges repeats."""

    catalogue: Catalogue
    step: Step
    shards: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with the features of this step added, packed for the next one."""
        live = from_parcels(batches, RowSchema(self.catalogue.inputs).arrow)
        if live.num_rows:
            yield from to_parcels(self._fold(live))

    def _fold(self, live: pa.Table) -> pa.Table:
        engine, steps = engine_of(self.catalogue), self.catalogue.steps
        events, order = to_events(live, self.catalogue.inputs), np.argsort(live["offset"].to_numpy())
        verdicts = live["verdict"].to_numpy()
        if self.step == steps[0]:
            keys = engine.keys(ROUTING, events)
            verdicts = engine.judge(events, order, _empty(engine, ROUTING, len(keys.unique)), keys.record_of)
        before = unpack(live["features"], live.num_rows)
        vectors = np.empty((live.num_rows, engine.width), dtype=np.float32)
        vectors[:, : before.shape[1]] = before
        for record in self.step.records:
            keys = engine.keys(record, events)
            states = _empty(engine, record, len(keys.unique))
            engine.fold(record, events, order, verdicts, states, keys.record_of, vectors)
        known = before.shape[1] + sum(len(self.catalogue.of(record)) for record in self.step.records)
        following = steps[min(steps.index(self.step) + 1, len(steps) - 1)].entity
        tokens = events.tokens[following] if following else events.routing_key
        columns = {name: one_array(live[name]) for name in live.schema.names}
        columns["features"] = pack(vectors[:, :known])
        columns["verdict"] = pa.array(verdicts)
        columns["shard"] = shard_column(tokens, events.routing_key, self.shards)
        return RowSchema(self.catalogue.inputs).table(live.num_rows, columns)


def _empty(engine: Engine, record: str, keys: int) -> NDArray[np.int64]:
    return np.zeros((keys, engine.words(record)), dtype=np.int64)


def _rows(events: EventBatch, place: NDArray[np.int64], schema: RowSchema, shards: int) -> pa.Table:
    """The events as rows in flight, whose ``offset`` is their place in arrival order."""
    columns = {
        "kind": pa.array(events.kind),
        "offset": pa.array(place),
        "transaction_id": events.transaction_id,
        "occurred_at": pa.array(events.occurred_at),
        "received_at": pa.array(events.received_at),
        "routing_key": events.routing_key,
        "amount_base": pa.array(events.amount),
        "source": pa.array(events.source),
        "declined": pa.array(events.declined),
        "shard": shard_column(events.routing_key, events.routing_key, shards),
        **{f"entity_{name}": tokens for name, tokens in events.tokens.items()},
        **{f"code_{name}": pa.array(codes) for name, codes in events.codes.items()},
        **{f"number_{name}": pa.array(numbers) for name, numbers in events.numbers.items()},
    }
    return schema.table(len(events), columns)


def _collected(done: pa.Table, events: EventBatch, transactions: int, engine: Engine) -> SparkReplayed:
    """The rows back in the order of the tables; request features, which need no history, are added here."""
    rows = arrival_order(events)[done["offset"].to_numpy()]
    verdicts = np.empty(len(events), dtype=np.int8)
    verdicts[rows] = done["verdict"].to_numpy()
    folded = unpack(done["features"], done.num_rows)
    vectors = np.empty((transactions, engine.width), dtype=np.float32)
    paid = rows < transactions
    vectors[rows[paid], : folded.shape[1]] = folded[paid]
    engine.request(events, vectors)
    return SparkReplayed(vectors, verdicts[:transactions])
