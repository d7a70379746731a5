"""The stream's pace by minute: how many decisions of which kind, and how long each took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

BUCKETS_MS: Final = (50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000, 60_000)
"""Upper bounds of the latencies' buckets; the last bucket, beyond them, has none."""
MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class StreamMinute:
    """The decisions of one minute (epoch ms ÷ 60,000) by kind, and by latency from Kafka timestamp to decision."""

    minute: int
    approved: int
    reviewed: int
    declined: int
    latencies: tuple[int, ...]

    @property
    def decisions(self) -> int:
        """All of them."""
        return self.approved + self.reviewed + self.declined


def by_minute(payments: pa.Table) -> list[StreamMinute]:
    """The minutes of decisions, from columns ``decided_at``, ``arrived_at`` (may be null) and ``decision``."""
    decided_at = payments["decided_at"].to_numpy()
    minute = decided_at // MINUTE_MS
    arrived_at = payments["arrived_at"].fill_null(-1).to_numpy()
    bucket = np.searchsorted(BUCKETS_MS, decided_at - arrived_at, side="left")
    kind = payments["decision"].to_numpy(zero_copy_only=False)
    found = []
    for each in np.unique(minute).tolist():
        here = minute == each
        approved, reviewed, declined = (int((here & (kind == name)).sum()) for name in ("approve", "review", "decline"))
        timed = np.bincount(bucket[here & (arrived_at >= 0)], minlength=len(BUCKETS_MS) + 1)
        found.append(StreamMinute(each, approved, reviewed, declined, tuple(timed.tolist())))
    return found


def added(one: StreamMinute, other: StreamMinute) -> StreamMinute:
    """Both of one minute together."""
    return StreamMinute(
        one.minute,
        one.approved + other.approved,
        one.reviewed + other.reviewed,
        one.declined + other.declined,
        tuple(a + b for a, b in zip(one.latencies, other.latencies, strict=True)),
    )


def quantile_ms(latencies: Sequence[int], share: float) -> float | None:
    """The latency (ms) that this share of decisions stayed below, linear within its bucket; None without any."""
    total = sum(latencies)
    if not total:
        return None
    before, floor = 0, 0.0
    for bound, count in zip(BUCKETS_MS, latencies, strict=False):
        if before + count >= share * total and count:
            return floor + (bound - floor) * (share * total - before) / count
        before, floor = before + count, float(bound)
    return floor
