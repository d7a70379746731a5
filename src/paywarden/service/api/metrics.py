"""What Prometheus reads of the API. With several workers their figures are added up, through files they share."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)

FALLBACK_REASONS = ("timeout", "no_model", "state", "error")
"""Why an answer has no score."""


class ApiMetrics:
    """Counters and histograms of one worker."""

    def __init__(self, shared: str | None = None) -> None:
        self._shared = shared
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "paywarden_api_requests", "Requests by status of the answer", ["status"], registry=registry
        )
        for status in ("200", "500"):  # from nothing to one is no growth for Prometheus, from zero it is
            self.requests.labels(status)
        self.seconds = Histogram(
            "paywarden_api_request_seconds", "Time to answer a scoring request", buckets=_SECONDS, registry=registry
        )
        self.decisions = Counter(
            "paywarden_api_decisions", "Decisions given", ["decision", "source"], registry=registry
        )
        self.fallbacks = Counter("paywarden_api_fallbacks", "Answers without a score", ["reason"], registry=registry)
        for reason in FALLBACK_REASONS:
            self.fallbacks.labels(reason)
        self.repeated = Counter("paywarden_api_repeated", "Answers that had been given before", registry=registry)
        self.refused = Counter("paywarden_api_refused", "Transactions refused", ["reason"], registry=registry)
        self.state_age = Gauge(
            "paywarden_api_state_age_seconds",
            "Since the state read last was moved by the stream",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.outbox = Gauge(
            "paywarden_api_outbox_records",
            "Records on their way to Kafka",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.model = Gauge(
            "paywarden_api_model_version",
            "Version of the model that answers; 0 while there is none",
            registry=registry,
            multiprocess_mode="min",
        )

    def exposition(self) -> bytes:
        """All figures in Prometheus's text format."""
        if self._shared is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, path=self._shared)  # type: ignore[no-untyped-call]  # as it comes
        return generate_latest(together)

    def count_decisions(self, decided: Iterable[tuple[str, str]]) -> None:
        """Count decisions by what and by whom."""
        for decision, source in decided:
            self.decisions.labels(decision, source).inc()
