"""What a transaction takes on disk: in Kafka, as it came and as its decision, and in the lake.

By the real commands in a deployment of their own: files' sizes ÷ records, once a stream and an archiver are through.
Kafka keeps batches as clients sent them, compressed; a payment that is sent by itself takes its own bytes.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from deltalake import DeltaTable

from benchmarks.histories import WORLD
from benchmarks.stream.deployment import Deployment, deployment, register_champion
from paywarden import wiring
from paywarden.events.schema import EventSchema
from paywarden.jobs.produce import produce
from paywarden.simulation.arrivals import arrivals

DAYS = 10


def measure() -> dict[str, object]:
    """Bytes a record by topic, sent in bulk and by itself, and bytes a row in the lake's tables."""
    with deployment(stream={"trigger_interval_seconds": 0}) as here:
        register_champion(here)
        topics = here.settings.kafka.topics
        with wiring.kafka_sink(here.settings) as sink:
            produce(arrivals(WORLD.days(0, DAYS), drain=False), sink, topics.transactions, topics.labels, EventSchema())
        archiver, inputs = here.start("archive", "archive", "--every", "5"), here.inputs()
        stream = here.start("stream", "stream", "run")
        here.wait(lambda: here.answered() >= inputs)
        here.wait(lambda: here.archived() >= inputs)
        for process in (stream, archiver):
            process.stop(60.0)
        rows = {topic: here.rows(topic) for topic in ("transactions", "labels", "predictions", "alerts")}
        stored = {topic: _kafka_bytes(here, getattr(topics, topic)) for topic in rows}
        found = {
            "kafka_bytes_a_record": {topic: round(stored[topic] / count) for topic, count in rows.items()},
            "bytes_a_record_by_itself": {topic: _alone(here, getattr(topics, topic)) for topic in rows},
            "lake_bytes_a_row": _lake(here.directory / "lake"),
        }
    print(f"  {found}", flush=True)
    return {"records": rows, **found}


def _alone(here: Deployment, topic: str) -> int:
    """The mean of key and value, uncompressed, over the topic's first records."""
    source = wiring.kafka_source(here.settings)
    table = next(iter(source.read(source.earliest_offsets([topic]), source.end_offsets([topic]))))
    return round(sum(table[name].combine_chunks().nbytes for name in ("key", "value")) / table.num_rows)


def _kafka_bytes(here: Deployment, topic: str) -> int:
    """What the segments of the topic's partitions hold; indexes are allocated ahead, and so left out."""
    return sum(
        file.stat().st_size
        for partition in range(here.settings.kafka.partitions)
        for file in here.directory.rglob(f"{topic}-{partition}/*.log")
    )


def _lake(root: Path) -> dict[str, int]:
    """Of the files that make up each table's newest version."""
    found = {}
    for log in sorted(root.rglob("_delta_log")):
        files = [Path(uri.removeprefix("file://")) for uri in DeltaTable(log.parent).file_uris()]
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        found[log.parent.name] = round(sum(file.stat().st_size for file in files) / max(rows, 1))
    return found
