"""Figures of a producer that goes on for ever."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from paywarden.clock import Clock
from paywarden.jobs.produce import Produced, Sink

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class ProducerMetrics:
    """Counters and gauges of one producer."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.events = Counter("paywarden_producer_events", "Acknowledged events", ["kind"], registry=registry)
        self.last_sent = Gauge(
            "paywarden_producer_last_sent_timestamp_seconds", "When events were acknowledged last", registry=registry
        )
        self.seconds = Histogram(
            "paywarden_producer_acknowledged_seconds",
            "From the first event of a portion to Kafka's word that it has all",
            buckets=_SECONDS,
            registry=registry,
        )
        self.day = Gauge("paywarden_producer_day", "The day of the simulated world that was reached", registry=registry)

    def timed(self, sink: Sink) -> Sink:
        """The same sink, its deliveries timed."""
        return _Timed(sink, self.seconds)

    def sent(self, done: Produced) -> None:
        """A portion was acknowledged."""
        self.events.labels("transaction").inc(done.transactions)
        self.events.labels("label").inc(done.labels)
        self.last_sent.set(self._clock() / 1000)


@dataclass
class _Timed:
    sink: Sink
    seconds: Histogram
    began: float | None = None

    def send_many(self, topic: str, keys: Sequence[bytes | None], values: Sequence[bytes]) -> None:
        if self.began is None:
            self.began = time.perf_counter()
        self.sink.send_many(topic, keys, values)

    def flush(self) -> None:
        self.sink.flush()
        if self.began is not None:
            self.seconds.observe(time.perf_counter() - self.began)
        self.began = None
