"""Produce for ever: a simulated world's history at once, then its days at a rate, going on where it was stopped.

Guarantee: every event at least once. The position is kept after its events are acknowledged; killed in between, up to a
second's events are sent again, which the stream recognises as repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

from paywarden.clock import Clock
from paywarden.events.schema import EventSchema
from paywarden.jobs.produce import Arrivals, Produced, Sink, produce, slices

LONGEST_DELAY_DAYS = 60
"""Labels arrive up to 45 days after their payment: a world that is begun so long before a day has all of that day's."""


class DayOfArrivals(Arrivals, Protocol):
    """What arrives on one day."""

    @property
    def day(self) -> int:
        """The number of the day in its world."""


@dataclass(frozen=True)
class Position:
    """What has been acknowledged: all days before ``day``, and the first ``events`` that arrive on it."""

    day: int = 0
    events: int = 0

    @classmethod
    def from_json(cls, text: str) -> Position:
        """The position that :meth:`to_json` wrote. Raises ValueError or TypeError for anything else."""
        return cls(**{name: int(value) for name, value in dict(json.loads(text)).items()})

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def first_day(position: Position) -> int:
    """From which day on a world must be asked for, so that nothing which arrives from the position on is missing."""
    return max(0, position.day - LONGEST_DELAY_DAYS)


def produce_forever(
    days: Iterable[DayOfArrivals],
    position: Position,
    sink: Sink,
    topics: tuple[str, str],
    schema: EventSchema,
    *,
    history_days: int,
    rate: float,
    clock: Clock,
    sleep: Callable[[float], object],
    stopped: Callable[[], bool],
    keep: Callable[[Position], None],
) -> Iterator[Produced]:
    """Send what arrives from the position on, until ``stopped``; how many events each portion had.

    ``days`` are consecutive, from :func:`first_day` on. Days before ``history_days`` are sent as fast as it goes, later
    ones at ``rate`` events a second. ``topics`` are those of transactions and labels. Raises KafkaError where an event
    was not acknowledged.
    """
    for day in days:
        if day.day < position.day:
            continue
        past = day.day < history_days
        sent = 0
        for portion in [day] if past else slices([day], max(int(rate), 1)):
            if stopped():
                return
            sent += portion.transactions.num_rows + portion.labels.num_rows
            if sent > position.events or day.day > position.day:
                yield produce([portion], sink, *topics, schema, rate=None if past else rate, clock=clock, sleep=sleep)
                keep(Position(day.day, sent))
        keep(Position(day.day + 1))
