"""What `paywarden monitor` left for Prometheus, handed on with another part's figures: it runs for minutes only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


class MonitorFile(Collector):
    """The metrics of a file, read anew at each look; none while it is not there or not readable."""

    def __init__(self, path: Path, registry: CollectorRegistry) -> None:
        self._path = path
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the file is read."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The file's families."""
        try:
            return list(text_string_to_metric_families(self._path.read_text()))
        except (OSError, ValueError):
            return ()
