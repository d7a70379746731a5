"""Speed and size, measured here and now: `make bench` writes build/bench/report.json.

Every ratio comes from rounds taken in turn in one run, with all code compiled before the first; absolute figures
depend on the machine and on what else it does.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from paywarden import wiring
from paywarden.adapters.kafka.admin import end_offsets, ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.spark.decide_step import OutputTopics
from paywarden.adapters.spark.parse_step import ParseStep
from paywarden.adapters.spark.session import spark_session
from paywarden.adapters.spark.stream import SparkStream
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.clock import system_clock
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.mapped_data import read_events
from paywarden.events.mapping import Mapping
from paywarden.events.schema import EventSchema
from paywarden.features.templates import core_catalogue
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest
from paywarden.features.replay import replay
from paywarden.jobs.produce import produce
from paywarden.jobs.train import History, replayed_dataset, split_of
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World
from paywarden.training.trainer import train

ROUNDS = 5
ROWS_A_ROUND = 40_000
SCHEMA = EventSchema()
CATALOGUE = core_catalogue()
WORLD = World(3, cards=5_000, merchants=1_000)
TOPICS = ("transactions", "labels", "predictions", "alerts", "outcomes", "dead", "passthrough")


def main() -> None:
    """All benchmarks, one after another."""
    warnings.simplefilter("ignore")
    out = Path("build/bench/report.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    history = _history()
    report = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "replay": _replay(history),
        "state": _state(),
        "stream": _stream(history),
    }
    out.write_text(json.dumps(report, indent=1) + "\n")
    json.dump(report, sys.stdout, indent=1)
    print(f"\nwritten: {out}")


def _history() -> History:
    """The handbook's transactions where PAYWARDEN_DATA has them, else a simulated month."""
    file = Path(os.environ.get("PAYWARDEN_DATA", "none")) / "handbook" / "handbook_raw.parquet"
    if file.exists():
        data = read_events(file, Mapping.load("handbook"))
        return History(data.transactions, data.labels, {"source": "handbook"})
    days = list(WORLD.days(0, 30))
    tables = [pa.concat_tables([getattr(day, name) for day in days]) for name in ("transactions", "labels")]
    return History(tables[0], tables[1], {"source": "simulated world, 30 days of 5,000 cards"})


def _replay(history: History) -> dict[str, object]:
    """Rows a second of a replay with the whole catalogue, one thread."""
    replay(history.transactions.slice(0, 1000), history.labels.slice(0, 10), CATALOGUE)
    rows = history.transactions.num_rows
    seconds = [_seconds(lambda: replay(history.transactions, history.labels, CATALOGUE)) for _ in range(3)]
    rates = [rows / s for s in seconds]
    source = history.versions["source"]
    return {"source": source, "rows": rows, "features": len(CATALOGUE.names), "rows_per_second": _spread(rates)}


def _state() -> dict[str, int]:
    """Bytes of state a key, as the words of its record."""
    engine = Engine(CATALOGUE)
    return {f"{entity}_bytes": 8 * engine.words(entity) for entity in ("routing", *CATALOGUE.entities)}


def _stream(history: History) -> dict[str, object]:
    """The stream beside a Spark job that only copies Kafka to Kafka, round by round on the same rows."""
    with tempfile.TemporaryDirectory() as directory:
        cache = load_settings().cache_dir
        with LocalBroker(Path(directory) / "kafka", ivy.ensure_jars(ivy.BROKER, cache)) as broker:
            connection = KafkaConnection(broker.bootstrap_servers)
            ensure_topics(connection, dict.fromkeys(TOPICS, 4))
            _fill(connection)
            return _rounds(Path(directory), connection, history)


def _fill(connection: KafkaConnection) -> None:
    settings = load_settings(kafka={"bootstrap_servers": connection.bootstrap_servers})
    per_day = next(iter(WORLD.days(0, 1))).transactions.num_rows
    days = (ROUNDS + 1) * ROWS_A_ROUND // per_day + 2
    with wiring.kafka_sink(settings) as sink:
        produce(arrivals(WORLD.days(0, days), drain=False), sink, "transactions", "labels", SCHEMA)


def _rounds(directory: Path, connection: KafkaConnection, history: History) -> dict[str, object]:
    cores = os.cpu_count() or 2
    session = spark_session(
        "bench", ivy.ensure_jars(ivy.SPARK_KAFKA, load_settings().cache_dir), master=f"local[{cores}]"
    )
    recipe, engine = open_lmdb(directory / "state", 4), Engine(CATALOGUE)
    store = recipe()
    lease = store.acquire("bench", engine.digest)
    stream = SparkStream(
        session=session,
        kafka_options=connection.spark_options(),
        parse=ParseStep(SCHEMA, CurrencyTable("EUR"), DEFAULT_LIMITS, "labels", 4),
        catalogue=CATALOGUE,
        open_store=recipe,
        lease=lease,
        transactions_topic="transactions",
        outputs=OutputTopics("predictions", "alerts", "outcomes", "dead"),
        checkpoint=directory / "checkpoint",
        clock=system_clock,
    )
    files = _bundle_files(history)
    ends = end_offsets(connection, ["transactions"])["transactions"]
    step = {p: end // (ROUNDS + 1) for p, end in ends.items()}
    timings: dict[str, list[float]] = {"passthrough": [], "stream": []}
    for number in range(ROUNDS + 1):
        spans = {str(p): (number * size, (number + 1) * size) for p, size in step.items()}
        records = (
            session.read.format("kafka")
            .options(**connection.spark_options())
            .option("subscribe", "transactions")
            .option("startingOffsets", json.dumps({"transactions": {p: s for p, (s, _) in spans.items()}}))
            .option("endingOffsets", json.dumps({"transactions": {p: e for p, (_, e) in spans.items()}}))
            .load()
        )
        rows = sum(step.values())
        copied = records.select("key", "value").write.format("kafka").options(**connection.spark_options())
        manifest = BatchManifest(1, number + 1, (), engine.digest, "1", "bench", "bench")
        store.begin_batch(lease, manifest.tag)
        seconds = {
            "passthrough": _seconds(copied.option("topic", "passthrough").save),
            "stream": _seconds(lambda r=records, m=manifest: stream.execute(r, m, files)),
        }
        for name, taken in seconds.items() if number else ():  # the first round compiles
            timings[name].append(rows / taken)
    session.stop()
    store.close()
    ratios = [s / p for s, p in zip(timings["stream"], timings["passthrough"], strict=True)]
    return {
        "rows_a_round": sum(step.values()),
        "rounds": ROUNDS,
        "passthrough_rows_per_second": _spread(timings["passthrough"]),
        "stream_rows_per_second": _spread(timings["stream"]),
        "stream_to_passthrough": _spread(ratios),
    }


def _bundle_files(history: History) -> dict[str, bytes]:
    """A model of the whole catalogue, trained on the last weeks of the history."""
    dataset = replayed_dataset(history, CATALOGUE, wiring.days_ms(3))
    return train(dataset, split_of(dataset, 14)).bundle.to_files()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _spread(values: list[float]) -> dict[str, object]:
    return {
        "median": round(statistics.median(values), 4),
        "min": round(float(np.min(values)), 4),
        "max": round(float(np.max(values)), 4),
        "rounds": [round(value, 4) for value in values],
    }


if __name__ == "__main__":
    main()
