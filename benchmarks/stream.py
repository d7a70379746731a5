"""The stream beside a Spark job that only copies Kafka to Kafka, in turn, on the same rows.

The copy runs twice: with the stream's producer options, and plain, with those that Kafka's clients have by default.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from benchmarks.histories import WORLD, simulated
from benchmarks.rounds import ROUNDS, Timing, rates, ratios, timed
from paywarden import wiring
from paywarden.adapters.kafka.admin import end_offsets, ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.spark.decide_step import OutputTopics
from paywarden.adapters.spark.parse_step import ParseStep
from paywarden.adapters.spark.session import spark_session
from paywarden.adapters.spark.stream import SINK_OPTIONS, SparkStream
from paywarden.adapters.state.lmdb_store import open_lmdb
from paywarden.clock import system_clock
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import DEFAULT_LIMITS
from paywarden.events.schema import EventSchema
from paywarden.features.engine import Engine
from paywarden.features.manifest import BatchManifest
from paywarden.features.templates import full_catalogue
from paywarden.jobs.produce import produce
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import arrivals
from paywarden.training.trainer import train

TARGET_RATIO = 0.3
ROWS_A_ROUND = 100_000
"""What a stream that is behind takes at once, so that the fixed cost of a batch weighs as it does then."""
PARTITIONS = SHARDS = 4
SCHEMA = EventSchema()
CATALOGUE = full_catalogue(SCHEMA)
TOPICS = ("transactions", "labels", "predictions", "alerts", "outcomes", "dead", "passthrough")

Spans = dict[int, tuple[int, int]]


def measure() -> dict[str, object]:
    """Rows a second of both, and the ratio, round by round: full catalogue, state in LMDB, a model and its reasons."""
    print("  training the model that scores")
    files = _bundle_files()
    with tempfile.TemporaryDirectory() as directory:
        cache = load_settings().cache_dir
        with LocalBroker(Path(directory) / "kafka", ivy.ensure_jars(ivy.BROKER, cache)) as broker:
            connection = KafkaConnection(broker.bootstrap_servers)
            ensure_topics(connection, dict.fromkeys(TOPICS, PARTITIONS))
            print("  filling the topic")
            _fill(connection)
            return _rounds(Path(directory), connection, files)


def _bundle_files() -> dict[str, bytes]:
    """A model of the whole catalogue, trained on the last weeks of a simulated month."""
    source = simulated()
    history = History(source.transactions, source.labels, {"source": source.name})
    dataset = replayed_dataset(history, CATALOGUE, wiring.days_ms(3))
    return train(dataset, split_of(dataset, 14)).bundle.to_files()


def _fill(connection: KafkaConnection) -> None:
    settings = load_settings(kafka={"bootstrap_servers": connection.bootstrap_servers})
    per_day = next(iter(WORLD.days(0, 1))).transactions.num_rows
    days = (ROUNDS + 1) * ROWS_A_ROUND // per_day + 2
    with wiring.kafka_sink(settings) as sink:
        produce(arrivals(WORLD.days(0, days), drain=False), sink, "transactions", "labels", SCHEMA)


def _rounds(directory: Path, connection: KafkaConnection, files: dict[str, bytes]) -> dict[str, object]:
    cores = os.cpu_count() or 2
    jars = ivy.ensure_jars(ivy.SPARK_KAFKA, load_settings().cache_dir)
    session = spark_session("bench", jars, master=f"local[{cores}]")
    recipe, engine = open_lmdb(directory / "state", SHARDS), Engine(CATALOGUE)
    store = recipe()
    lease = store.acquire("bench", engine.digest)
    stream = SparkStream(
        session=session,
        kafka_options=connection.spark_options(),
        parse=ParseStep(SCHEMA, CurrencyTable("EUR"), DEFAULT_LIMITS, "labels", SHARDS),
        transactions_topic="transactions",
        outputs=OutputTopics("predictions", "alerts", "outcomes", "dead"),
        checkpoint=directory / "checkpoint",
        clock=system_clock,
    )
    ends = end_offsets(connection, ["transactions"])["transactions"]
    size = {partition: end // (ROUNDS + 1) for partition, end in ends.items()}
    rows = sum(size.values())
    timings: dict[str, list[Timing]] = {"plain passthrough": [], "passthrough": [], "stream": []}
    for number in range(ROUNDS + 1):
        spans = {partition: (number * n, (number + 1) * n) for partition, n in size.items()}
        records = _records(session, connection, spans)
        options = {**connection.spark_options(), "topic": "passthrough"}
        plain = records.select("key", "value").write.format("kafka").options(**options)
        copied = records.select("key", "value").write.format("kafka").options(**SINK_OPTIONS, **options)
        manifest = BatchManifest(1, number + 1, (), engine.digest, "1", "bench", "bench")
        store.begin_batch(lease, manifest.tag)
        runs = {
            "plain passthrough": plain.save,
            "passthrough": copied.save,
            "stream": lambda r=records, m=manifest: stream.execute(r, m, files, CATALOGUE, recipe, lease),
        }
        names = list(runs)
        # Whoever comes first finds the rows least warm, so that turns are taken.
        taken = {name: timed(runs[name]) for name in (*names[number % 3 :], *names[: number % 3])}
        for name, timing in taken.items() if number else ():  # the first round compiles
            timings[name].append(timing)
        print(f"  round {number}: " + ", ".join(f"{name} {rows / t.wall:,.0f} rows/s" for name, t in taken.items()))
    session.stop()
    store.close()
    return {
        "features": len(CATALOGUE.names),
        "rows_a_round": rows,
        "cores": cores,
        "target_ratio": TARGET_RATIO,
        "passthrough_rows_per_second": rates(rows, timings["passthrough"]),
        "stream_rows_per_second": rates(rows, timings["stream"]),
        "stream_to_passthrough": ratios(timings["passthrough"], timings["stream"]),
        "plain_passthrough_rows_per_second": rates(rows, timings["plain passthrough"]),
        "stream_to_plain_passthrough": ratios(timings["plain passthrough"], timings["stream"]),
    }


def _records(session: SparkSession, connection: KafkaConnection, spans: Spans) -> DataFrame:
    starts = {str(partition): start for partition, (start, _) in spans.items()}
    ends = {str(partition): end for partition, (_, end) in spans.items()}
    return (
        session.read.format("kafka")
        .options(**connection.spark_options())
        .option("subscribe", "transactions")
        .option("startingOffsets", json.dumps({"transactions": starts}))
        .option("endingOffsets", json.dumps({"transactions": ends}))
        .load()
    )
