"""Rounds taken in turn: what every ratio of the report rests on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ROUNDS = 5

Spread = dict[str, object]


class Skipped(Exception):
    """A part cannot be measured here; the message says what is missing and how to bring it."""


@dataclass(frozen=True)
class Timing:
    """Seconds on the clock, and seconds of this process's CPU, of which other work on the machine takes less away."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Timing:
    """How long the work took; what it gave is let go."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def in_turn(
    contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, say: Callable[[str], None] = print
) -> dict[str, list[Timing]]:
    """The timings of each contestant by round, after a round that is thrown away, for it compiles and warms.

    Each round begins with another contestant, so that none always follows the same one.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken = timed(contestants[name])
            if number:
                timings[name].append(taken)
            say(f"  {f'round {number} of {rounds}' if number else 'warming'}: {name} {taken.wall:.2f} s")
    return timings


def seconds(timings: Sequence[Timing]) -> dict[str, Spread]:
    """The two clocks' spreads."""
    return {"seconds": spread([t.wall for t in timings]), "cpu_seconds": spread([t.cpu for t in timings])}


def rates(rows: int, timings: Sequence[Timing]) -> Spread:
    """Rows a second on the clock."""
    return spread([rows / t.wall for t in timings])


def ratios(slower: Sequence[Timing], faster: Sequence[Timing]) -> Spread:
    """Round by round, how many times as long the one took as the other."""
    return spread([s.wall / f.wall for s, f in zip(slower, faster, strict=True)])


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most of the rounds, and the rounds."""
    rounds = [_rounded(value) for value in values]
    return {"median": _rounded(statistics.median(values)), "min": min(rounds), "max": max(rounds), "rounds": rounds}


def _rounded(value: float) -> float:
    return round(value) if value >= 1000 else round(value, 4)
