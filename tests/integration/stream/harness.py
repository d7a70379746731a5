"""A stream as an operator runs it: the real command in a process of its own, on real Kafka, a store and a registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from paywarden import wiring
from paywarden.cli.local_platform import dead_letter_origins
from paywarden.cli.stream import READY
from paywarden.events.decision import decode_decisions, decode_outcomes, of_source
from paywarden.events.schema import EventSchema
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.account import STREAM, Account, account, first_by
from paywarden.jobs.archive import archive
from paywarden.jobs.parity import Parity, compare, replayed_decisions
from paywarden.jobs.produce import produce
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import History, read_history, replayed_dataset
from paywarden.scoring.policy import Policy
from paywarden.scoring.scorer import Scorer
from paywarden.settings import load_settings
from paywarden.simulation.arrivals import arrivals
from paywarden.simulation.world import World
from paywarden.training.boosters import XGBoostTrainer
from paywarden.training.trainer import TrainingResult, TrainingSettings, train

SCHEMA = EventSchema()
_START_SECONDS = 400.0


ADDED = """
base: full
add:
  - {entity: card, aggregation: sum, field: amount, window: 2h, tile: 20m}
"""
"""One more windowed feature, and so another state."""


_QUICK = TrainingSettings(booster=XGBoostTrainer(max_rounds=40, learning_rate=0.3, early_stopping_rounds=10))


def trained_pair() -> tuple[TrainingResult, TrainingResult]:
    """A model, and the same under another policy: another bundle with another digest."""
    first = trained("full")
    threshold = first.bundle.policy.review_threshold
    return first, replace(first, bundle=first.bundle.with_policy(Policy(threshold - 0.5)))


def trained(catalogue: str) -> TrainingResult:
    """A model on this catalogue, of a history of its own."""
    days = list(World(5, cards=400, merchants=100, fraud_rate=0.03).days(0, 24))
    history = History(
        pa.concat_tables([day.transactions for day in days]), pa.concat_tables([day.labels for day in days]), {}
    )
    features = wiring.catalogue(load_settings(features={"catalogue": catalogue}))
    dataset = replayed_dataset(history, features, 3 * wiring.days_ms(1))
    return train(dataset, split_of(dataset), _QUICK, catalogue=features)


class StreamHarness:
    """One stream with topics, state, lake and registry of its own."""

    def __init__(
        self,
        directory: Path,
        bootstrap_servers: str,
        tracking_uri: str,
        name: str,
        state: dict[str, object],
        more: Mapping[str, Mapping[str, object]] | None = None,
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
        for section, fields in (more or {}).items():
            self.sections.setdefault(section, {}).update(fields)
        self.settings = load_settings(**self.sections)
        self.registry = wiring.registry(self.settings)
        self.results: dict[str, TrainingResult] = {}
        self.log = directory / "stream.log"
        self.process = self.new_process()
        wiring.make_topics(self.settings)

    def new_process(self, *options: str) -> wiring.Child:
        """The stream's command, not started yet."""
        return wiring.command_process("The stream", ["stream", "run", *options], self.log, self._environment())

    def register(self, result: TrainingResult) -> int:
        """A new version."""
        self.results[result.bundle.digest] = result
        return self.registry.log_and_register(result).version

    def register_champion(self, result: TrainingResult) -> int:
        """A new champion; its version."""
        version = self.register(result)
        self.registry.set_alias("champion", version)
        return version

    def command(self, *arguments: str) -> str:
        """What a `paywarden` command prints, run in a process of its own beside the stream."""
        done = subprocess.run(
            [sys.executable, "-m", "paywarden.cli.app", *arguments],
            env={**os.environ, **self._environment(), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

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

    def wait_for(self, condition: Callable[[], bool], seconds: float = 400.0) -> None:
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

    def manifests(self) -> list[BatchManifest]:
        """All manifests: of builds, of their catching up, and of batches."""
        return wiring.manifests(self.settings).all()

    def batches(self) -> list[BatchManifest]:
        """The manifests of batches, in their order over all epochs."""
        return sorted((m for m in self.manifests() if m.bundle_digest), key=lambda m: m.batch)

    def decided_by(self, version: int) -> int:
        """How many batches were finished by a version since another one served."""
        done = {batch["batch"] for batch in self.finished()}
        served = [m.bundle_version for m in self.batches() if m.batch in done]
        return next((n for n, other in enumerate(reversed(served)) if other != str(version)), len(served))

    def caught_up(self, inputs: int, before: int = 0) -> bool:
        """Whether finished batches cover so many input records; ``before`` of them were in a build."""
        done = {batch["batch"] for batch in self.finished()}
        return before + sum(s.end - s.start for m in self.batches() if m.batch in done for s in m.ranges) >= inputs

    def decisions(self, topic: str = "predictions") -> pa.Table:
        """Predictions or alerts as delivered."""
        return decode_decisions(self._values(topic), SCHEMA)

    def account(self) -> Account:
        """What became of every input."""
        source = wiring.kafka_source(self.settings, headers=True)
        dead = dead_letter_origins(source.read_all(self.settings.kafka.topics.dead_letters))
        return account(self.manifests(), self.decisions(), decode_outcomes(self._values("outcomes")), dead)

    def parity(self, source: str = STREAM) -> Parity:
        """Decisions of a source against a replay of the archived history that honours the manifests."""
        topics = self.settings.kafka.topics
        archive(wiring.kafka_source(self.settings), wiring.lake(self.settings), wiring.archive_columns(self.settings))
        history = read_history(wiring.lake(self.settings), topics.transactions, topics.labels)
        replayed = replayed_decisions(
            history.transactions,
            history.labels,
            self.manifests(),
            lambda digest: Scorer(self.results[digest].bundle),
            source=source,
        )
        names = {digest: result.bundle.feature_names for digest, result in self.results.items()}
        return compare(first_by(of_source(self.decisions(), source), "decision_id"), replayed, names)

    def _values(self, topic: str) -> list[bytes]:
        name = getattr(self.settings.kafka.topics, topic)
        return wiring.kafka_source(self.settings).read_all(name)["value"].to_pylist()

    def _environment(self) -> dict[str, str]:
        return {
            f"PAYWARDEN_{section.upper()}__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for section, fields in self.sections.items()
            for name, value in fields.items()
        }
