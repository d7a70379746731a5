"""What the console's pages work with."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from paywarden import wiring
from paywarden.adapters.alerts.accounts import Session, SqlAccounts
from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.outbox import SqlLabelOutbox
from paywarden.adapters.alerts.queue import SqlCaseQueue
from paywarden.adapters.alerts.verdicts import SqlCaseReview
from paywarden.adapters.mlflow.registry import MlflowRegistry
from paywarden.adapters.mlflow.versions import RegisteredVersion
from paywarden.errors import KafkaError, RegistryError
from paywarden.events.dead_letter import PREFIX, REASON_HEADER
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.archive import Source
from paywarden.jobs.dead_letters import Redriven, Selection
from paywarden.jobs.verdict_record import VerdictRecord
from paywarden.settings import Settings
from paywarden.wiring.alerts import case_database, case_queue, case_review, records_waiting
from paywarden.wiring.dead_letters import dead_letter_office

__all__ = ["ConsoleParts", "Session", "console_accounts", "console_parts"]

_KEPT_SECONDS: Final = 30.0
_LETTERS: Final = 50
_MANIFESTS: Final = 20
"""Of a partition; the last may be those of a state that is being built, which decide nothing."""
_REDRIVE_SECONDS: Final = 20.0
"""A browser waits for the answer."""


@dataclass(frozen=True)
class ModelVersion:
    """A version with what the gate said of it."""

    version: int
    aliases: tuple[str, ...]
    created_at: int
    bundle_digest: str
    verdict: VerdictRecord | None


@dataclass
class Models:
    """The registry as pages show it: what was read stays for half a minute, so that a page costs no round trips."""

    registry: MlflowRegistry
    _kept: dict[object, tuple[float, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def versions(self) -> list[ModelVersion]:
        """Every version, the newest first. Raises RegistryError where the registry does not answer."""
        known: list[RegisteredVersion] = self._remembered("versions", self.registry.list_versions)
        return [_version(found) for found in known]

    def document(self, version: int, name: str) -> dict[str, Any] | None:
        """A JSON document of a version; None where there is none."""

        def read() -> Any:  # noqa: ANN401 -- JSON
            try:
                return json.loads(self.registry.document(version, name))
            except RegistryError:
                return None

        found: dict[str, Any] | None = self._remembered((version, name), read)
        return found

    def _remembered(self, key: object, read: Any) -> Any:  # noqa: ANN401
        with self._lock:
            at, value = self._kept.get(key, (0.0, None))
            if at + _KEPT_SECONDS < time.monotonic() or at == 0.0:
                value = read()
                self._kept[key] = (time.monotonic(), value)
        return value


def _version(found: RegisteredVersion) -> ModelVersion:
    record = VerdictRecord.of_tags(found.tags)
    return ModelVersion(found.version, found.aliases, found.created_at, found.bundle_digest, record)


@dataclass(frozen=True)
class DeadLetter:
    """A record that was refused: where it is and why; its content is not shown, it may hold a card number."""

    at: int
    partition: int
    offset: int
    origin: str
    reason: str
    detail: str
    size: int


@dataclass(frozen=True)
class Health:
    """What waits in Kafka and in the outbox, and what was refused."""

    settings: Settings
    database: CaseDatabase
    redriving: threading.Lock = field(default_factory=threading.Lock)

    def waiting(self) -> dict[str, int | None]:
        """Records and labels that wait, by what they wait for; None where Kafka does not answer."""
        topics = self.settings.kafka.topics
        names = {"alerts to take": topics.alerts, "payments to take": topics.predictions}
        undecided = {"records to decide": self._undecided()}
        unsent = {"verdicts to send": SqlLabelOutbox(self.database).unsent()}
        try:
            waiting = records_waiting(self.settings, SqlCaseIntake(self.database))
        except KafkaError:
            return {**undecided, **dict.fromkeys(names), **unsent}
        known = {words: waiting[topic] for words, topic in names.items() if topic in waiting}
        return {**undecided, **known, **unsent}

    def _undecided(self) -> int | None:
        """Records beyond the stream's last batch; None before the first, and where Kafka does not answer."""
        try:
            last = _last_batch(wiring.kafka_source(self.settings), self.settings.kafka.topics.manifests)
            return None if last is None else sum(wiring.lag_of(self.settings)(last).values())
        except KafkaError:
            return None

    def dead_letters(self) -> list[DeadLetter] | None:
        """The last refused records, the newest first; None where Kafka does not answer."""
        topic = self.settings.kafka.topics.dead_letters
        try:
            source = wiring.kafka_source(self.settings, headers=True)
            rows = [row for table in _newest(source, topic, _LETTERS) for row in table.to_pylist()]
        except KafkaError:
            return None
        return [_letter(row) for row in sorted(rows, key=lambda row: -row["timestamp"])[:_LETTERS]]

    def redrive(self, reason: str) -> Redriven | None:
        """Send what was refused for this reason to where it came from, as `paywarden dlq redrive` does.

        None where another one is under way: two at once may send a letter twice. It stops after a while, between two
        parcels, and goes on when it is asked for again. Raises KafkaError.
        """
        if not self.redriving.acquire(blocking=False):
            return None
        try:
            until = time.monotonic() + _REDRIVE_SECONDS
            with dead_letter_office(self.settings) as office:
                return office.redrive(
                    Selection(frozenset({reason})),
                    force=False,
                    dry_run=False,
                    stopped=lambda: time.monotonic() > until,
                    progress=lambda _count: None,
                )
        finally:
            self.redriving.release()


def _newest(source: Source, topic: str, records: int) -> Iterable[pa.Table]:
    """The last so many records of each partition."""
    ends, earliest = source.end_offsets([topic])[topic], source.earliest_offsets([topic])[topic]
    start = {p: max(earliest[p], end - records) for p, end in ends.items()}
    return source.read({topic: start}, {topic: ends})


def _last_batch(source: Source, topic: str) -> BatchManifest | None:
    tables = _newest(source, topic, _MANIFESTS)
    manifests = [BatchManifest.from_json(text) for table in tables for text in table["value"].to_pylist()]
    return max((one for one in manifests if one.batch), key=lambda one: one.tag, default=None)


def _letter(row: dict[str, Any]) -> DeadLetter:
    headers = {h["key"]: (h["value"] or b"").decode(errors="replace") for h in row["headers"] or []}
    origin = ":".join(headers.get(f"{PREFIX}{name}", "?") for name in ("topic", "partition", "offset"))
    reason = headers.get(REASON_HEADER, "unknown")
    detail = headers.get(f"{PREFIX}exception.message", "").removeprefix(f"{reason}: ")
    size = len(row["value"] or b"")
    return DeadLetter(row["timestamp"], row["partition"], row["offset"], origin, reason, detail, size)


@dataclass(frozen=True)
class ConsoleParts:
    """Everything that pages read and change."""

    queue: SqlCaseQueue
    review: SqlCaseReview
    accounts: SqlAccounts
    models: Models
    health: Health
    monitor_path: Path
    https_only: bool
    session_seconds: int

    def monitor_report(self) -> dict[str, Any] | None:
        """What `paywarden monitor` found last; None where it has not run yet, or is not readable."""
        try:
            found: dict[str, Any] = json.loads(self.monitor_path.read_text())
        except (OSError, ValueError):
            return None
        return found


def console_accounts(settings: Settings) -> SqlAccounts:
    """Who may use the console."""
    return _accounts(settings, case_database(settings))


def console_parts(settings: Settings) -> ConsoleParts:
    """What the console's pages work with here."""
    database, wanted = case_database(settings), settings.console
    return ConsoleParts(
        queue=case_queue(database),
        review=case_review(database, wiring.event_schema(settings)),
        accounts=_accounts(settings, database),
        models=Models(wiring.registry(settings)),
        health=Health(settings, database),
        monitor_path=wanted.monitor_report,
        https_only=wanted.https_only,
        session_seconds=int(wanted.session_hours * 3600),
    )


def _accounts(settings: Settings, database: CaseDatabase) -> SqlAccounts:
    return SqlAccounts(database, session_ms=int(settings.console.session_hours * 3_600_000))
