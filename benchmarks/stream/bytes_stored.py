"""What a transaction takes on disk: in Kafka, as it came and as its decision, and in the lake.

By the real commands in a deployment of their own: files' sizes ÷ records, once a stream and an archiver are through.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.histories import WORLD
from benchmarks.stream.deployment import Deployment, deployment, register_champion
from paywarden import wiring
from paywarden.events.schema import EventSchema
from paywarden.jobs.produce import produce
from paywarden.simulation.arrivals import arrivals

DAYS = 10


def measure() -> dict[str, object]:
    """Bytes a record by topic, and bytes a row in the lake."""
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
        lake = _bytes(here.directory / "lake")
    found = {topic: round(stored[topic] / count) for topic, count in rows.items() if count}
    print(f"  bytes a record in Kafka: {found}; bytes a row in the lake: {lake / inputs:,.0f}", flush=True)
    return {"records": rows, "kafka_bytes_a_record": found, "lake_bytes_a_row": round(lake / inputs)}


def _kafka_bytes(here: Deployment, topic: str) -> int:
    """What the segments of the topic's partitions hold; indexes are allocated ahead, and so left out."""
    return sum(
        file.stat().st_size
        for partition in range(here.settings.kafka.partitions)
        for file in here.directory.rglob(f"{topic}-{partition}/*.log")
    )


def _bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
