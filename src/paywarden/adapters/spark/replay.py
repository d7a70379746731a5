"""A replay on Spark, for history that is larger than a machine: the same engine, shard by shard.

Guarantee: the vectors and verdicts of an in-process replay, bit for bit. A task folds the whole history of its shard's
keys in arrival order, from empty states, so a retried task gives the same.

What bounds a task's memory is its shard: the events of the keys that fall into it, with the features of the steps
before, and those keys' states. All events of one key are in one shard, so the busiest key (a large merchant) is the
least that a task must hold, whatever the number of shards. With :meth:`SparkReplay.replay_files` the driver holds
nothing of the history: executors read the lake's files and keep the frame. As a replayer for training it holds the
history that it was given and the frame it gives back, which fitting needs in one place anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyspark.sql.functions as sf
from numpy.typing import NDArray
from pyarrow.fs import FileSystem
from pyarrow.parquet import ParquetFile
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from paywarden.adapters.spark.fold import engine_of, fold_step
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
from paywarden.features.engine import Engine
from paywarden.features.events import EventBatch, Inputs, Kind, arrival_order, from_tables

FRAME = pa.schema(
    [("partition", pa.int32()), ("offset", pa.int64()), ("verdict", pa.int8()), ("features", pa.binary())]
)
"""Columns of a replay of files: where a transaction is in Kafka, its verdict, and the bytes of its vector."""
_FRAME_DDL = "partition int, offset bigint, verdict tinyint, features binary"
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
        events = from_tables(transactions, labels, catalogue.inputs)
        try:
            folded = self._folded(self._distributed(events, catalogue), catalogue)
            done = from_parcels(folded.toArrow().to_batches(), RowSchema(catalogue.inputs).arrow)
        except PySparkException as error:
            raise StreamError(f"Spark could not replay the history: {str(error).splitlines()[0]}") from error
        return _collected(done, events, transactions.num_rows, Engine(catalogue))

    def replay_files(self, transactions: Sequence[str], labels: Sequence[str], catalogue: Catalogue) -> DataFrame:
        """The replay of a lake's Parquet files (paths or URLs that the executors can read), lazily: :data:`FRAME`.

        A row for each valid transaction of the lake, by its Kafka coordinates; ``features`` are the float32 bytes of
        its vector. Files are those of one version of each table; rejected rows in them are passed over. Executors read
        them through Arrow, which takes credentials for S3 from the environment; neither jars nor Hadoop are needed.
        """
        kinds = [Kind.TRANSACTION] * len(transactions) + [Kind.LABEL] * len(labels)
        named = pa.table({"kind": pa.array(kinds, pa.int8()), "file": [*transactions, *labels]})
        files = self.session.createDataFrame(named).repartition(max(1, min(len(kinds), self._shards)))
        rows = files.mapInArrow(ReadStep(catalogue, self._shards), PARCEL_DDL)
        return self._folded(rows, catalogue).mapInArrow(FrameStep(catalogue), _FRAME_DDL)

    @property
    def _shards(self) -> int:
        return self.shards or 4 * self.session.sparkContext.defaultParallelism

    def _folded(self, rows: DataFrame, catalogue: Catalogue) -> DataFrame:
        for step in catalogue.steps:
            fold = ReplayStep(catalogue, step, self._shards)
            rows = rows.repartitionById(self._shards, sf.col("shard")).mapInArrow(fold, PARCEL_DDL)
        return rows

    def _distributed(self, events: EventBatch, catalogue: Catalogue) -> DataFrame:
        """The events as parcels by the shard of their routing key, each row with its place in arrival order."""
        place = np.empty(len(events), dtype=np.int64)
        place[arrival_order(events)] = np.arange(len(events))
        coordinates = {"partition": pa.array(np.zeros(len(events), np.int32)), "offset": pa.array(place)}
        rows = _rows(events, coordinates, RowSchema(catalogue.inputs), self._shards)
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
            yield from to_parcels(fold_step(live, self.catalogue, self.step, self.shards, self._from_nothing))

    @contextmanager
    def _from_nothing(self, record: str, events: EventBatch) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Empty states of the keys that the events name, which nobody needs afterwards."""
        engine = engine_of(self.catalogue)
        keys = engine.keys(record, events)
        yield np.zeros((len(keys.unique), engine.words(record)), dtype=np.int64), keys.record_of


@dataclass(frozen=True)
class ReadStep:
    """Reads files of the lake into parcels, a piece at a time; a callable for ``mapInArrow`` that keeps no state."""

    catalogue: Catalogue
    shards: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The valid rows of the files named, packed by the shard of their routing key."""
        for batch in batches:
            for kind, file in zip(batch["kind"].to_pylist(), batch["file"].to_pylist(), strict=True):
                system, path = FileSystem.from_uri(file)
                with system.open_input_file(path) as opened:
                    for rows in ParquetFile(opened).iter_batches(_ROWS_AT_ONCE):
                        yield from to_parcels(self._valid(kind, pa.Table.from_batches([rows])))

    def _valid(self, kind: int, rows: pa.Table) -> pa.Table:
        valid, inputs = rows.filter(pc.is_null(rows["reject_reason"])), self.catalogue.inputs
        nothing = _columns_of_the_other(inputs).empty_table()
        events = from_tables(*((valid, nothing) if kind == Kind.TRANSACTION else (nothing, valid)), inputs)
        coordinates = {name: one_array(valid[name]) for name in ("partition", "offset")}
        return _rows(events, coordinates, RowSchema(inputs), self.shards)


@dataclass(frozen=True)
class FrameStep:
    """Completes the vectors of transactions and drops the labels; a callable for ``mapInArrow``."""

    catalogue: Catalogue

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of :data:`FRAME`."""
        for batch in batches:
            rows = from_parcels([batch], RowSchema(self.catalogue.inputs).arrow)
            rows = rows.filter(pc.equal(rows["kind"], Kind.TRANSACTION)).combine_chunks()
            if rows.num_rows:
                vectors = _completed(unpack(rows["features"], rows.num_rows), rows, engine_of(self.catalogue))
                columns = [one_array(rows[name]) for name in FRAME.names[:-1]]
                yield pa.record_batch([*columns, pack(vectors)], schema=FRAME)


def _columns_of_the_other(inputs: Inputs) -> pa.Schema:
    """What is read of transactions and of labels, so that none of the one can stand beside rows of the other."""
    texts = ("transaction_id", "routing_key", "transaction_type", "auth_result", *inputs.codes)
    return pa.schema(
        [
            *((name, pa.string()) for name in (*texts, *(f"entity_{entity}" for entity in inputs.entities))),
            *((name, pa.int64()) for name in ("occurred_at", "received_at", "amount_base")),
            ("is_fraud", pa.bool_()),
            *((name, pa.float64()) for name in inputs.numbers),
        ]
    )


def _completed(folded: NDArray[np.float32], rows: pa.Table, engine: Engine) -> NDArray[np.float32]:
    vectors = np.empty((len(folded), engine.width), dtype=np.float32)
    vectors[:, : folded.shape[1]] = folded
    engine.request(to_events(rows, engine.catalogue.inputs), vectors)
    return vectors


def _rows(events: EventBatch, coordinates: Mapping[str, pa.Array], schema: RowSchema, shards: int) -> pa.Table:
    """The events as rows in flight; ``partition`` and ``offset`` say who is first on equal arrival."""
    columns = {
        "kind": pa.array(events.kind),
        **coordinates,
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
