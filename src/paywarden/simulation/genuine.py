"""Genuine payments of one day: by habit, at favourites and elsewhere, with declines and refunds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import (
    ATM,
    DAY_MS,
    GENUINE,
    HOUR_MS,
    MAIL_OR_PHONE,
    MINUTE_MS,
    ONLINE,
    Draft,
    concat,
    draft,
)
from paywarden.simulation.population import calendar
from paywarden.simulation.population.customers import FAVOURITES_NEARBY, FAVOURITES_ONLINE
from paywarden.simulation.randomness import Stream, generator
from paywarden.simulation.stage import Stage

_BUSY_SHAPE = 2.0  # days differ: payments a day are Poisson with a gamma mean of this shape
_FAVOURITE_SHARE = 0.6
_FOLLOWS = 0.2  # a payment that follows the card's last one within the hour: a walk through the shops
_FOLLOW_MEAN_MS = 18 * MINUTE_MS
_AWAY_ONLINE_FACTOR = 0.6
_MAIL_OR_PHONE = 0.03  # of what is bought at online merchants
_DECLINED_IN_PERSON, _DECLINED_ONLINE = 0.02, 0.04
_REFUNDS = 0.009  # of approved purchases; those that would fall past midnight are not made
_REFUNDS_MADE = 0.006  # of all purchases, as measured
_FULL_REFUND = 0.7


def genuine_day(stage: Stage, day: int) -> Draft:
    """All honest rows of a day, in no order that means anything."""
    rng = generator(stage.seed, Stream.GENUINE, day)
    city_of_card = stage.whereabouts(day)
    card = _who_pays(rng, stage, day)
    city = city_of_card[card]
    merchant = _where(rng, stage, card, city)
    online = stage.people.merchants.online[merchant]
    purchases = draft(
        card=card,
        merchant=merchant,
        occurred_ms=_walks(rng, day, card, stage.usual_times(rng, day, card, online, city)),
        amount=stage.tickets(rng, card, merchant),
        channel=channels(rng, stage, merchant, _MAIL_OR_PHONE),
        declined=rng.random(len(card)) < np.where(online, _DECLINED_ONLINE, _DECLINED_IN_PERSON),
        pattern=GENUINE,
    )
    return concat([purchases, _refunds(rng, day, purchases)])


def expected_rows(stage: Stage) -> float:
    """Honest rows of an average day, refunds included."""
    return float(stage.people.cards.rate.sum()) * (1 + _REFUNDS_MADE)


def channels(
    rng: np.random.Generator, stage: Stage, merchant: NDArray[np.integer], mail_or_phone: float
) -> NDArray[np.int8]:
    """The merchants' own channel, except the share of online orders that is taken by mail or phone."""
    own = stage.people.merchants.channel[merchant]
    return np.where((own == ONLINE) & (rng.random(len(own)) < mail_or_phone), np.int8(MAIL_OR_PHONE), own)


def _who_pays(rng: np.random.Generator, stage: Stage, day: int) -> NDArray[np.int32]:
    cards, date = stage.people.cards, stage.date(day)
    rate = cards.rate * (calendar.season_factor(date) * calendar.week_factors(date))[cards.week]
    payments = rng.poisson(rate * rng.gamma(_BUSY_SHAPE, 1 / _BUSY_SHAPE, size=len(rate)))
    return np.repeat(np.arange(len(rate), dtype=np.int32), payments)


def _where(
    rng: np.random.Generator, stage: Stage, card: NDArray[np.int32], city: NDArray[np.int32]
) -> NDArray[np.int32]:
    cards, market = stage.people.cards, stage.people.market
    rows, home = len(card), cards.city[card]
    online_share = cards.online_share[card] * np.where(city == home, 1.0, _AWAY_ONLINE_FACTOR)
    online = rng.random(rows) < online_share
    favourite = (rng.random(rows) < _FAVOURITE_SHARE) & (online | (city == home))
    segment, u = cards.segment[card], rng.random(rows)
    pool = np.where(online, market.online(segment, cards.country[card]), market.nearby(segment, city))
    slot = np.where(online, FAVOURITES_NEARBY + u * u * FAVOURITES_ONLINE, u * u * FAVOURITES_NEARBY).astype(np.int64)
    return np.where(favourite, cards.favourites[card, slot], market.visits.draw(pool, rng.random(rows)))


def _walks(rng: np.random.Generator, day: int, card: NDArray[np.int32], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some payments moved to soon after the same card's one before them, unless that is past midnight."""
    after = np.roll(times, 1) + rng.exponential(_FOLLOW_MEAN_MS, size=len(times)).astype(np.int64)
    follows = (rng.random(len(times)) < _FOLLOWS) & (card == np.roll(card, 1)) & (after < (day + 1) * DAY_MS)
    follows[:1] = False
    return np.where(follows, after, times)


def _refunds(rng: np.random.Generator, day: int, purchases: Draft) -> Draft:
    """Refunds of the same day, in full or in part, 20 minutes to 10 hours after the purchase."""
    refundable = ~purchases.declined & (purchases.channel != ATM)
    bought = purchases.take(refundable & (rng.random(len(purchases)) < _REFUNDS))
    at = bought.occurred_ms + rng.integers(20 * MINUTE_MS, 10 * HOUR_MS, size=len(bought))
    part = np.where(rng.random(len(bought)) < _FULL_REFUND, 1.0, rng.uniform(0.1, 0.9, size=len(bought)))
    returned = draft(
        card=bought.card,
        merchant=bought.merchant,
        occurred_ms=at,
        amount=np.maximum(1, (bought.amount * part).astype(np.int64)),
        channel=bought.channel,
        declined=np.zeros(len(bought), dtype=np.bool_),
        pattern=GENUINE,
        refund=True,
    )
    return returned.take(at < (day + 1) * DAY_MS)
