"""The stream's health as the console shows it: what waits in Kafka, and what was refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from paywarden import wiring
from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.outbox import SqlLabelOutbox
from paywarden.adapters.kafka.admin import ping
from paywarden.errors import KafkaError
from paywarden.events.dead_letter import PREFIX, REASON_HEADER
from paywarden.features.manifest import BatchManifest
from paywarden.jobs.archive import Source
from paywarden.jobs.dead_letters import Redriven, Selection
from paywarden.settings import Settings
from paywarden.wiring.alerts import records_waiting
from paywarden.wiring.dead_letters import dead_letter_office

PATIENCE_SECONDS: Final = 3.0
"""A page waits for Kafka so long: connecting to a cluster far away, with TLS and SASL, takes up to a second."""
_LETTERS: Final = 50
_MANIFESTS: Final = 20
"""Of a partition; the last may be those of a state that is being built, which decide nothing."""
_REDRIVE_SECONDS: Final = 20.0
"""A browser waits for the answer."""


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
    """What waits in Kafka and in the outbox, and what was refused.

    Where :meth:`answers` has said that Kafka is away, nothing else is asked of it: a page waits for it once.
    """

    settings: Settings
    database: CaseDatabase
    redriving: threading.Lock = field(default_factory=threading.Lock)

    def answers(self) -> bool:
        """Whether Kafka answers, waited for :data:`PATIENCE_SECONDS` at most."""
        try:
            return ping(wiring.kafka(self.settings), PATIENCE_SECONDS) > 0
        except KafkaError:
            return False

    def waiting(self, *, answers: bool) -> dict[str, int | None]:
        """Records and labels that wait, by what they wait for; None where Kafka does not answer."""
        topics = self.settings.kafka.topics
        names = {"alerts to take": topics.alerts, "payments to take": topics.predictions}
        undecided = {"records to decide": self._undecided() if answers else None}
        unsent = {"verdicts to send": SqlLabelOutbox(self.database).unsent()}
        known: dict[str, int | None] = dict.fromkeys(names)
        if answers:
            with suppress(KafkaError):
                waiting = records_waiting(self.settings, SqlCaseIntake(self.database))
                known = {words: waiting[topic] for words, topic in names.items() if topic in waiting}
        return {**undecided, **known, **unsent}

    def _undecided(self) -> int | None:
        """Records beyond the stream's last batch; None before the first, and where Kafka does not answer."""
        try:
            last = _last_batch(wiring.kafka_source(self.settings), self.settings.kafka.topics.manifests)
            return None if last is None else sum(wiring.lag_of(self.settings)(last).values())
        except KafkaError:
            return None

    def dead_letters(self, *, answers: bool) -> list[DeadLetter] | None:
        """The last refused records, the newest first; None where Kafka does not answer."""
        if not answers:
            return None
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
