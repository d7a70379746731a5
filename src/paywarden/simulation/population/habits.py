"""When people pay: the hours of the day by habit; days and weeks are in :mod:`.calendar`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import HOUR_MS
from paywarden.simulation.population.calendar import WEEKDAYS

# Relative frequency of each local hour (0 to 23) by habit: early riser, office hours, late, all day.
_HOURS = np.array(
    [
        [1, 1, 1, 1, 2, 5, 11, 16, 17, 17, 18, 18, 17, 15, 14, 14, 13, 12, 10, 8, 5, 3, 2, 1],
        [1, 1, 1, 1, 1, 2, 5, 12, 12, 8, 8, 11, 22, 19, 10, 8, 10, 17, 22, 18, 12, 7, 4, 2],
        [5, 4, 3, 2, 1, 1, 2, 4, 6, 8, 9, 11, 13, 13, 12, 12, 13, 15, 18, 19, 18, 16, 12, 8],
        [2, 2, 1, 1, 1, 2, 4, 8, 11, 13, 14, 15, 16, 15, 14, 14, 14, 15, 16, 14, 11, 8, 5, 3],
    ],
    dtype=np.float64,
)
HOURS_HABITS = len(_HOURS)
WEEK_HABITS = len(WEEKDAYS)
_WEEKEND_LATER_HOURS = 2
_ONLINE_LATER_HOURS = 3
_ONLINE_ANY_HOUR = 0.25  # the share of online payments spread evenly over the day: renewals, other people's evenings

_STEPS = 512


def time_of_day_ms(
    u: NDArray[np.float64], habit: NDArray[np.integer], online: NDArray[np.bool_], weekend: bool
) -> NDArray[np.float64]:
    """Local times of day in milliseconds ``[n]`` for uniform draws `u`, by the inverse of each habit's distribution."""
    row = (habit * 2 + online) * 2 + int(weekend)
    place = u * _STEPS
    step = place.astype(np.int64)
    left = row * (_STEPS + 1) + step
    low = _TIMES[left]
    return low + (place - step) * (_TIMES[left + 1] - low)


def _inverse(hours: NDArray[np.float64]) -> NDArray[np.float64]:
    cumulative = np.concatenate([[0.0], np.cumsum(hours) / hours.sum()])
    return np.interp(np.linspace(0.0, 1.0, _STEPS + 1), cumulative, np.arange(25) * float(HOUR_MS))


def _hours_of(habit: int, online: bool, weekend: bool) -> NDArray[np.float64]:
    later = _ONLINE_LATER_HOURS * online + _WEEKEND_LATER_HOURS * weekend
    hours = np.roll(_HOURS[habit] / _HOURS[habit].sum(), later)
    return (1 - _ONLINE_ANY_HOUR) * hours + _ONLINE_ANY_HOUR / 24 if online else hours


_TIMES = np.concatenate(
    [
        _inverse(_hours_of(habit, online, weekend))
        for habit in range(HOURS_HABITS)
        for online in (False, True)
        for weekend in (False, True)
    ]
)
