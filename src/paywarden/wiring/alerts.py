"""The database of cases and what works on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from paywarden import wiring
from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.intake import SqlCaseIntake
from paywarden.adapters.alerts.lease import SqlLease
from paywarden.adapters.alerts.outbox import SqlLabelOutbox, SqlPostOutbox
from paywarden.adapters.alerts.queue import SqlCaseQueue
from paywarden.adapters.alerts.verdicts import SqlCaseReview
from paywarden.adapters.alerts.webhook import HttpWebhook
from paywarden.clock import system_clock
from paywarden.events.alerts import Alert, AssumedProbability
from paywarden.events.cases import label_message
from paywarden.events.schema import EventSchema
from paywarden.features.windows import DAY_MS
from paywarden.jobs.alerts import CaseTopics, Taken, take_alerts
from paywarden.jobs.post_alerts import post_alerts
from paywarden.jobs.send_verdicts import send_verdicts
from paywarden.settings import Settings


def case_database(settings: Settings) -> CaseDatabase:
    """The database of cases, with the schema of this version."""
    return CaseDatabase(settings.cases.database.get_secret_value())


def case_review(database: CaseDatabase, schema: EventSchema) -> SqlCaseReview:
    """What analysts do with cases."""

    def label_of(document: bytes, is_fraud: bool, at: int) -> tuple[bytes, bytes]:
        return label_message(document, schema, is_fraud=is_fraud, at=at)

    return SqlCaseReview(database, label_of)


def case_queue(database: CaseDatabase) -> SqlCaseQueue:
    """What pages show of cases."""
    return SqlCaseQueue(database)


def records_waiting(settings: Settings, intake: SqlCaseIntake) -> dict[str, int]:
    """Topic → how many of its records are not in the database of cases yet. Raises KafkaError, CaseStoreError."""
    topics = settings.kafka.topics
    names = [topics.alerts, *([topics.predictions] if settings.cases.timeline_days > 0 else [])]
    source = wiring.kafka_source(settings)
    ends, earliest = source.end_offsets(names), source.earliest_offsets(names)
    found = {}
    for topic in names:
        known = intake.next_offsets(topic, list(ends[topic]))
        found[topic] = sum(
            end - (earliest[topic][p] if known[p] is None else int(known[p] or 0)) for p, end in ends[topic].items()
        )
    return found


@dataclass(frozen=True)
class AlertWork:
    """The pieces of work of `paywarden alerts run`. Only the holder of the lease does them; others stand by."""

    settings: Settings
    database: CaseDatabase
    intake: SqlCaseIntake
    lease: SqlLease
    webhook: HttpWebhook | None

    def take(self, heard: Callable[[Alert], None] = lambda _alert: None) -> Taken:
        """Everything new from Kafka into the database; ``heard`` is told of each alert."""
        topics, wanted = self.settings.kafka.topics, self.settings.cases
        names = CaseTopics(topics.alerts, topics.predictions if wanted.timeline_days > 0 else None)
        source, schema = wiring.kafka_source(self.settings), wiring.event_schema(self.settings)
        assumed = AssumedProbability(wanted.assumed_for_review, wanted.assumed_for_decline)
        return take_alerts(source, self.intake, names, schema, assumed=assumed, heard=heard)

    def send(self) -> int:
        """Verdicts that wait to the labels topic; how many."""
        outbox, source = SqlLabelOutbox(self.database), wiring.kafka_source(self.settings)
        topic = self.settings.kafka.topics.labels
        return send_verdicts(outbox, source, lambda: wiring.kafka_sink(self.settings), topic)

    def post(self) -> int:
        """Alerts that are due to the webhook; how many it took."""
        if self.webhook is None:
            return 0
        return post_alerts(SqlPostOutbox(self.database), self.webhook, system_clock)

    def standing(self) -> tuple[dict[str, int], int, dict[str, tuple[int, int]], dict[str, int]]:
        """What waits: records by topic, labels to be sent, cases with their expected loss by status, posts by state."""
        waiting, cases = records_waiting(self.settings, self.intake), SqlCaseQueue(self.database).counts()
        return waiting, SqlLabelOutbox(self.database).unsent(), cases, SqlPostOutbox(self.database).by_state()

    def forget(self) -> int:
        """Payments older than timelines show, by the newest one's time; how many were dropped."""
        newest = self.intake.newest_payment()
        if newest is None:
            return 0
        return self.intake.forget_payments(newest - int(self.settings.cases.timeline_days * DAY_MS))

    def close(self) -> None:
        """Give the lease back and close all connections."""
        self.lease.give_back()
        self.database.close()
        if self.webhook is not None:
            self.webhook.close()


def alert_work(settings: Settings) -> AlertWork:
    """What `paywarden alerts run` does here."""
    database, wanted = case_database(settings), settings.cases
    secret = wanted.webhook_secret.get_secret_value().encode() if wanted.webhook_secret else None
    webhook = (
        HttpWebhook(wanted.webhook_url.get_secret_value(), secret, timeout_seconds=wanted.webhook_timeout_seconds)
        if wanted.webhook_url
        else None
    )
    intake = SqlCaseIntake(database, posts=webhook is not None)
    return AlertWork(settings, database, intake, SqlLease(database, "alerts", uuid.uuid4().hex), webhook)
