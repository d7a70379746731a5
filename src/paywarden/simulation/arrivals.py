"""Arrivals: a world's days as they reach us, late transactions and labels moved to the day of their arrival."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from paywarden.simulation.draft import DAY_MS
from paywarden.simulation.world import WorldDay


@dataclass(frozen=True)
class DayArrivals:
    """What arrives on one day of a world: `transactions` and `labels`, canonical columns, each by received_at."""

    day: int
    transactions: pa.Table
    labels: pa.Table


def arrivals(days: Iterable[WorldDay], *, drain: bool = True) -> Iterator[DayArrivals]:
    """The days' events by the day on which they arrive: every event once, in order of received_at across the days.

    `days` are consecutive days of a world, from :meth:`World.days`. Memory holds a day and the labels still on their
    way, 45 days' at most. After the last day the rest arrives, on days without payments of their own; with `drain`
    false it is left out, as if the recording had stopped at midnight.
    """
    transactions, labels = _Waiting(), _Waiting()
    day, midnight = -1, 0
    for world_day in days:
        day, midnight = world_day.day, world_day.begins_at_ms + DAY_MS
        transactions.add(world_day.transactions)
        labels.add(world_day.labels)
        yield DayArrivals(day, transactions.until(midnight), labels.until(midnight))
    while drain and (transactions or labels):
        day, midnight = day + 1, midnight + DAY_MS
        yield DayArrivals(day, transactions.until(midnight), labels.until(midnight))


class _Waiting:
    """Events that have not arrived yet, in no order."""

    def __init__(self) -> None:
        self._events: list[pa.Table] = []

    def __bool__(self) -> bool:
        return any(events.num_rows for events in self._events)

    def add(self, events: pa.Table) -> None:
        self._events.append(events)

    def until(self, before_ms: int) -> pa.Table:
        """Removes and returns what arrives before a moment, by received_at; equal times keep their order."""
        events = pa.concat_tables(self._events)
        received_at = events["received_at"].to_numpy()
        order = np.argsort(received_at, kind="stable")
        cut = int(np.searchsorted(received_at[order], before_ms))
        self._events = [events.take(np.sort(order[cut:])).combine_chunks()]
        return events.take(order[:cut]).combine_chunks()
