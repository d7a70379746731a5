"""A bare confluent-kafka consumer loop that calls Paywarden's engine, without Spark: `python -m … CONFIG.json`.

At least once: state, then output acknowledged, then offsets. Each process has the partitions and the state of its own
cards, which suffices while only the routing entity has features; there is no manifest, no fence between processes, and
so no equal retry: what the stream adds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer, Message, Producer

from benchmarks.stream.ground import PEERS_CATALOGUE
from benchmarks.stream.ours import SCHEMA
from paywarden.adapters.spark.decide_step import DecideStep, OutputTopics
from paywarden.adapters.spark.entity_step import EntityStep
from paywarden.adapters.spark.parse_step import ParseStep
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.clock import system_clock
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest
from paywarden.features.state import BatchTag
from paywarden.scoring.bundle import ModelBundle

MESSAGES = 10_000
"""As many as confluent-kafka hands out at once; fewer mean more commits, more mean longer waits."""


def main(config: dict[str, Any]) -> None:
    """Run until killed."""
    where = {"bootstrap.servers": config["bootstrap_servers"]}
    consumer = Consumer({**where, "group.id": "loop", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    producer = Producer(
        {**where, "enable.idempotence": True, "acks": "all", "linger.ms": 20, "compression.type": "lz4"}
    )
    consumer.subscribe([config["input"]])
    decide = _Decider(config)
    while True:
        messages = consumer.consume(MESSAGES, timeout=0.2)
        if not messages:
            continue
        for key, value in decide([message for message in messages if message.error() is None]):
            while True:
                try:
                    producer.produce(config["output"], value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.flush()
        consumer.commit(asynchronous=False)


class _Decider:
    """The stream's own steps, called in this process."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._files = ModelBundle.load(Path(config["bundle"])).to_files()
        self._recipe = open_lmdb(config["state"], 1)
        self._store, self._layout = self._recipe(), Engine(PEERS_CATALOGUE).digest
        self._lease = self._store.acquire("loop", self._layout)
        self._parse = ParseStep(SCHEMA, CurrencyTable("EUR"), DEFAULT_LIMITS, "labels", 1, PEERS_CATALOGUE.inputs)
        self._batch = 0

    def __call__(self, messages: list[Message]) -> list[tuple[bytes, bytes]]:
        self._batch += 1
        tag = BatchTag(1, self._batch)
        self._store.begin_batch(self._lease, tag)
        step = EntityStep(PEERS_CATALOGUE, PEERS_CATALOGUE.steps[0], self._recipe, 1, self._lease, tag)
        manifest = BatchManifest(1, self._batch, (), self._layout, "1", "bench", "bench")
        topics = OutputTopics("predictions", "alerts", "outcomes", "dead")
        decide = DecideStep(PEERS_CATALOGUE, lambda: self._files, manifest, topics, system_clock)
        parcels = self._parse(iter([_records(messages)]))
        return [
            (key, value)
            for records in decide(step.folded(parcels))
            for topic, key, value in zip(
                *(records[name].to_pylist() for name in ("topic", "key", "value")), strict=True
            )
            if topic != "alerts"
        ]


def _records(messages: list[Message]) -> pa.RecordBatch:
    columns = {
        "key": pa.array([m.key() for m in messages], pa.binary()),
        "value": pa.array([m.value() for m in messages], pa.binary()),
        "topic": pa.array([m.topic() for m in messages], pa.string()),
        "partition": pa.array([m.partition() for m in messages], pa.int32()),
        "offset": pa.array([m.offset() for m in messages], pa.int64()),
        "timestamp": pa.array([m.timestamp()[1] for m in messages], pa.int64()),
    }
    return pa.RecordBatch.from_pydict(columns)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
