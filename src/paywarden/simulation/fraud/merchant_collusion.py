"""Merchant collusion: some merchants sell their visitors' cards, others push round amounts through a ring of cards.

A skimmer's visitors find their cards used days later, for round amounts, several in a row, at it or at an accomplice;
the honest visit at which a card is copied is part of the campaign, so that every abuse has its history. A ring's
merchant charges the same few cards again and again, several on an afternoon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.devices import strange_devices
from paywarden.simulation.draft import DAY_MS, GENUINE, HOUR_MS, MINUTE_MS, PATTERNS, Draft, concat, draft
from paywarden.simulation.genuine import channels
from paywarden.simulation.population import trades
from paywarden.simulation.population.market import SEGMENTS
from paywarden.simulation.randomness import Stream, generator
from paywarden.simulation.stage import Stage

_FEWEST, _MOST = 2, 6  # visitors copied in a campaign
_USES = (2, 4)  # of each copied card, one after another
_NEXT_USE_AFTER_MS = (5 * MINUTE_MS, 50 * MINUTE_MS)
_MEAN_USES = (_USES[0] + _USES[1]) / 2
_CHARGES = (7, 17)  # of a ring in a campaign; as many on average as a skimmer's abuses
_CHARGED_WITHIN_MS = 3 * HOUR_MS
_RING = 8  # cards
_FEWEST_REGULARS = 10
MEAN_FRAUDS = (_FEWEST + _MOST) / 2 * _MEAN_USES
HONEST_A_FRAUD = 1 / _MEAN_USES / 2  # visits of skimmers, which are half of the colluders
_ABUSED_AFTER_DAYS = (1, 5)
_AT_ACCOMPLICE = 0.35
_MEDIAN_AMOUNT, _AMOUNT_SIGMA, _AMOUNT_STEP = 6000.0, 0.6, 1000
_DECLINED = 0.06
SEASON_DAYS = 28  # a merchant colludes for a season, long enough to earn a reputation
_PAYMENTS_A_PAIR = 700  # payments a day of the whole world for each pair of colluders


@dataclass(frozen=True)
class _Colluders:
    """The merchants that collude in a season ``[k]``, each with an accomplice in its city and a ring ``[k, 8]``."""

    merchant: NDArray[np.int32]
    accomplice: NDArray[np.int32]
    ring: NDArray[np.int32]
    skims: NDArray[np.bool_]


def collusions(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    """The honest visits on a day whose cards are copied, their abuse one to six days later, and the rings' charges."""
    colluders = _colluders(stage, day // SEASON_DAYS)
    chosen = rng.integers(len(colluders.merchant), size=campaigns)
    skims = colluders.skims[chosen]
    return concat(
        [*_skimmed(rng, stage, day, colluders, chosen[skims]), _charges(rng, stage, day, colluders, chosen[~skims])]
    )


def _colluders(stage: Stage, season: int) -> _Colluders:
    """Any merchants with enough regulars to sell; every other one skims, by turns over the seasons."""
    people, rng = stage.people, generator(stage.seed, Stream.COLLUDERS, season)
    pairs = max(1, round(people.cards.rate.sum() / _PAYMENTS_A_PAIR))
    cards, bounds = people.regulars
    known = np.diff(bounds)
    candidates = np.flatnonzero(
        (known >= min(_FEWEST_REGULARS, known.max())) & (people.merchants.category != trades.CASH)
    )
    merchant = rng.choice(candidates, size=pairs).astype(np.int32)
    regular = cards[bounds[merchant] + (rng.random(pairs) * known[merchant]).astype(np.int64)]
    pool = people.market.nearby(rng.integers(SEGMENTS, size=pairs), people.merchants.city[merchant])
    accomplice, another = (people.market.visits.draw(pool, rng.random(pairs)) for _ in range(2))
    neighbours, bounds = people.neighbours
    city = people.cards.city[regular][:, None]
    known = bounds[city + 1] - bounds[city]
    return _Colluders(
        merchant=merchant,
        accomplice=np.where(accomplice == merchant, another, accomplice),
        ring=neighbours[bounds[city] + (rng.random((pairs, _RING)) * known).astype(np.int64)],
        skims=(np.arange(pairs) + season) % 2 == 0,
    )


def _skimmed(
    rng: np.random.Generator, stage: Stage, day: int, colluders: _Colluders, chosen: NDArray[np.int64]
) -> tuple[Draft, Draft]:
    pair = np.repeat(chosen, rng.integers(_FEWEST, _MOST + 1, size=len(chosen)))
    visits = _visits(rng, stage, day, colluders.merchant[pair])
    at_accomplice = rng.random(len(pair)) < _AT_ACCOMPLICE
    merchant = np.where(at_accomplice, colluders.accomplice[pair], colluders.merchant[pair])
    online, city = stage.people.merchants.online[merchant], stage.people.merchants.city[merchant]
    later_days = rng.integers(_ABUSED_AFTER_DAYS[0], _ABUSED_AFTER_DAYS[1] + 1, size=len(pair))
    first_at = stage.usual_times(rng, day, visits.card, online, city) + later_days * DAY_MS
    uses = rng.integers(_USES[0], _USES[1] + 1, size=len(pair))
    visit, begins = np.repeat(np.arange(len(pair)), uses), np.repeat(np.cumsum(uses) - uses, uses)
    elapsed = np.cumsum(rng.integers(*_NEXT_USE_AFTER_MS, size=len(visit)))
    occurred_ms = first_at[visit] + elapsed - elapsed[begins]
    return visits, _round_charges(rng, stage, visits.card[visit], merchant[visit], occurred_ms)


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


def _charges(
    rng: np.random.Generator, stage: Stage, day: int, colluders: _Colluders, chosen: NDArray[np.int64]
) -> Draft:
    size = rng.integers(_CHARGES[0], _CHARGES[1] + 1, size=len(chosen))
    pair = np.repeat(chosen, size)
    card = colluders.ring[pair, rng.integers(_RING, size=len(pair))]
    merchant = colluders.merchant[pair]
    first = colluders.ring[chosen, 0]
    online = stage.people.merchants.online[colluders.merchant[chosen]]
    begins_at = stage.usual_times(rng, day, first, online, stage.people.cards.city[first])
    occurred_ms = np.repeat(begins_at, size) + rng.integers(_CHARGED_WITHIN_MS, size=len(pair))
    return _round_charges(rng, stage, card, merchant, occurred_ms)


def _round_charges(
    rng: np.random.Generator,
    stage: Stage,
    card: NDArray[np.int32],
    merchant: NDArray[np.int32],
    occurred_ms: NDArray[np.int64],
) -> Draft:
    rows = len(card)
    level = np.exp(0.5 * stage.people.cards.log_income[card] + _AMOUNT_SIGMA * rng.standard_normal(rows))
    return draft(
        card=card,
        merchant=merchant,
        occurred_ms=occurred_ms,
        amount=np.maximum(1, np.rint(_MEDIAN_AMOUNT * level / _AMOUNT_STEP)).astype(np.int64) * _AMOUNT_STEP,
        channel=channels(rng, stage, merchant, 0.0),
        declined=rng.random(rows) < _DECLINED,
        pattern=PATTERNS.index("merchant_collusion"),
        device=strange_devices(rng, rows),
    )
