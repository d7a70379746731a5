"""Contestants that are programs of their own: as many processes as cores, in one consumer group, started once.

A round is the same records sent to the topic that they consume, of as many partitions; it is over when a decision of
each is in their output topic. Their start, and Python's imports, do not count.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

from benchmarks.stream.ground import PARTITIONS, Ground
from paywarden.adapters.kafka.producer import KafkaEventProducer
from paywarden.adapters.local.process import ChildProcess

_PATIENCE_SECONDS = 180.0
_POLL_SECONDS = 0.01


@dataclass
class App:
    """A running contestant."""

    name: str
    ground: Ground
    processes: Sequence[ChildProcess]

    @property
    def input(self) -> str:
        """The topic that it consumes."""
        return f"{self.name}.input"

    @property
    def output(self) -> str:
        """The topic that it fills."""
        return f"{self.name}.output"

    def decide(self, records: pa.Table) -> float:
        """Seconds from sending the records to the last of as many decisions."""
        with _Counter(self.ground, self.output) as count, KafkaEventProducer(self.ground.connection) as sink:
            wanted = count() + records.num_rows
            began = time.perf_counter()
            sink.send_many(self.input, records["key"].to_pylist(), records["value"].to_pylist())
            sink.flush()
            while count() < wanted:
                for process in self.processes:
                    if not process.running:
                        raise RuntimeError(f"{self.name} ended:\n{process.log_tail(20)}")
                if time.perf_counter() - began > _PATIENCE_SECONDS:
                    raise RuntimeError(f"{self.name} is stuck:\n{self.processes[0].log_tail(20)}")
                time.sleep(_POLL_SECONDS)
            return time.perf_counter() - began


@contextmanager
def app(here: Ground, name: str, command: Sequence[str], config: dict[str, object]) -> Iterator[App]:
    """The contestant's processes, started with a file that holds its configuration, and killed at the end."""
    here.topics(f"{name}.input", f"{name}.output")
    processes = []
    try:
        for number in range(os.cpu_count() or 2):
            directory = here.directory / f"{name}-{number}"
            directory.mkdir()
            file = directory / "config.json"
            file.write_text(
                json.dumps(
                    {
                        "bootstrap_servers": here.connection.bootstrap_servers,
                        "input": f"{name}.input",
                        "output": f"{name}.output",
                        "state": str(directory / "state"),
                        **config,
                    }
                )
            )
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = ChildProcess(name, [*command, str(file)], directory / "log", environment)
            process.start()
            processes.append(process)
        yield App(name, here, processes)
    finally:
        for process in processes:
            process.kill()


def loop_command() -> list[str]:
    """The bare consumer loop, in this environment."""
    return [sys.executable, "-m", "benchmarks.stream.loop_app"]


def quix_command() -> list[str] | None:
    """Quix Streams in its own environment, None where that has not been made (`make quix-env`)."""
    python = Path(os.environ.get("BENCH_QUIX_PYTHON", ".cache/quix/bin/python"))
    return [str(python), str(Path(__file__).with_name("quix_app.py"))] if python.exists() else None


class _Counter:
    """How many records a topic holds, asked over one connection."""

    def __init__(self, here: Ground, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer({**here.connection.client_config(), "group.id": "counter"})

    def __call__(self) -> int:
        places = (TopicPartition(self._topic, number) for number in range(PARTITIONS))
        return sum(self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
