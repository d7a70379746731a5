"""A stream as an operator runs it: the real command in a process of its own, on real Kafka, a store and a registry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from paywarden import wiring
from paywarden.cli.local_platform import dead_letter_origins
from paywarden.cli.stream import READY
from paywarden.events.decision import decode_decisions, decode_outcomes
from paywarden.events.schema import EventSchema
from paywarden.jobs.account import Account, account, first_by
from paywarden.jobs.archive import archive
from paywarden.jobs.parity import Parity, compare, replayed_decisions
from paywarden.jobs.produce import produce
from paywarden.jobs.train import History, read_history, replayed_dataset, split_of
from paywarden.scoring.policy import Policy
from paywarden.scoring.scorer import Scorer
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World
from paywarden.training.trainer import TrainingResult, train

SCHEMA = EventSchema()
_START_SECONDS = 180.0


def trained_pair() -> tuple[TrainingResult, TrainingResult]:
    """A model, and the same under another policy: another bundle with another digest."""
    days = list(World(5, cards=400, merchants=100, fraud_rate=0.03).days(0, 24))
    history = History(
        pa.concat_tables([day.transactions for day in days]), pa.concat_tables([day.labels for day in days]), {}
    )
    dataset = replayed_dataset(history, wiring.catalogue(load_settings()), 3 * wiring.days_ms(1))
    first = train(dataset, split_of(dataset))
    threshold = first.bundle.policy.review_threshold
    return first, replace(first, bundle=first.bundle.with_policy(Policy(threshold - 0.5)))


class StreamHarness:
    """One stream with topics, state, lake and registry of its own."""

    def __init__(
        self, directory: Path, bootstrap_servers: str, tracking_uri: str, name: str, state: dict[str, object]
    ) -> None:
        topics = ("transactions", "labels", "predictions", "alerts", "outcomes", "dead_letters", "manifests")
        self.sections: dict[str, dict[str, object]] = {
            "kafka": {
                "bootstrap_servers": bootstrap_servers,
                "partitions": 2,
                "topics": {topic: f"{name}.{topic}" for topic in topics},
            },
            "lake": {"path": str(directory / "lake")},
            "state": {"path": str(directory / "state"), "shards": 2, **state},
            "mlflow": {"tracking_uri": tracking_uri, "model_name": name},
            "stream": {
                "directory": str(directory / "stream"),
                "manifests": str(directory / "manifests"),
                "trigger_interval_seconds": 0,
                "max_offsets_per_batch": 1500,
            },
        }
        self.settings = load_settings(**self.sections)
        self.catalogue = wiring.catalogue(self.settings)
        self.registry = wiring.registry(self.settings)
        self.results: dict[str, TrainingResult] = {}
        self.log = directory / "stream.log"
        self.process = wiring.command_process("The stream", ["stream", "run"], self.log, self._environment())
        wiring.make_topics(self.settings)

    def register_champion(self, result: TrainingResult) -> int:
        """A new champion; its version."""
        version = self.registry.log_and_register(result).version
        self.registry.set_alias("champion", version)
        self.results[result.bundle.digest] = result
        return version

    def produce_days(self, first: int, last: int, extra: list[bytes] | None = None) -> int:
        """Some days of a world, and malformed messages; how many records."""
        topics = self.settings.kafka.topics
        world = World(5, cards=400, merchants=100, fraud_rate=0.03)
        with wiring.kafka_sink(self.settings) as sink:
            done = produce(
                list(arrivals(world.days(first, last), drain=False)), sink, topics.transactions, topics.labels, SCHEMA
            )
            sink.send_many(topics.transactions, [None] * len(extra or []), extra or [])
        return done.transactions + done.labels + len(extra or [])

    def start(self) -> None:
        """The stream is running."""
        self.process.start()
        self.process.wait_until(lambda: READY in self.log.read_text(errors="replace"), _START_SECONDS)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 180.0) -> None:
        """Poll until the condition holds; fail with the stream's log if it does not, or the stream ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.running, f"the stream ended:\n{self.process.log_tail(60)}"
            assert time.monotonic() < deadline, f"the stream is stuck:\n{self.process.log_tail(60)}"
            time.sleep(0.05)

    def finished(self) -> list[dict[str, int]]:
        """The batches that reported their end."""
        path = wiring.stream_directory(self.settings) / "progress.jsonl"
        return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []

    def manifests(self):
        """All manifests of the epoch."""
        files = wiring.manifests(self.settings)
        return files.of_epoch(files.latest_epoch())

    def caught_up(self, inputs: int) -> bool:
        """Whether finished batches cover so many input records."""
        done = {batch["batch"] for batch in self.finished()}
        return sum(s.end - s.start for m in self.manifests() if m.batch in done for s in m.ranges) >= inputs

    def decisions(self) -> pa.Table:
        """Predictions as delivered."""
        return decode_decisions(self._values("predictions"), SCHEMA)

    def account(self) -> Account:
        """What became of every input."""
        source = wiring.kafka_source(self.settings, headers=True)
        dead = dead_letter_origins(source.read_all(self.settings.kafka.topics.dead_letters))
        return account(self.manifests(), self.decisions(), decode_outcomes(self._values("outcomes")), dead)

    def parity(self) -> Parity:
        """Served decisions against a replay of the archived history that honours the manifests."""
        topics = self.settings.kafka.topics
        archive(wiring.kafka_source(self.settings), wiring.lake(self.settings), wiring.archive_columns(self.settings))
        history = read_history(wiring.lake(self.settings), topics.transactions, topics.labels)
        replayed = replayed_decisions(
            history.transactions,
            history.labels,
            self.catalogue,
            self.manifests(),
            lambda digest: Scorer(self.results[digest].bundle),
        )
        return compare(first_by(self.decisions(), "decision_id"), replayed, self.catalogue.names)

    def _values(self, topic: str) -> list[bytes]:
        name = getattr(self.settings.kafka.topics, topic)
        return wiring.kafka_source(self.settings).read_all(name)["value"].to_pylist()

    def _environment(self) -> dict[str, str]:
        return {
            f"PAYWARDEN_{section.upper()}__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for section, fields in self.sections.items()
            for name, value in fields.items()
        }
