import pyarrow as pa
import pytest

from paywarden.events.stream_minutes import BUCKETS_MS, StreamMinute, added, by_minute, quantile_ms


def test_decisions_are_counted_by_the_minute_of_deciding_and_by_latency():
    table = pa.table(
        {
            "decided_at": [60_000, 60_100, 119_999, 120_000],
            "arrived_at": [59_960, 60_050, None, 20_000],
            "decision": ["approve", "review", "decline", "approve"],
        }
    )
    first, second = by_minute(table)
    assert (first.minute, first.approved, first.reviewed, first.declined) == (1, 1, 1, 1)
    assert first.latencies[0] == 2  # 40 and 50 ms; of the third nothing is known
    assert sum(first.latencies) == 2
    assert second.latencies[-1] == 1
    both = added(first, first)
    assert (both.decisions, sum(both.latencies)) == (6, 4)


def test_a_quantile_lies_within_its_bucket():
    counts = [0] * (len(BUCKETS_MS) + 1)
    counts[1], counts[4] = 50, 50  # 50 to 100 ms, 300 to 500 ms
    assert quantile_ms(counts, 0.5) == pytest.approx(100)
    assert quantile_ms(counts, 0.25) == pytest.approx(75)
    assert quantile_ms(counts, 0.99) == pytest.approx(496)
    assert quantile_ms([0] * len(counts), 0.5) is None
    assert quantile_ms([0] * (len(counts) - 1) + [3], 0.5) == BUCKETS_MS[-1]


def test_nothing_gives_no_minute():
    columns = {"decided_at": pa.int64(), "arrived_at": pa.int64(), "decision": pa.string()}
    assert by_minute(pa.schema(columns.items()).empty_table()) == []
    assert StreamMinute(1, 2, 3, 4, ()).decisions == 9
