"""Merchant collusion: a merchant's visitors find their cards used later, for round amounts, at it or at an accomplice.

The honest visit at which a card is copied is part of the campaign, so that every abuse has its history.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import DAY_MS, GENUINE, PATTERNS, Draft, concat, draft
from paywarden.simulation.genuine import channels
from paywarden.simulation.population import trades
from paywarden.simulation.population.market import SEGMENTS
from paywarden.simulation.randomness import Stream, generator
from paywarden.simulation.stage import Stage

_FEWEST, _MOST = 3, 8  # visitors copied in a campaign
_USES = (1, 3)  # of each copied card
MEAN_USES = (_USES[0] + _USES[1]) / 2
MEAN_FRAUDS = (_FEWEST + _MOST) / 2 * MEAN_USES
_ABUSED_AFTER_DAYS = (1, 5)
_AT_ACCOMPLICE = 0.5
_MEDIAN_AMOUNT, _AMOUNT_SIGMA, _AMOUNT_STEP = 6000.0, 0.6, 1000
_DECLINED = 0.06
SEASON_DAYS = 28  # a merchant colludes for a season, long enough to earn a reputation
_PAYMENTS_A_PAIR = 500  # payments a day of the whole world for each pair of colluders


def collusions(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    """The honest visits on a day whose cards are copied, and their abuse one to six days later."""
    merchant, accomplice = _colluders(stage, day // SEASON_DAYS)
    pair = rng.integers(len(merchant), size=campaigns)
    pair_of_visit = np.repeat(pair, rng.integers(_FEWEST, _MOST + 1, size=campaigns))
    visits = _visits(rng, stage, day, merchant[pair_of_visit])
    uses = rng.integers(_USES[0], _USES[1] + 1, size=len(visits))
    return concat([visits, _abuses(rng, stage, day, visits, accomplice[pair_of_visit], uses)])


def _colluders(stage: Stage, season: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Merchants that collude in a season, the more regulars the likelier, each with its accomplice in the same city."""
    people, rng = stage.people, generator(stage.seed, Stream.COLLUDERS, season)
    pairs = max(1, round(people.cards.rate.sum() / _PAYMENTS_A_PAIR))
    favourites = people.cards.favourites.ravel()
    sells_goods = favourites[people.merchants.category[favourites] != trades.CASH]
    merchant = rng.choice(sells_goods, size=pairs)
    segment = rng.integers(SEGMENTS, size=pairs)
    pool = people.market.nearby(segment, people.merchants.city[merchant])
    accomplice, another = (people.market.visits.draw(pool, rng.random(pairs)) for _ in range(2))
    return merchant, np.where(accomplice == merchant, another, accomplice)


def _visits(rng: np.random.Generator, stage: Stage, day: int, merchant: NDArray[np.int32]) -> Draft:
    regulars, bounds = stage.people.regulars
    known = bounds[merchant + 1] - bounds[merchant]
    card = regulars[bounds[merchant] + (rng.random(len(merchant)) * known).astype(np.int64)]
    online = stage.people.merchants.online[merchant]
    return draft(
        card=card,
        merchant=merchant,
        occurred_ms=stage.usual_times(rng, day, card, online, stage.people.cards.city[card]),
        amount=stage.tickets(rng, card, merchant),
        channel=channels(rng, stage, merchant, 0.0),
        declined=np.zeros(len(card), dtype=np.bool_),
        pattern=GENUINE,
    )


def _abuses(
    rng: np.random.Generator,
    stage: Stage,
    day: int,
    visits: Draft,
    accomplice: NDArray[np.int32],
    uses: NDArray[np.int64],
) -> Draft:
    card, rows = np.repeat(visits.card, uses), int(uses.sum())
    at_accomplice = rng.random(rows) < _AT_ACCOMPLICE
    merchant = np.where(at_accomplice, np.repeat(accomplice, uses), np.repeat(visits.merchant, uses))
    usual = stage.usual_times(
        rng, day, card, stage.people.merchants.online[merchant], stage.people.merchants.city[merchant]
    )
    later_days = rng.integers(_ABUSED_AFTER_DAYS[0], _ABUSED_AFTER_DAYS[1] + 1, size=rows)
    level = np.exp(0.5 * stage.people.cards.log_level[card] + _AMOUNT_SIGMA * rng.standard_normal(rows))
    return draft(
        card=card,
        merchant=merchant,
        occurred_ms=usual + later_days * DAY_MS,
        amount=np.maximum(1, np.rint(_MEDIAN_AMOUNT * level / _AMOUNT_STEP)).astype(np.int64) * _AMOUNT_STEP,
        channel=channels(rng, stage, merchant, 0.0),
        declined=rng.random(rows) < _DECLINED,
        pattern=PATTERNS.index("merchant_collusion"),
    )
