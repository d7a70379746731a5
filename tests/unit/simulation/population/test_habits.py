from __future__ import annotations

import numpy as np
import pytest

from paywarden.simulation.draft import DAY_MS, HOUR_MS
from paywarden.simulation.population.habits import HOURS_HABITS, time_of_day_ms


@pytest.mark.parametrize("habit", range(HOURS_HABITS))
@pytest.mark.parametrize("online", [False, True])
def test_times_lie_within_the_day_and_by_day_rather_than_by_night(habit, online):
    u = np.linspace(0, 1, 20_000, endpoint=False)
    times = time_of_day_ms(u, np.full(20_000, habit), np.full(20_000, online), weekend=False)
    assert times.min() >= 0
    assert times.max() < DAY_MS
    per_hour = np.bincount((times // HOUR_MS).astype(int), minlength=24)
    assert per_hour[10:20].mean() > 2 * per_hour[:8].min()


def test_office_hours_pay_at_noon_and_at_six():
    u = np.linspace(0, 1, 50_000, endpoint=False)
    times = time_of_day_ms(u, np.full(50_000, 1), np.zeros(50_000, dtype=bool), weekend=False)
    per_hour = np.bincount((times // HOUR_MS).astype(int), minlength=24) / 50_000
    assert per_hour[12] == pytest.approx(22 / 215, rel=0.05)
    assert per_hour[18] > per_hour[15]
