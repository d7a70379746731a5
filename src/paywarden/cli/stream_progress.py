"""What a running stream says of its batches: a line for people, the same as JSON, and figures for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from paywarden import wiring
from paywarden.cli.console import log
from paywarden.errors import PaywardenError
from paywarden.features.manifest import BatchManifest, BatchOutcome
from paywarden.settings import Settings

if TYPE_CHECKING:
    from paywarden.service.metrics.stream import StreamMetrics


class StreamProgress:
    """Hears of each batch; :meth:`look` between them, and a stream that hangs is seen to fall behind."""

    def __init__(self, lag_of: wiring.LagOf, path: Path, metrics: StreamMetrics) -> None:
        self.metrics = metrics
        self._lag_of = lag_of
        self._path = path
        self._last: BatchManifest | None = None

    @classmethod
    def of(cls, settings: Settings, metrics: StreamMetrics) -> StreamProgress:
        """The progress of this deployment's stream."""
        return cls(wiring.lag_of(settings), wiring.stream_directory(settings) / "progress.jsonl", metrics)

    def __call__(self, manifest: BatchManifest, outcome: BatchOutcome, seconds: float) -> None:
        """A batch has ended."""
        self._last = manifest
        self.metrics.batch(manifest, outcome, seconds)
        by_topic = self.look()
        lag = None if by_topic is None else sum(by_topic.values())
        entry = {"batch": manifest.batch, "rows": outcome.inputs, "seconds": seconds, "lag": lag, **asdict(outcome)}
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        speed = f"{outcome.inputs / seconds:,.0f} rows/s" if seconds else ""
        latency = ""
        if outcome.latency_p50_ms is not None and outcome.latency_p99_ms is not None:
            latency = f", p50 {outcome.latency_p50_ms / 1000:.2f} s, p99 {outcome.latency_p99_ms / 1000:.2f} s"
        behind = "unknown" if lag is None else f"{lag:,}"
        log.say(
            f"batch {manifest.batch}: {outcome.inputs:,} rows in {seconds:.2f} s, {speed}{latency}, lag {behind}, "
            f"{outcome.alerts:,} alerts, {outcome.dead_letters:,} dead letters, model {manifest.bundle_version}",
            **entry,
            model_version=manifest.bundle_version,
        )

    def look(self) -> Mapping[str, int] | None:
        """How far behind the stream is; None where Kafka does not say, which must not fail a finished batch."""
        if self._last is None:
            return None
        try:
            found = self._lag_of(self._last)
        except PaywardenError:
            return None
        self.metrics.behind(found)
        return found
