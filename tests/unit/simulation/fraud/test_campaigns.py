from __future__ import annotations

import numpy as np

from paywarden.simulation.draft import DAY_MS, GENUINE, concat
from paywarden.simulation.fraud.campaigns import LOOK_BACK_DAYS, Campaigns

_SHARES = (0.3, 0.3, 0.2, 0.2)


def _campaigns(world) -> Campaigns:
    return Campaigns(world.stage, 0.015, _SHARES)


def test_what_begins_on_a_day_is_played_out_over_the_following_ones(world):
    campaigns = _campaigns(world)
    begun = campaigns.begin(10)
    played = concat([campaigns.on(day) for day in range(10, 10 + LOOK_BACK_DAYS)])
    key = lambda rows: set(zip(rows.card.tolist(), rows.occurred_ms.tolist(), rows.amount.tolist(), strict=True))  # noqa: E731
    assert key(begun) <= key(played)
    assert (begun.pattern != GENUINE).any()


def test_a_days_rows_do_not_depend_on_the_days_asked_before(world):
    warm, cold = _campaigns(world), _campaigns(world)
    for day in (0, 1, 2, 9, 4):
        warm.on(day)
    left, right = warm.on(5), cold.on(5)
    assert np.array_equal(left.card, right.card)
    assert np.array_equal(left.occurred_ms, right.occurred_ms)
    assert (left.occurred_ms // DAY_MS == 5).all()


def test_the_first_day_has_campaigns_from_before_it(world):
    campaigns = Campaigns(world.stage, 0.1, _SHARES)
    fresh = campaigns.begin(0).within(0)
    assert len(campaigns.on(0)) > len(fresh)


def test_only_the_last_days_campaigns_are_kept(world):
    campaigns = _campaigns(world)
    for day in range(40):
        campaigns.on(day)
    assert len(campaigns._begun) == LOOK_BACK_DAYS
