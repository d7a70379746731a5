"""A mapped file as arrivals: day by day, transactions and labels by the time at which they reach us."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

DAY_MS = 86_400_000


@dataclass(frozen=True)
class DayOfFile:
    """What arrives on one day; canonical columns, by ``received_at``."""

    transactions: pa.Table
    labels: pa.Table


def arrivals_between(transactions: pa.Table, labels: pa.Table, start_ms: int, end_ms: int) -> Iterator[DayOfFile]:
    """Days (epoch ms, UTC) from ``start_ms`` up to ``end_ms`` of canonical tables, each in order of arrival."""
    transactions, labels = _by_arrival(transactions), _by_arrival(labels)
    first = start_ms
    while first < end_ms:
        last = min((first // DAY_MS + 1) * DAY_MS, end_ms)
        yield DayOfFile(_between(transactions, first, last), _between(labels, first, last))
        first = last


def _by_arrival(table: pa.Table) -> pa.Table:
    return table.take(pa.array(np.argsort(table["received_at"].to_numpy(), kind="stable"))).combine_chunks()


def _between(table: pa.Table, first: int, last: int) -> pa.Table:
    received_at = table["received_at"].to_numpy()
    start, stop = np.searchsorted(received_at, [first, last])
    return table.slice(start, stop - start)
