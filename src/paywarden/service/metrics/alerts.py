"""Figures of the alert consumer, and of the cases that wait for analysts."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from paywarden.clock import Clock
from paywarden.jobs.alerts import Taken

_ROUND_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class AlertMetrics:
    """Counters and gauges of one `paywarden alerts run`."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.taken = Counter("paywarden_alerts_taken", "New alerts that became part of a case", registry=registry)
        self.payments = Counter("paywarden_alerts_payments_taken", "Payments taken for timelines", registry=registry)
        self.unreadable = Counter(
            "paywarden_alerts_unreadable", "Messages that are no decisions of ours", registry=registry
        )
        self.labels_sent = Counter("paywarden_alerts_labels_sent", "Labels of verdicts acknowledged", registry=registry)
        self.posted = Counter("paywarden_alerts_posted", "Alerts that the webhook took", registry=registry)
        self.posts = Gauge(
            "paywarden_alerts_posts",
            "Alerts for the webhook that wait, that failed at least once and wait, that were given up",
            ["state"],
            registry=registry,
        )
        self.failures = Counter("paywarden_alerts_failures", "Rounds that failed", registry=registry)
        self.round_seconds = Histogram(
            "paywarden_alerts_round_seconds", "Time of a round", buckets=_ROUND_SECONDS, registry=registry
        )
        self.last_round = Gauge(
            "paywarden_alerts_last_round_timestamp_seconds", "When a round ended well last", registry=registry
        )
        self.working = Gauge("paywarden_alerts_working", "1 where it works, 0 where it stands by", registry=registry)
        self.lag = Gauge("paywarden_alerts_lag_records", "Records that wait to be taken", ["topic"], registry=registry)
        self.labels_waiting = Gauge(
            "paywarden_alerts_labels_waiting", "Labels of verdicts that wait to be sent", registry=registry
        )
        self.cases = Gauge("paywarden_alerts_cases", "Cases by status", ["status"], registry=registry)
        self.expected_loss = Gauge(
            "paywarden_alerts_expected_loss", "Expected loss of cases, in minor units", ["status"], registry=registry
        )

    def round(self, done: tuple[Taken, int], seconds: float) -> None:
        """A round has ended well: what it took, and the labels it sent."""
        taken, labels = done
        self.taken.inc(taken.alerts)
        self.payments.inc(taken.payments)
        self.unreadable.inc(taken.unreadable)
        self.labels_sent.inc(labels)
        self.round_seconds.observe(seconds)
        self.last_round.set(self._clock() / 1000)

    def standing(
        self,
        lag: Mapping[str, int],
        labels_waiting: int,
        cases: Mapping[str, tuple[int, int]],
        posts: Mapping[str, int],
    ) -> None:
        """What waits: records by topic, labels, cases with their expected loss by status, and posts by state."""
        for state, count in posts.items():
            self.posts.labels(state).set(count)
        for topic, records in lag.items():
            self.lag.labels(topic).set(records)
        self.labels_waiting.set(labels_waiting)
        for status, (count, loss) in cases.items():
            self.cases.labels(status).set(count)
            self.expected_loss.labels(status).set(loss)
