"""Paywarden's stream as a contestant: state in LMDB, one batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame

from benchmarks.stream.ground import INPUT, OUTPUTS, SHARDS, Ground
from paywarden.adapters.spark.decide_step import OutputTopics
from paywarden.adapters.spark.parse_step import ParseStep
from paywarden.adapters.spark.stream import SparkStream
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.clock import system_clock
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.schema import EventSchema
from paywarden.features.batch import Execute
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest, BatchOutcome, OffsetRange
from paywarden.features.state import BatchTag, Lease, OpenStore, StateStore

SCHEMA = EventSchema()


def spark_stream(ground: Ground, checkpoint: Path, *, trigger_seconds: float = 0.0) -> SparkStream:
    """The stream of a ground."""
    return SparkStream(
        session=ground.session,
        kafka_options=ground.connection.spark_options(),
        parse=ParseStep(SCHEMA, CurrencyTable("EUR"), DEFAULT_LIMITS, "labels", SHARDS),
        transactions_topic=INPUT,
        outputs=OutputTopics(*OUTPUTS),
        checkpoint=checkpoint,
        clock=system_clock,
        trigger_seconds=trigger_seconds,
    )


@dataclass
class Ours:
    """A catalogue, its model and its state, which a batch after the other is decided with."""

    stream: SparkStream
    catalogue: Catalogue
    files: Mapping[str, bytes]
    recipe: OpenStore
    store: StateStore
    lease: Lease
    layout: str
    batch: int = 0

    @classmethod
    def on(
        cls,
        ground: Ground,
        name: str,
        catalogue: Catalogue,
        files: Mapping[str, bytes],
        *,
        trigger_seconds: float = 0.0,
        recipe: OpenStore | None = None,
    ) -> Ours:
        """With an empty state of its own, or on the one of ``recipe``."""
        recipe = recipe or open_lmdb(ground.directory / f"state-{name}", SHARDS)
        store, layout = recipe(), Engine(catalogue).digest
        current = store.current()
        return cls(
            stream=spark_stream(ground, ground.directory / f"checkpoint-{name}", trigger_seconds=trigger_seconds),
            catalogue=catalogue,
            files=files,
            recipe=recipe,
            store=store,
            lease=store.acquire("bench", layout),
            layout=layout,
            batch=current.batch if current else 0,
        )

    def decide(self, records: DataFrame) -> BatchOutcome:
        """One batch, from Kafka's rows to Kafka's acknowledgement."""
        manifest = self._next()
        return self.stream.execute(records, manifest, self.files, self.catalogue, self.recipe, self.lease)

    def job(self, _batch: int, _ranges: tuple[OffsetRange, ...], execute: Execute) -> None:
        """A micro-batch of the running stream."""
        execute(self._next(), self.files, self.catalogue, self.recipe, self.lease)

    def close(self) -> None:
        """The state is closed."""
        self.store.release(self.lease)
        self.store.close()

    def _next(self) -> BatchManifest:
        self.batch += 1
        manifest = BatchManifest(1, self.batch, (), self.layout, "1", "bench", "bench")
        self.store.begin_batch(self.lease, BatchTag(1, self.batch))
        return manifest
