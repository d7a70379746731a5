"""A histogram of what was counted elsewhere: prometheus_client's own takes observations one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class CountedHistogram(Collector):
    """Counts by bucket, added up; ``bounds`` are the buckets' upper bounds, the last bucket has none."""

    def __init__(self, name: str, help_: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._help = name, help_
        self._bounds = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        self._counts, self._sum = [0] * len(self._bounds), 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add the counts of each bucket, and the sum of what was counted."""
        with self._lock:
            self._counts = [old + new for old, new in zip(self._counts, counts, strict=True)]
            self._sum += total

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The family, with cumulative counts as Prometheus wants them."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        reached, buckets = 0, []
        for bound, count in zip(self._bounds, counts, strict=True):
            reached += count
            buckets.append((bound, float(reached)))
        yield HistogramMetricFamily(self._name, self._help, buckets=buckets, sum_value=total)
