"""What every contestant stands on: one broker, one topic of four partitions, one Spark session, one model."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from benchmarks.histories import WORLD, simulated
from benchmarks.rounds import ROUNDS
from paywarden import wiring
from paywarden.adapters.kafka.admin import end_offsets, ensure_topics
from paywarden.adapters.kafka.connection import KafkaConnection
from paywarden.adapters.local import ivy
from paywarden.adapters.local.broker import LocalBroker
from paywarden.adapters.spark.session import spark_session
from paywarden.features.catalogue import Catalogue
from paywarden.features.feature import Feature
from paywarden.features.windows import DAY, HOUR, WEEK
from paywarden.jobs.produce import produce
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.scoring.bundle import ModelBundle
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World
from paywarden.training.trainer import train

PARTITIONS = SHARDS = 4
INPUT = "transactions"
OUTPUTS = ("predictions", "alerts", "outcomes", "dead")

PEERS_CATALOGUE = Catalogue(
    ("card",),
    tuple(
        Feature("card", aggregation, field, window)
        for aggregation, field in (("count", None), ("sum", "amount"), ("mean", "amount"), ("max", "amount"))
        for window in (HOUR, DAY, WEEK)
    ),
)
"""What every contestant can keep with bearable code: count, sum, mean and maximum of a card's amounts over three
windows, and the five features of the transaction itself. One entity, so that nobody needs to move rows."""

Spans = dict[int, tuple[int, int]]
"""Partition → first offset, and the one after the last."""


def rounds_asked() -> int:
    """How many rounds count, settable by BENCH_ROUNDS."""
    return int(os.environ.get("BENCH_ROUNDS", str(ROUNDS)))


def rows_asked(default: int) -> int:
    """Rows a round, settable by BENCH_ROWS."""
    return int(os.environ.get("BENCH_ROWS", str(default)))


def bundle_files(catalogue: Catalogue) -> dict[str, bytes]:
    """A model of a catalogue, trained on the last weeks of a simulated month; kept in build/bench, for every part."""
    kept = Path("build/bench/models") / catalogue.contract(catalogue.names).digest[:16]
    if kept.exists():
        return ModelBundle.load(kept).to_files()
    source = simulated()
    history = History(source.transactions, source.labels, {"source": source.name})
    dataset = replayed_dataset(history, catalogue, wiring.days_ms(3))
    bundle = train(dataset, split_of(dataset, 14), catalogue=catalogue).bundle
    bundle.save(kept)
    return bundle.to_files()


@dataclass(frozen=True)
class Ground:
    """A filled broker and a Spark session on all cores, in ``directory``, which is removed at the end."""

    directory: Path
    connection: KafkaConnection
    session: SparkSession

    def spans(self, number: int, rounds: int, rows: int | None = None) -> Spans:
        """Where round ``number`` of ``rounds`` and a warming one lies in the topic; of it, the first ``rows``."""
        ends = end_offsets(self.connection, [INPUT])[INPUT]
        sizes = {partition: end // (rounds + 1) for partition, end in ends.items()}
        share = 1.0 if rows is None else min(1.0, rows / sum(sizes.values()))
        return {p: (number * size, number * size + int(size * share)) for p, size in sizes.items()}

    def records(self, spans: Spans, topic: str = INPUT) -> DataFrame:
        """Kafka's rows of these offsets."""
        starts = {str(partition): start for partition, (start, _) in spans.items()}
        ends = {str(partition): end for partition, (_, end) in spans.items()}
        return (
            self.session.read.format("kafka")
            .options(**self.connection.spark_options())
            .option("subscribe", topic)
            .option("startingOffsets", json.dumps({topic: starts}))
            .option("endingOffsets", json.dumps({topic: ends}))
            .load()
        )

    def topics(self, *names: str) -> None:
        """Topics of four partitions."""
        ensure_topics(self.connection, dict.fromkeys(names, PARTITIONS))


def size(spans: Spans) -> int:
    """Rows in the spans."""
    return sum(end - start for start, end in spans.values())


@contextmanager
def ground(rows: int, *, world: World = WORLD, session_options: dict[str, str] | None = None) -> Iterator[Ground]:
    """A ground whose topic holds at least ``rows`` transactions; labels are elsewhere."""
    with tempfile.TemporaryDirectory() as directory:
        cache = load_settings().cache_dir
        with LocalBroker(Path(directory) / "kafka", ivy.ensure_jars(ivy.BROKER, cache)) as broker:
            connection = KafkaConnection(broker.bootstrap_servers)
            ensure_topics(connection, dict.fromkeys((INPUT, "labels", *OUTPUTS), PARTITIONS))
            if rows:
                print("  filling the topic")
                fill(connection, rows, world)
            with session(session_options) as spark:
                yield Ground(Path(directory), connection, spark)


@contextmanager
def session(options: dict[str, str] | None = None, *, cores: int | None = None) -> Iterator[SparkSession]:
    """Spark on this machine."""
    jars = ivy.ensure_jars(ivy.SPARK_KAFKA, load_settings().cache_dir)
    spark = spark_session("bench", jars, master=f"local[{cores or os.cpu_count() or 2}]", options=options)
    try:
        yield spark
    finally:
        spark.stop()


def fill(connection: KafkaConnection, rows: int, world: World, first_day: int = 0, topic: str = INPUT) -> None:
    """Send whole days of a world, at least so many transactions."""
    settings = load_settings(kafka={"bootstrap_servers": connection.bootstrap_servers})
    per_day = next(iter(world.days(0, 1))).transactions.num_rows
    days = rows // per_day + 2
    with wiring.kafka_sink(settings) as sink:
        coming = arrivals(world.days(first_day, first_day + days), drain=False)
        produce(coming, sink, topic, "labels", world.schema)


def taken_in_turn(names: Sequence[str], number: int) -> list[str]:
    """The names, each round beginning with another one: whoever comes first finds the rows least warm."""
    first = number % len(names)
    return [*names[first:], *names[:first]]
