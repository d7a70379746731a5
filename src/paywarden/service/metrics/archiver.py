"""Figures of an archiver that runs for ever."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from paywarden.clock import Clock
from paywarden.jobs.archive import Archived

_ROUND_SECONDS = (0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class ArchiverMetrics:
    """Counters and gauges of one archiver."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.rows = Counter("paywarden_archiver_rows", "Rows that reached the lake", ["topic"], registry=registry)
        self.rejected = Counter(
            "paywarden_archiver_rejected_rows", "Those of them that failed validation", ["topic"], registry=registry
        )
        self.lag = Gauge(
            "paywarden_archiver_lag_records", "Records that wait for the lake", ["topic"], registry=registry
        )
        self.round_seconds = Histogram(
            "paywarden_archiver_round_seconds",
            "Time of a round",
            buckets=_ROUND_SECONDS,
            registry=registry,
        )
        self.last_round = Gauge(
            "paywarden_archiver_last_round_timestamp_seconds", "When a round ended well last", registry=registry
        )
        self.failures = Counter("paywarden_archiver_failures", "Rounds that failed", registry=registry)

    def progress(self, topic: str, done: int, total: int) -> None:
        """So many of a topic's waiting records are in the lake."""
        self.lag.labels(topic).set(total - done)

    def round(self, moved: Archived, seconds: float) -> None:
        """A round has ended well."""
        for topic, rows in moved.rows.items():
            self.rows.labels(topic).inc(rows)
            self.rejected.labels(topic).inc(moved.rejected[topic])
        self.round_seconds.observe(seconds)
        self.last_round.set(self._clock() / 1000)
