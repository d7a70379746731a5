"""How fast the simulated world turns, and how fast it enters Kafka: writes build/bench/world.json.

Generation runs on one core. Producing is what `paywarden produce` does: it generates, encodes and sends to a real
broker with `acks=all` and idempotence, and ends when everything is acknowledged; the broker shares the cores.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from paywarden.adapters.kafka.admin import ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.events.encoding import encode_transactions
from paywarden.jobs.produce import produce
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World

ROUNDS = 5
DAYS_A_ROUND = 14
PARTITIONS = 4
ALL_ENTITIES = ("card", "merchant", "customer", "device")
WORLDS = {
    "5,000 cards": World(3, cards=5_000, merchants=1_000),
    "20,000 cards": World(3, cards=20_000, merchants=2_000),
    "20,000 cards, with customers and devices": World(3, cards=20_000, merchants=2_000, entities=ALL_ENTITIES),
}


def main() -> None:
    """Both speeds, printed and written."""
    out = Path("build/bench/world.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measure(), indent=1) + "\n")
    print(out.read_text())
    print(f"written: {out}")


def measure() -> dict[str, object]:
    """Rates in transactions (generation) or events (Kafka) a second, with their rounds."""
    return {
        "cores": os.cpu_count(),
        "generated_per_second_on_one_core": {name: _on_one_core(_generation, world) for name, world in WORLDS.items()},
        "encoded_per_second_on_one_core": _on_one_core(_encoding, WORLDS["20,000 cards"]),
        "into_kafka_per_second": _kafka(WORLDS["20,000 cards"]),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _on_one_core(rounds: Callable[[World], Iterator[float]], world: World) -> dict[str, object]:
    """The rates of a measurement while this process may use one core only."""
    if sys.platform != "linux":
        return _spread(list(rounds(world)))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        return _spread(list(rounds(world)))
    finally:
        os.sched_setaffinity(0, allowed)


def _generation(world: World) -> Iterator[float]:
    for days in _rounds(world):
        began = time.perf_counter()
        rows = sum(day.transactions.num_rows for day in arrivals(world.days(*days), drain=False))
        yield rows / (time.perf_counter() - began)


def _encoding(world: World) -> Iterator[float]:
    for days in _rounds(world):
        tables = [day.transactions for day in world.days(*days)]
        began = time.perf_counter()
        rows = sum(len(encode_transactions(table, world.schema)) for table in tables)
        yield rows / (time.perf_counter() - began)


def _kafka(world: World) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory:
        jars = ivy.ensure_jars(ivy.BROKER, load_settings().cache_dir)
        with LocalBroker(Path(directory) / "kafka", jars) as broker:
            connection = KafkaConnection(broker.bootstrap_servers)
            return _spread([_produced(connection, world, days) for days in _rounds(world)][1:])  # the first warms it


def _produced(connection: KafkaConnection, world: World, days: tuple[int, int]) -> float:
    topics = f"transactions.{days[0]}", f"labels.{days[0]}"
    ensure_topics(connection, dict.fromkeys(topics, PARTITIONS))
    began = time.perf_counter()
    with KafkaEventProducer(connection) as sink:
        done = produce(arrivals(world.days(*days), drain=False), sink, *topics, world.schema)
    return (done.transactions + done.labels) / (time.perf_counter() - began)


def _rounds(world: World) -> Iterator[tuple[int, int]]:
    next(world.days(0, 1))  # draws the population
    return ((n * DAYS_A_ROUND, (n + 1) * DAYS_A_ROUND) for n in range(ROUNDS + 1))


def _spread(rates: list[float]) -> dict[str, object]:
    rounds = [round(rate) for rate in rates]
    return {"median": round(statistics.median(rounds)), "min": min(rounds), "max": max(rounds), "rounds": rounds}


if __name__ == "__main__":
    main()
