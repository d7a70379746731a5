"""The calendar: how busy a day is by weekday, month and payday, and how many such days have passed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import DAY_MS

WEEKDAYS = np.array(
    [
        [0.92, 0.92, 0.95, 0.98, 1.12, 1.18, 0.93],  # Monday to Sunday: evenly, on working days, at the weekend
        [1.08, 1.08, 1.10, 1.12, 1.18, 0.78, 0.66],
        [0.74, 0.74, 0.76, 0.82, 1.10, 1.52, 1.32],
    ]
)
"""Relative frequency of each weekday by weekly habit; each row has the mean 1."""
WEEKDAYS /= WEEKDAYS.mean(axis=1, keepdims=True)

_MONTHS = np.array([0.91, 0.93, 0.97, 0.98, 1.00, 1.02, 1.03, 0.99, 0.98, 1.00, 1.05, 1.20])  # sales, then Christmas
_TRIPS = np.array([0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.7, 1.7, 1.0, 0.9, 0.6, 1.0])
_PAYDAY, _BETWEEN = 1.06, 0.975
_PAID_FROM_DAY, _PAID_TO_DAY = 26, 4  # wages come at the month's end and are spent by its beginning
_THURSDAY = 3  # 1 January 1970
_CYCLE_DAYS = 1461 * 7  # weekdays and leap years repeat after 28 years, up to 2100

_DATES = np.datetime64("1970-01-01") + np.arange(_CYCLE_DAYS)
_MONTH = _DATES.astype("datetime64[M]").astype(np.int64) % 12
_DAY_OF_MONTH = (_DATES - _DATES.astype("datetime64[M]")).astype(np.int64) + 1
_PAID = (_DAY_OF_MONTH >= _PAID_FROM_DAY) | (_DAY_OF_MONTH <= _PAID_TO_DAY)
_SEASON = _MONTHS[_MONTH] * np.where(_PAID, _PAYDAY, _BETWEEN)
_SEASON /= _SEASON.mean()
_BUSY = _SEASON * WEEKDAYS.mean(axis=0)[(np.arange(_CYCLE_DAYS) + _THURSDAY) % 7]
_PASSED = np.concatenate([[0.0], np.cumsum(_BUSY)])


def date_of(start_at_ms: int, day: int) -> int:
    """Days from 1 January 1970 to a day of the world."""
    return start_at_ms // DAY_MS + day


def weekday_of(date: int) -> int:
    """The weekday of a date, Monday 0 to Sunday 6, in UTC."""
    return (date + _THURSDAY) % 7


def season_factor(date: int) -> float:
    """How busy this time of the year and of the month is; the mean over the years is 1."""
    return float(_SEASON[date % _CYCLE_DAYS])


def travel_factor(date: int) -> float:
    """How many people set out at this time of the year; the mean is about 1."""
    return float(_TRIPS[_MONTH[date % _CYCLE_DAYS]])


def week_factors(date: int) -> NDArray[np.float64]:
    """How busy this weekday is for each weekly habit, float64 ``[habits]``."""
    return WEEKDAYS[:, weekday_of(date)]


def average_days(date: int) -> float:
    """How many average days' payments were made from 1970 until a date begins; grows by how busy each day is."""
    cycles, rest = divmod(date, _CYCLE_DAYS)
    return float(cycles * _PASSED[-1] + _PASSED[rest])
