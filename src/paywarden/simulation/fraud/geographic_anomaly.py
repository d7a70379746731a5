"""Geographic anomaly: a copied card pays in person far away within the hour of an honest payment at home."""

from __future__ import annotations

import numpy as np

from paywarden.simulation.draft import GENUINE, MINUTE_MS, PATTERNS, Draft, concat, draft
from paywarden.simulation.genuine import channels
from paywarden.simulation.stage import Stage

_USES = (1, 3)
MEAN_FRAUDS = (_USES[0] + _USES[1]) / 2
_FIRST_AFTER_MS = (6 * MINUTE_MS, 55 * MINUTE_MS)
_NEXT_AFTER_MS = (4 * MINUTE_MS, 40 * MINUTE_MS)
_FACTOR = 1.15
_DECLINED, _DECLINED_HONEST = 0.08, 0.02


def impossible_travels(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    """Honest payments of a day and the cloned card's one to three payments at least 600 km away, minutes later."""
    honest = _honest(rng, stage, day, campaigns)
    market, people = stage.people.market, stage.people
    size = rng.integers(_USES[0], _USES[1] + 1, size=campaigns)
    source = np.repeat(np.arange(campaigns), size)
    begins = np.repeat(np.cumsum(size) - size, size)
    card = honest.card[source]
    far = market.far_cities.draw(people.merchants.city[honest.merchant], rng.random(campaigns))[source]
    merchant = market.visits.draw(market.nearby(people.cards.segment[card], far), rng.random(len(card)))
    gap = rng.integers(*_NEXT_AFTER_MS, size=len(card))
    elapsed = np.cumsum(gap)
    first_at = honest.occurred_ms + rng.integers(*_FIRST_AFTER_MS, size=campaigns)
    frauds = draft(
        card=card,
        merchant=merchant,
        occurred_ms=first_at[source] + elapsed - elapsed[begins],
        amount=stage.tickets(rng, card, merchant, factor=_FACTOR),
        channel=channels(rng, stage, merchant, 0.0),
        declined=rng.random(len(card)) < _DECLINED,
        pattern=PATTERNS.index("geographic_anomaly"),
    )
    return concat([honest, frauds])


def _honest(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    people, market = stage.people, stage.people.market
    card = rng.integers(len(people.cards), size=campaigns, dtype=np.int32)
    city = stage.whereabouts(day)[card]
    merchant = market.visits.draw(market.nearby(people.cards.segment[card], city), rng.random(campaigns))
    return draft(
        card=card,
        merchant=merchant,
        occurred_ms=stage.usual_times(rng, day, card, np.zeros(campaigns, dtype=np.bool_), city),
        amount=stage.tickets(rng, card, merchant),
        channel=channels(rng, stage, merchant, 0.0),
        declined=rng.random(campaigns) < _DECLINED_HONEST,
        pattern=GENUINE,
    )
