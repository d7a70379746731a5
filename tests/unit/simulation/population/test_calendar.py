from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from paywarden.simulation.population.calendar import (
    WEEKDAYS,
    average_days,
    date_of,
    season_factor,
    travel_factor,
    week_factors,
    weekday_of,
)

_NEW_YEAR_2026_MS = 1_767_225_600_000
_EPOCH = date(1970, 1, 1)


def _days(year: int, month: int, day: int) -> int:
    return (date(year, month, day) - _EPOCH).days


def test_weekdays_are_those_of_the_calendar():
    assert [weekday_of(date_of(_NEW_YEAR_2026_MS, day)) for day in range(-1, 5)] == [2, 3, 4, 5, 6, 0]  # a Thursday
    assert weekday_of(_days(2096, 2, 29)) == date(2096, 2, 29).weekday()


def test_each_weekly_habit_is_as_busy_as_the_others_over_a_week():
    over_a_week = np.array([week_factors(day) for day in range(7)])
    assert over_a_week.mean(axis=0) == pytest.approx(np.ones(len(WEEKDAYS)))
    saturday, monday = week_factors(_days(2026, 1, 3)), week_factors(_days(2026, 1, 5))
    assert (saturday / monday).min() < 0.8
    assert (saturday / monday).max() > 1.8


def test_december_is_busy_january_is_not_and_paydays_are():
    month = {m: np.mean([season_factor(_days(2026, m, day)) for day in range(1, 29)]) for m in (1, 6, 12)}
    assert month[12] > 1.1 * month[6] > 1.1 * month[1]
    assert season_factor(_days(2026, 6, 28)) > 1.05 * season_factor(_days(2026, 6, 15))
    assert season_factor(_days(2028, 2, 29)) > season_factor(_days(2028, 2, 15))  # a leap year's last of February
    years = [np.mean([season_factor(_days(year, 1, 1) + day) for day in range(365)]) for year in (2025, 2026, 2027)]
    assert years == pytest.approx([1, 1, 1], abs=0.01)


def test_people_travel_in_summer():
    assert travel_factor(_days(2026, 7, 20)) > 1.5 * travel_factor(_days(2026, 3, 20))


def test_the_days_so_far_grow_by_how_busy_each_is():
    for day in (_days(2026, 12, 24), _days(2026, 2, 3), 1461 * 7 - 1, 1461 * 7, -1):
        grown = average_days(day + 1) - average_days(day)
        assert grown == pytest.approx(season_factor(day) * week_factors(day).mean())
    assert average_days(1461 * 7) == pytest.approx(1461 * 7, rel=1e-3)
