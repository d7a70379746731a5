"""Figures of the stream, fed by the driver at the end of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from paywarden.clock import Clock
from paywarden.errors import PaywardenError
from paywarden.events.stream_minutes import BUCKETS_MS
from paywarden.features.manifest import BatchManifest, BatchOutcome
from paywarden.features.state import StoreStats
from paywarden.service.metrics.counted_histogram import CountedHistogram

_BATCH_SECONDS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300)
_SIZES_EVERY_MS = 60_000
"""A look at the state's size reads a record a shard."""


class StreamMetrics:
    """Counters and gauges of one driver; figures of a batch that Spark ran twice are counted twice."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._sized_at = 0
        self.events = Counter(
            "paywarden_stream_events", "Input records by what became of them", ["outcome"], registry=registry
        )
        self.decisions = Counter(
            "paywarden_stream_decisions", "Decisions by what and by whom", ["decision", "source"], registry=registry
        )
        self.latency = CountedHistogram(
            "paywarden_stream_latency_seconds",
            "From a payment's arrival in Kafka to its decision",
            [bound / 1000 for bound in BUCKETS_MS],
            registry,
        )
        self.batch_seconds = Histogram(
            "paywarden_stream_batch_seconds", "Time that a batch took", buckets=_BATCH_SECONDS, registry=registry
        )
        self.last_batch = Gauge(
            "paywarden_stream_last_batch_timestamp_seconds", "When a batch ended last, as Unix time", registry=registry
        )
        self.lag = Gauge(
            "paywarden_stream_lag_records", "Records beyond the last batch, by topic", ["topic"], registry=registry
        )
        self.state_records = Gauge(
            "paywarden_stream_state_records", "Records of the online state, by entity", ["entity"], registry=registry
        )
        self.state_bytes = Gauge(
            "paywarden_stream_state_bytes", "Bytes of these records and keys", ["entity"], registry=registry
        )
        self.waiting = Gauge(
            "paywarden_stream_waiting_for_champion", "1 while there is no model to serve", registry=registry
        )
        self.warnings = Counter("paywarden_stream_warnings", "Warnings that were said", registry=registry)
        self.model = Info("paywarden_stream_model", "The model of the last batch, and its shadow", registry=registry)

    def batch(self, manifest: BatchManifest, outcome: BatchOutcome, seconds: float) -> None:
        """A batch has ended."""
        for name, count in (
            ("decision", outcome.decisions),
            ("duplicate", outcome.duplicates),
            ("label", outcome.labels),
            ("repeated_label", outcome.repeated_labels),
            ("dead_letter", outcome.dead_letters),
        ):
            self.events.labels(name).inc(count)
        for kind, count in outcome.by_decision.items():
            self.decisions.labels(kind, "stream").inc(count)
        self.decisions.labels("any", "shadow").inc(outcome.shadows)
        self.latency.add(outcome.latencies, outcome.latency_total_ms / 1000)
        self.batch_seconds.observe(seconds)
        self.last_batch.set(self._clock() / 1000)
        self.model.info(
            {
                "version": manifest.bundle_version or "",
                "digest": (manifest.bundle_digest or "")[:12],
                "shadow_version": manifest.shadow_version or "",
            }
        )

    def behind(self, lag: Mapping[str, int]) -> None:
        """So many records of each topic wait."""
        for topic, records in lag.items():
            self.lag.labels(topic).set(records)

    def measure(self, sizes: Callable[[], Sequence[StoreStats]]) -> None:
        """Look at the state's size, at most once a minute; a store that does not answer fails no finished batch."""
        if self._clock() - self._sized_at < _SIZES_EVERY_MS:
            return
        self._sized_at = self._clock()
        try:
            found = sizes()
        except PaywardenError:
            return
        for size in found:
            self.state_records.labels(size.entity).set(size.records)
            self.state_bytes.labels(size.entity).set(size.payload_bytes)
