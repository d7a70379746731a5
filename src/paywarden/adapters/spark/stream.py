"""The stream: Kafka → features → decisions → Kafka by Spark Structured Streaming, one action a micro-batch.

Guarantee: a batch is planned by Spark's checkpoint before it runs and described by a manifest before it does
anything; a batch that fails or is killed is run again as that manifest says, so decisions are delivered at least once
and equal each time. Consumers keep the first by ``decision_id``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
from pyspark import Accumulator, Broadcast, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.streaming.query import StreamingQuery

from paywarden.adapters.spark.checkpoint import TopicOffsets, batch_ranges
from paywarden.adapters.spark.decide_step import OUTPUT_DDL, SINK_COLUMNS, DecideStep, OutputTopics
from paywarden.adapters.spark.entity_step import EntityStep
from paywarden.adapters.spark.parse_step import ParseStep
from paywarden.adapters.spark.rows import INPUT_COLUMNS, PARCEL_DDL, besides
from paywarden.adapters.spark.tally import Counts, count_records, new_tally, outcome_of
from paywarden.adapters.spark.task_errors import ended, translated
from paywarden.clock import Clock
from paywarden.errors import PaywardenError, StreamError
from paywarden.features.batch import Execute
from paywarden.features.catalogue import Catalogue
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import Lease, OpenStore
from paywarden.scoring.rules.book_bytes import cached_book
from paywarden.scoring.rules.rule_book import RuleBook

Value = TypeVar("Value")


class BatchJob(Protocol):
    """Decides what a batch runs with, and hears what it gave."""

    def __call__(self, batch_id: int, ranges: tuple[OffsetRange, ...], execute: Execute) -> None:
        """Run one micro-batch: call ``execute`` exactly once."""


SINK_OPTIONS = {"kafka.batch.size": "262144", "kafka.linger.ms": "20", "kafka.max.request.size": "33554432"}
"""Producer options of Spark's sink. Kafka's default of 16 KB holds a dozen decisions: with these a batch of 100,000
took a tenth less time, and 20 ms are nothing beside a micro-batch. A dead letter is as large as what was refused: the
client's own bound of 1 MB must not stand in the way of what the topic takes, so it is as large as the producer's
buffer."""
_READ = ["unix_millis(timestamp) AS timestamp" if name == "timestamp" else f"`{name}`" for name in INPUT_COLUMNS]
"""As text: a column made in Python costs several calls to the JVM, for every batch anew."""
_COMMIT_POLL_SECONDS = 0.05
_COMMIT_POLLS = 200


class RunningStream:
    """A started stream. :meth:`finish` lets the batch under way end and then stops the query."""

    query: StreamingQuery

    def __init__(self, checkpoint: Path, clock: Clock) -> None:
        self._commits = checkpoint / "commits"
        self._clock = clock
        self._last_batch: int | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._idle_since = clock()
        self._error: PaywardenError | None = None
        self._finished = False

    @contextmanager
    def batch(self, batch_id: int) -> Iterator[None]:
        """Marks a batch as under way, and keeps our own error for the caller: Spark would wrap it."""
        if self._finished:
            # Planned by Spark, and begun by nobody: the next start runs it.
            raise StreamError("the stream is stopping")
        self._idle.clear()
        try:
            yield
            self._last_batch = batch_id
        except PaywardenError as error:
            self._error = error
            raise
        finally:
            self._idle_since = self._clock()
            self._idle.set()

    @property
    def failed(self) -> bool:
        """Whether the query has ended without being asked to."""
        return not self.query.isActive

    @property
    def idle_seconds(self) -> float:
        """How long no batch has been under way."""
        return (self._clock() - self._idle_since) / 1000 if self._idle.is_set() else 0.0

    def finish(self) -> None:
        """Stop between two batches, once. Raises what stopped the stream, if it ended by itself."""
        if self._finished:
            return
        if self.failed:
            raise self._error or ended(str(self.query.exception()), self._commits.parent)
        self._finished = True
        self._idle.wait()
        self._await_commit()
        self.query.stop()

    def _await_commit(self) -> None:
        """Give Spark time to note that the last batch is done; without its note the batch would be run again."""
        if self._last_batch is None:
            return
        for _ in range(_COMMIT_POLLS):
            if (self._commits / str(self._last_batch)).exists() or self.failed:
                return
            time.sleep(_COMMIT_POLL_SECONDS)


@dataclass(frozen=True)
class SparkStream:
    """A stream; which catalogue and state each of its batches has, its job says."""

    session: SparkSession
    kafka_options: Mapping[str, str]
    parse: ParseStep
    transactions_topic: str
    outputs: OutputTopics
    checkpoint: Path
    clock: Clock
    max_offsets_per_batch: int | None = None
    trigger_seconds: float = 0.0

    def start(self, starting: TopicOffsets, job: BatchJob) -> RunningStream:
        """The running stream; with a fresh checkpoint it begins at ``starting``, else where it was."""
        source = (
            self.session.readStream.format("kafka")
            .options(**self.kafka_options)
            .option("subscribe", f"{self.transactions_topic},{self.parse.labels_topic}")
            .option(
                "startingOffsets", json.dumps({t: {str(p): o for p, o in ps.items()} for t, ps in starting.items()})
            )
            .option("failOnDataLoss", "true")
        )
        if self.max_offsets_per_batch:
            source = source.option("maxOffsetsPerTrigger", self.max_offsets_per_batch)

        running = RunningStream(self.checkpoint, self.clock)

        def run(batch: DataFrame, batch_id: int) -> None:
            with running.batch(batch_id):
                ranges = batch_ranges(self.checkpoint, batch_id, starting)
                job(batch_id, ranges, partial(self.execute, batch))

        running.query = (
            source.load()
            .writeStream.foreachBatch(run)
            .option("checkpointLocation", str(self.checkpoint))
            .trigger(processingTime=f"{self.trigger_seconds} seconds")
            .start()
        )
        return running

    def execute(
        self,
        records: DataFrame,
        manifest: BatchManifest,
        files: Mapping[str, bytes],
        catalogue: Catalogue,
        open_store: OpenStore,
        lease: Lease,
        rules: bytes | None = None,
        shadow: Mapping[str, bytes] | None = None,
    ) -> BatchOutcome:
        """Decide one batch of Kafka's rows as the manifest says, in one action that ends with the write to Kafka.

        Features are those of the catalogue, folded into the state of ``open_store`` under its lease; ``files`` are the
        bundle's, ``shadow`` those of the challenger beside it, ``rules`` the bytes of lists and rules. Raises what a
        task raised of our own errors, and StreamError for Spark's.
        """
        shared = _Shared(self.session.sparkContext)
        tally = new_tally(self.session.sparkContext)
        columns = besides(cached_book(rules) if rules else RuleBook(), catalogue.inputs, self.parse.schema)
        parse = replace(self.parse, inputs=catalogue.inputs, besides=columns)
        steps = [
            EntityStep(catalogue, step, open_store, parse.shards, lease, manifest.tag, columns)
            for step in catalogue.steps
        ]
        decide = DecideStep(
            catalogue,
            shared(dict(files)),
            manifest,
            self.outputs,
            self.clock,
            None if shadow is None else shared(dict(shadow)),
            None if rules is None else shared(rules),
        )
        try:
            self._decided(records, parse, steps, FoldAndDecide(steps[-1], decide, tally)).write.format("kafka").options(
                **SINK_OPTIONS, **self.kafka_options, includeHeaders="true"
            ).save()
        except PySparkException as error:
            raise translated(error) from error
        else:
            return outcome_of(tally.value)
        finally:
            shared.end()

    def _decided(
        self, records: DataFrame, parse: ParseStep, steps: Sequence[EntityStep], last: FoldAndDecide
    ) -> DataFrame:
        inputs = records.selectExpr(*_READ)
        # A task a core, not one a topic partition: starting Python for a handful of rows costs more than the rows.
        inputs = inputs.coalesce(self.session.sparkContext.defaultParallelism)
        rows = inputs.mapInArrow(parse, PARCEL_DDL)
        for step in steps[:-1]:
            rows = rows.repartitionById(parse.shards, sf.col("shard")).mapInArrow(step, PARCEL_DDL)
        # The last fold and the decision share a task: no rows cross between two Python workers.
        return rows.repartitionById(parse.shards, sf.col("shard")).mapInArrow(last, OUTPUT_DDL)


@dataclass(frozen=True)
class FoldAndDecide:
    """The last fold and the decision in one task, tallied, for ``mapInArrow``."""

    fold: EntityStep
    decide: DecideStep
    tally: Accumulator[Counts]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Records for Kafka."""
        for records in self.decide(self.fold.folded(batches)):
            self.tally.add(count_records(records))
            yield records.select(SINK_COLUMNS)


@dataclass(frozen=True)
class _Broadcast(Generic[Value]):
    """The value of a broadcast, read in the worker."""

    shared: Broadcast[Value]

    def __call__(self) -> Value:
        return self.shared.value


class _Shared:
    """Broadcasts values for one batch."""

    def __init__(self, context: SparkContext) -> None:
        self._context = context
        self._broadcasts: list[Broadcast[Any]] = []

    def __call__(self, value: Value) -> _Broadcast[Value]:
        self._broadcasts.append(self._context.broadcast(value))
        return _Broadcast(self._broadcasts[-1])

    def end(self) -> None:
        """Take them back from the workers."""
        for one in self._broadcasts:
            one.unpersist()
