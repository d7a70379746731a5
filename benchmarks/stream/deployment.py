"""A deployment on this machine: the real servers, and every `paywarden` command as a process of its own."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from benchmarks.histories import simulated
from benchmarks.stream.ground import PARTITIONS, SHARDS
from paywarden import wiring
from paywarden.adapters.local.process import ChildProcess
from paywarden.cli.local_platform import dead_letter_origins
from paywarden.events.decision import decode_decisions, decode_outcomes
from paywarden.events.schema import EventSchema
from paywarden.jobs.account import Account, account
from paywarden.jobs.train import split_of
from paywarden.jobs.training_data import History, replayed_dataset
from paywarden.settings import Settings, load_settings
from paywarden.training.trainer import TrainingResult, train

_DECIDED = ["decision_id", "score", "topic", "partition", "offset"]
SETTLED_SECONDS = 300.0


@dataclass
class Deployment:
    """Kafka, MLflow and a champion; commands are started by name, and killed at the end."""

    directory: Path
    settings: Settings
    sections: dict[str, dict[str, object]]
    processes: dict[str, ChildProcess] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, **sections: dict[str, object]) -> ChildProcess:
        """A command under way; ``sections`` of settings differ from the deployment's."""
        self.processes[name] = wiring.command_process(
            name, list(arguments), self.directory / f"{name}.log", self.environment(**sections)
        )
        self.processes[name].start()
        return self.processes[name]

    def environment(self, **sections: dict[str, object]) -> dict[str, str]:
        """The settings as variables."""
        return {
            f"PAYWARDEN_{section.upper()}__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for section, values in self._merged(sections).items()
            for name, value in values.items()
        }

    def settings_with(self, **sections: dict[str, object]) -> Settings:
        """The settings, some sections of which differ."""
        return load_settings(**self._merged(sections))

    def _merged(self, sections: Mapping[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        return {name: {**values, **sections.get(name, {})} for name, values in self.sections.items()}

    def wait(self, condition: Callable[[], bool], seconds: float = SETTLED_SECONDS) -> None:
        """Poll until it holds. Raises RuntimeError with the logs where it does not, or a process ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = [name for name, process in self.processes.items() if not process.running]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(f"{n}: {process.log_tail(15)}" for n, process in self.processes.items())
                raise RuntimeError(f"{f'ended: {ended}' if ended else 'stuck'}\n{logs}")
            time.sleep(0.05)

    def rows(self, topic: str) -> int:
        """Records that a topic was ever given."""
        name = getattr(self.settings.kafka.topics, topic)
        return sum(wiring.kafka_source(self.settings).end_offsets([name])[name].values())

    def inputs(self) -> int:
        """Transactions and labels that Kafka was ever given."""
        return self.rows("transactions") + self.rows("labels")

    def archived(self) -> int:
        """How many inputs the lake holds, by its own offsets."""
        lake, topics = wiring.lake(self.settings), self.settings.kafka.topics
        return sum(
            offset or 0
            for topic in (topics.transactions, topics.labels)
            for offset in lake.next_offsets(topic, self.settings.kafka.partitions).values()
        )

    def answered(self) -> int:
        """Decisions, recorded outcomes and dead letters together."""
        return sum(map(self.rows, ("predictions", "outcomes", "dead_letters")))

    def account(self) -> Account:
        """What became of every input that the manifests name."""
        source, topics = wiring.kafka_source(self.settings, headers=True), self.settings.kafka.topics
        start, end = source.earliest_offsets([topics.predictions]), source.end_offsets([topics.predictions])
        schema = EventSchema()
        # A decision has a vector of a hundred numbers: what the account does not ask for is let go table by table.
        decisions = [
            decode_decisions(table["value"].to_pylist(), schema).select(_DECIDED) for table in source.read(start, end)
        ]
        empty = decode_decisions([], schema).select(_DECIDED)
        return account(
            wiring.manifests(self.settings).all(),
            pa.concat_tables([empty, *decisions]),
            decode_outcomes(source.read_all(topics.outcomes)["value"].to_pylist()),
            dead_letter_origins(source.read_all(topics.dead_letters)),
        )


@contextmanager
def deployment(**sections: dict[str, object]) -> Iterator[Deployment]:
    """A deployment in a directory of its own, which is removed at the end."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        servers = wiring.local_servers(load_settings(), directory)
        servers.start()
        merged: dict[str, dict[str, object]] = {
            "kafka": {"bootstrap_servers": servers.bootstrap_servers, "partitions": PARTITIONS},
            "lake": {"path": str(directory / "lake")},
            "mlflow": {"tracking_uri": servers.tracking_uri},
            "state": {"path": str(directory / "state"), "shards": SHARDS, **sections.get("state", {})},
            "stream": {
                "directory": str(directory / "stream"),
                "manifests": str(directory / "manifests"),
                "trigger_interval_seconds": 1,
                **sections.get("stream", {}),
            },
        }
        here = Deployment(directory, load_settings(**merged), merged)
        try:
            wiring.make_topics(here.settings)
            yield here
        finally:
            for process in here.processes.values():
                process.kill()
            servers.stop()


def register_champion(here: Deployment) -> TrainingResult:
    """A model of the full catalogue serves."""
    source = simulated()
    history = History(source.transactions, source.labels, {"source": source.name})
    catalogue = wiring.catalogue(here.settings)
    dataset = replayed_dataset(history, catalogue, wiring.days_ms(3))
    result = train(dataset, split_of(dataset, 14), catalogue=catalogue)
    registry = wiring.registry(here.settings)
    registry.set_alias("champion", registry.log_and_register(result).version)
    return result
