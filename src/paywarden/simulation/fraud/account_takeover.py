"""Account takeover: a card in new hands, from a new device, at merchants it never saw, at strange hours.

Amounts rise from one purchase to the next, several in a few hours.
"""

from __future__ import annotations

import numpy as np

from paywarden.simulation.devices import strange_devices
from paywarden.simulation.draft import DAY_MS, HOUR_MS, MINUTE_MS, PATTERNS, Draft, draft
from paywarden.simulation.genuine import channels
from paywarden.simulation.stage import Stage

_FEWEST, _MOST = 4, 9
MEAN_FRAUDS = (_FEWEST + _MOST) / 2
_GAP_MEDIAN_MS, _GAP_SIGMA, _LONGEST_GAP_MS = 22 * MINUTE_MS, 0.8, 4 * HOUR_MS
_ABROAD = 0.65  # share of purchases at shops chosen without regard to the holder's country
_FIRST_FACTOR, _RISE = 0.8, 1.22
_DECLINED, _DECLINED_EACH = 0.04, 0.02
_MAIL_OR_PHONE = 0.05
_ANY_HOUR = 0.5


def account_takeovers(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    """The frauds of the takeovers that begin on a day; each is of one card, over at most two days."""
    cards, market = stage.people.cards, stage.people.market
    size = rng.integers(_FEWEST, _MOST + 1, size=campaigns)
    victim = rng.integers(len(cards), size=campaigns, dtype=np.int32)
    card, begins = np.repeat(victim, size), np.repeat(np.cumsum(size) - size, size)
    step = (np.arange(len(card)) - begins).astype(np.float64)
    home_pool = market.online(cards.segment[card], cards.country[card])
    merchant = np.where(
        rng.random(len(card)) < _ABROAD,
        market.anywhere_online.draw(0, rng.random(len(card))),
        market.visits.draw(home_pool, rng.random(len(card))),
    )
    usual = stage.usual_times(rng, day, victim, np.ones(campaigns, dtype=np.bool_), cards.city[victim])
    any_time = day * DAY_MS + rng.integers(DAY_MS, size=campaigns)
    first_at = np.where(rng.random(campaigns) < _ANY_HOUR, any_time, usual)
    gap = np.minimum(_GAP_MEDIAN_MS * np.exp(_GAP_SIGMA * rng.standard_normal(len(card))), _LONGEST_GAP_MS)
    elapsed = np.cumsum(gap)
    return draft(
        card=card,
        merchant=merchant,
        occurred_ms=np.repeat(first_at, size) + (elapsed - elapsed[begins]),
        amount=stage.tickets(rng, card, merchant, factor=_FIRST_FACTOR * _RISE**step),
        channel=channels(rng, stage, merchant, _MAIL_OR_PHONE),
        declined=rng.random(len(card)) < _DECLINED + _DECLINED_EACH * step,
        pattern=PATTERNS.index("account_takeover"),
        device=np.repeat(strange_devices(rng, campaigns), size),
    )
