"""Figures of a producer that goes on for ever."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from paywarden.clock import Clock
from paywarden.jobs.produce import Produced


class ProducerMetrics:
    """Counters and gauges of one producer."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.events = Counter("paywarden_producer_events", "Acknowledged events", ["kind"], registry=registry)
        self.last_sent = Gauge(
            "paywarden_producer_last_sent_timestamp_seconds", "When events were acknowledged last", registry=registry
        )
        self.day = Gauge("paywarden_producer_day", "The day of the simulated world that was reached", registry=registry)

    def sent(self, done: Produced) -> None:
        """A portion was acknowledged."""
        self.events.labels("transaction").inc(done.transactions)
        self.events.labels("label").inc(done.labels)
        self.last_sent.set(self._clock() / 1000)
