"""The whole platform on this machine: a Kafka broker, MLflow, and the stream as a child process."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from paywarden import wiring
from paywarden.cli.stream import READY
from paywarden.clock import system_clock
from paywarden.errors import StreamError
from paywarden.events.dead_letter import PREFIX
from paywarden.events.decision import decode_decisions, decode_outcomes
from paywarden.events.encoding import encode_transactions, routing_keys
from paywarden.events.schema import EventSchema
from paywarden.features.catalogue import Catalogue
from paywarden.jobs import archive as archive_job
from paywarden.jobs import produce as produce_job
from paywarden.jobs.demo import Served
from paywarden.jobs.monitor_report import write_reports
from paywarden.jobs.produce import Arrivals, Produced
from paywarden.jobs.train import Trained, train_and_register
from paywarden.jobs.training_data import History
from paywarden.scoring.scorer import Scorer
from paywarden.scoring.wording import reason_book
from paywarden.settings import Settings, load_settings
from paywarden.wiring.demo_console import take_demo_alerts

_STREAM_START_SECONDS = 180.0
_POLL_SECONDS = 0.2
MALFORMED = (b"", b"{", b'{"transaction_id": 7}', b'{"transaction_id": "x", "amount": NaN}', b"\xff\xfe not UTF-8")
REPEATED = 20
"""How many of the last live transactions are sent once more, to see duplicates recognised."""


class LocalPlatform:
    """Servers on free ports with all their data under ``directory``, which is emptied first."""

    def __init__(
        self, directory: Path, schema: EventSchema, overrides: dict[str, Any], say: Callable[[str], None]
    ) -> None:
        self.directory = directory.resolve()
        self._schema = schema
        self._overrides = overrides
        self._say = say
        self._servers: wiring.Servers | None = None
        self._stream: wiring.Child | None = None
        self._last_sent: pa.Table | None = None
        self._trained: Trained | None = None
        self.settings: Settings = load_settings(**overrides)
        self.catalogue: Catalogue = wiring.catalogue(self.settings)

    def start(self) -> None:
        """Kafka with its topics, and MLflow, are up."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self._servers = wiring.local_servers(self.settings, self.directory)
        self._servers.start()
        self.settings = load_settings(**self._located(self._servers))
        wiring.make_topics(self.settings)

    def produce(
        self, arrivals: Iterable[Arrivals], rate: float | None, progress: Callable[[Produced], None]
    ) -> Produced:
        """Send everything, acknowledged."""
        topics = self.settings.kafka.topics
        with wiring.kafka_sink(self.settings) as sink:
            return produce_job.produce(
                self._remembering(arrivals),
                sink,
                topics.transactions,
                topics.labels,
                self._schema,
                rate=rate,
                clock=system_clock,
                sleep=time.sleep,
                progress=progress,
            )

    def disturb(self) -> int:
        """Send malformed messages, and some of the last transactions once more."""
        repeated = self._last_sent.slice(max(self._last_sent.num_rows - REPEATED, 0)) if self._last_sent else None
        keys: list[bytes | None] = [None] * len(MALFORMED)
        values = list(MALFORMED)
        if repeated is not None:
            keys += routing_keys(repeated)
            values += encode_transactions(repeated, self._schema)
        with wiring.kafka_sink(self.settings) as sink:
            sink.send_many(self.settings.kafka.topics.transactions, keys, values)
            sink.flush()
        return len(values)

    def archive(self) -> int:
        """Bring the lake up to date; the rows moved."""
        moved = archive_job.archive(
            wiring.kafka_source(self.settings), wiring.lake(self.settings), wiring.archive_columns(self.settings)
        )
        return sum(moved.rows.values())

    def train(self, label_delay_days: float, train_days: int | None) -> Trained:
        """Train on the lake, register, make champion."""
        self._trained = train_and_register(
            self.history(),
            self.catalogue,
            wiring.registry(self.settings),
            wiring.training_settings(self.settings),
            label_delay_days=label_delay_days,
            train_days=train_days,
            gate=wiring.gate_settings(self.settings),
            promote="always",  # whatever the gate says, which is shown: without a champion there is nothing to watch
            reasons=reason_book(self.catalogue),
            say=self._say,
        )
        return self._trained

    def build_state(self) -> None:
        """Make the online state from the lake."""
        wiring.build_online_state(self.settings, self.catalogue, say=self._say)

    def start_stream(self) -> None:
        """The stream is running, as `paywarden stream run` in a process of its own."""
        log = self.directory / "stream.log"
        self._stream = wiring.command_process("The stream", ["stream", "run"], log, self.environment())
        self._stream.start()
        self._stream.wait_until(lambda: READY in log.read_text(errors="replace"), _STREAM_START_SECONDS)

    def await_stream(self, inputs: int, seconds: float) -> None:
        """Return once the stream has accounted for ``inputs`` records."""
        deadline = time.monotonic() + seconds
        while sum(batch["rows"] for batch in self.stream_seconds()) < inputs:
            if self._stream is None or not self._stream.running:
                raise StreamError(f"the stream ended early; its log says:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise StreamError(
                    f"the stream did not decide all within {seconds:.0f} s; its log says:\n{self._log_tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def stop_stream(self) -> None:
        """The stream has ended gracefully."""
        if self._stream is not None:
            self._stream.stop(grace_seconds=60.0)
            self._stream = None

    def take_alerts(self) -> dict[str, int]:
        """Alerts are cases in the demo's own database."""
        return take_demo_alerts(self.settings)

    def monitor(self) -> str:
        """The verdict on the champion; the report is where the console looks for it. Parity is left to the demo."""
        found = wiring.monitor(self.settings, parity=False, say=self._say)
        if found is None:
            return "quiet"
        write_reports(found, self.settings.console.monitor_report.parent)
        return found.verdict

    def served(self) -> Served:
        """Everything the stream sent, and its manifests."""
        topics, source = self.settings.kafka.topics, wiring.kafka_source(self.settings, headers=True)
        predictions = source.read_all(topics.predictions)["value"].to_pylist()
        return Served(
            decisions=decode_decisions(predictions, self._schema),
            outcomes=decode_outcomes(source.read_all(topics.outcomes)["value"].to_pylist()),
            dead_letters=dead_letter_origins(source.read_all(topics.dead_letters)),
            manifests=wiring.manifests(self.settings).all(),
        )

    def history(self) -> History:
        """Everything valid in the lake."""
        return wiring.training_history(self.settings)

    def scorer_of(self, digest: str) -> Scorer:
        """The scorer of the trained model."""
        if self._trained is None or self._trained.result.bundle.digest != digest:
            raise StreamError(f"the stream served a model {digest[:12]} that this demo did not train")
        return Scorer(self._trained.result.bundle)

    def stream_seconds(self) -> list[dict[str, Any]]:
        """The stream's figures by micro-batch."""
        path = wiring.stream_directory(self.settings) / "progress.jsonl"
        if not path.exists():
            return []
        # The last line may be half written.
        return [json.loads(line) for line in path.read_text().split("\n")[:-1]]

    def environment(self) -> dict[str, str]:
        """The variables with which any `paywarden` command talks to this platform; none before it has started."""
        if self._servers is None:
            return {}
        return {
            f"PAYWARDEN_{section.upper()}__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for section, fields in self._located(self._servers).items()
            for name, value in fields.items()
        }

    def stop(self) -> None:
        """Everything has ended; data stays."""
        self.stop_stream()
        if self._servers is not None:
            self._servers.stop()

    def _located(self, servers: wiring.Servers) -> dict[str, dict[str, Any]]:
        """The overrides with where everything is."""
        places: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap_servers": servers.bootstrap_servers},
            "mlflow": {"tracking_uri": servers.tracking_uri},
            "lake": {"path": str(self.directory / "lake")},
            "state": {"path": str(self.directory / "state")},
            "cases": {"database": f"sqlite:///{self.directory / 'cases.sqlite'}"},
            "console": {"monitor_report": str(self.directory / "monitor" / "report.json")},
            "stream": {
                "directory": str(self.directory / "stream"),
                "manifests": str(self.directory / "manifests"),
                "trigger_interval_seconds": 0,
            },
        }
        sections = self._overrides.keys() | places.keys()
        return {name: {**places.get(name, {}), **self._overrides.get(name, {})} for name in sorted(sections)}

    def _remembering(self, arrivals: Iterable[Arrivals]) -> Iterator[Arrivals]:
        for portion in arrivals:
            if portion.transactions.num_rows:
                self._last_sent = portion.transactions
            yield portion

    def _log_tail(self) -> str:
        return self._stream.log_tail() if self._stream else ""


def dead_letter_origins(dead_letters: pa.Table) -> pa.Table:
    """The coordinates of the originals, from the headers of dead letters."""
    headers = [{h["key"]: h["value"] for h in row} for row in dead_letters["headers"].to_pylist()]
    return pa.table(
        {
            "topic": pa.array([h[f"{PREFIX}topic"].decode() for h in headers], pa.string()),
            "partition": pa.array([int(h[f"{PREFIX}partition"]) for h in headers], pa.int32()),
            "offset": pa.array([int(h[f"{PREFIX}offset"]) for h in headers], pa.int64()),
        }
    )
