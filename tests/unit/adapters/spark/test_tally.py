"""What a batch gave, counted while its rows pass."""

from __future__ import annotations

import pyarrow as pa
import pytest

from paywarden.adapters.spark.tally import count_records, outcome_of
from paywarden.events.stream_minutes import BUCKETS_MS


def records(*rows):
    outcome, latency = zip(*rows, strict=True)
    return pa.table(
        {
            "outcome": pa.array(outcome),
            "latency_ms": pa.array(latency, pa.int64()),
            "received_at": pa.array([1] * len(rows)),
        }
    )


def test_alerts_are_reviews_and_declines_together():
    alerts = [("alert", None), ("alert", None), ("declined_alert", None)]
    found = outcome_of(count_records(records(*[("decision", 70)] * 5, *alerts, ("shadow", None))))
    assert (found.decisions, found.alerts, found.declines, found.shadows) == (5, 3, 1, 1)
    assert found.by_decision == {"approve": 2, "review": 2, "decline": 1}
    assert found.inputs == 5


def test_latencies_fall_into_the_buckets_of_every_chart():
    latencies = [1, 40, 120, 480, 2_400, 90_000]
    counts = count_records(records(*[("decision", ms) for ms in latencies]))
    found = outcome_of(counts + counts)
    expected = [0] * (len(BUCKETS_MS) + 1)
    for ms in latencies:
        expected[next((i for i, bound in enumerate(BUCKETS_MS) if ms <= bound), len(BUCKETS_MS))] += 2
    assert list(found.latencies) == expected
    assert found.latency_total_ms == pytest.approx(2 * sum(latencies), rel=0.06)
