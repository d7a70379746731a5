"""What a batch gave, counted in the workers while its rows pass, so that no second action is needed.

Spark's observed metrics would be the natural place, but its Kafka sink does not report them (they never arrive).
An accumulator may count the rows of a task twice if Spark runs it twice: these figures are for progress; the exact
account is made from the topics.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark import Accumulator, AccumulatorParam, SparkContext

from paywarden.events.stream_minutes import BUCKETS_MS
from paywarden.features.manifest import BatchOutcome

Counts = NDArray[np.int64]

DECISION, ALERT, DEAD_LETTER = "decision", "alert", "dead_letter"
DECLINED = "declined_alert"
"""An alert whose decision declines; the others ask for a review."""
DUPLICATE, LABEL, REPEATED_LABEL = "duplicate", "label", "repeated_label"
SHADOW = "shadow"
"""A decision of a challenger, beside the one that accounts for its row."""

_OUTCOMES = (DECISION, ALERT, DUPLICATE, LABEL, REPEATED_LABEL, DEAD_LETTER, SHADOW, DECLINED)
_BINS = 400
_LOG_BASE = np.log(1.05)
"""Latencies fall into bins of 5 %, from 1 ms to some years."""
_LATEST = len(_OUTCOMES) + _BINS
_EDGES = np.expm1((np.arange(_BINS) + 1) * _LOG_BASE)
"""The bins' upper edges, in ms."""
_BUCKETS = np.searchsorted(BUCKETS_MS, _EDGES)
"""The bucket that each bin falls into."""


class _TallyParam(AccumulatorParam[Counts]):
    def zero(self, value: Counts) -> Counts:
        return np.zeros_like(value)

    def addInPlace(self, value1: Counts, value2: Counts) -> Counts:  # noqa: N802 (pyspark's name)
        merged = value1 + value2
        merged[_LATEST] = max(value1[_LATEST], value2[_LATEST])
        return merged


def new_tally(context: SparkContext) -> Accumulator[Counts]:
    """An empty tally, to be added to in the workers."""
    return context.accumulator(np.zeros(_LATEST + 1, np.int64), _TallyParam())


def count_records(records: pa.Table) -> Counts:
    """The tally of records with the columns ``outcome``, ``latency_ms`` and ``received_at``."""
    counts = np.zeros(_LATEST + 1, np.int64)
    for place, outcome in enumerate(_OUTCOMES):
        counts[place] = pc.sum(pc.equal(records["outcome"], outcome)).as_py() or 0
    latency = records["latency_ms"].drop_null().to_numpy()
    bins = np.clip(np.log1p(np.maximum(latency, 0)) / _LOG_BASE, 0, _BINS - 1).astype(np.int64)
    counts[len(_OUTCOMES) : _LATEST] = np.bincount(bins, minlength=_BINS)
    counts[_LATEST] = pc.max(records["received_at"]).as_py() or 0
    return counts


def outcome_of(counts: Counts) -> BatchOutcome:
    """The tally in words."""
    counted = counts[: len(_OUTCOMES)].tolist()
    decisions, alerts, duplicates, labels, repeated_labels, dead_letters, shadows, declines = counted
    latency = counts[len(_OUTCOMES) : _LATEST]
    return BatchOutcome(
        decisions=decisions,
        alerts=alerts + declines,
        duplicates=duplicates,
        labels=labels,
        repeated_labels=repeated_labels,
        dead_letters=dead_letters,
        latency_p50_ms=_quantile(latency, 0.5),
        latency_p99_ms=_quantile(latency, 0.99),
        latest_received_at=int(counts[_LATEST]) or None,
        shadows=shadows,
        declines=declines,
        latencies=tuple(np.bincount(_BUCKETS, latency, len(BUCKETS_MS) + 1).astype(int).tolist()),
        latency_total_ms=float(latency @ _EDGES),
    )


def _quantile(histogram: Counts, share: float) -> float | None:
    """The upper edge of the bin that holds the quantile."""
    if not histogram.sum():
        return None
    place = int(np.searchsorted(np.cumsum(histogram), share * histogram.sum()))
    return float(_EDGES[place])
