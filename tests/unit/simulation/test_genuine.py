from __future__ import annotations

import numpy as np
import pytest

from paywarden.simulation.draft import ATM, DAY_MS, HOUR_MS, IN_PERSON, MAIL_OR_PHONE, ONLINE, concat
from paywarden.simulation.genuine import expected_rows, genuine_day
from paywarden.simulation.population.calendar import season_factor, week_factors


@pytest.fixture(scope="module")
def month(world):
    return concat([genuine_day(world.stage, day) for day in range(28)])


def test_payments_are_as_many_as_expected(month, world):
    expected = sum(
        expected_rows(world.stage) * season_factor(date) * week_factors(date).mean()
        for date in map(world.stage.date, range(28))
    )
    assert len(month) == pytest.approx(expected, rel=0.03)


def test_a_few_payments_are_declined_and_a_few_refunded(month):
    assert 0.02 < month.declined.mean() < 0.04
    assert 0.003 < month.refund.mean() < 0.009
    assert not (month.declined & month.refund).any()


def test_a_refund_gives_back_an_earlier_purchase_of_the_day(month):
    purchases = {
        (card, merchant, at // DAY_MS): (at, amount)
        for card, merchant, at, amount, refund in zip(
            month.card, month.merchant, month.occurred_ms, month.amount, month.refund, strict=True
        )
        if not refund
    }
    refunds = month.take(month.refund)
    matched = 0
    for card, merchant, at, amount in zip(
        refunds.card, refunds.merchant, refunds.occurred_ms, refunds.amount, strict=True
    ):
        bought_at, bought = purchases[card, merchant, at // DAY_MS]
        matched += bought_at < at and amount <= bought
    assert matched > 0.85 * len(refunds)  # the others bought there twice that day


def test_nights_are_quiet_and_saturdays_busy(month, world):
    hour = month.occurred_ms // HOUR_MS % 24
    per_hour = np.bincount(hour, minlength=24)
    assert per_hour[1:5].mean() < 0.35 * per_hour[9:19].mean()
    weekday = np.array([world.stage.weekday(day) for day in month.occurred_ms // DAY_MS])
    per_weekday = np.bincount(weekday, minlength=7)
    assert per_weekday[5] > 1.15 * per_weekday[0]


def test_customers_keep_their_own_weekdays(month, world):
    weekend = np.array([world.stage.weekday(day) for day in month.occurred_ms // DAY_MS]) >= 5
    week = world.stage.people.cards.week[month.card]
    even, working_days, at_the_weekend = (weekend[week == habit].mean() for habit in range(3))
    assert working_days < 0.8 * even < even < 0.85 * at_the_weekend


def test_customers_of_different_tastes_buy_different_things(month, world):
    category = world.stage.people.merchants.category[month.merchant]
    segment = world.stage.people.cards.segment[month.card]
    share = np.stack([np.bincount(category[segment == s], minlength=category.max() + 1) for s in range(5)])
    share = share / share.sum(axis=1, keepdims=True)
    common = share.mean(axis=0) > 0.02
    assert (share.max(axis=0) / share.min(axis=0))[common].min() > 1.3
    assert np.median((share.max(axis=0) / share.min(axis=0))[common]) > 2


def test_cards_differ_in_what_they_spend(month, world):
    log_amount = np.log(month.amount)
    mean = np.bincount(month.card, log_amount) / np.maximum(np.bincount(month.card), 1)
    level = world.stage.people.cards.log_income[: len(mean)]
    assert np.corrcoef(mean, level)[0, 1] > 0.5


def test_most_payments_go_to_favourites(month, world):
    favourite = (world.stage.people.cards.favourites[month.card] == month.merchant[:, None]).any(axis=1)
    assert 0.5 < favourite.mean() < 0.9


def test_channels_are_the_merchants_own(month, world):
    online = world.stage.people.merchants.online[month.merchant]
    assert np.isin(month.channel[online], [ONLINE, MAIL_OR_PHONE]).all()
    assert np.isin(month.channel[~online], [IN_PERSON, ATM]).all()
    assert 0.3 < online.mean() < 0.6


def test_some_payments_follow_within_the_hour(month):
    order = np.lexsort((month.occurred_ms, month.card))
    gap = np.diff(month.occurred_ms[order])[np.diff(month.card[order]) == 0]
    assert 0.08 < (gap < HOUR_MS).mean() < 0.25
