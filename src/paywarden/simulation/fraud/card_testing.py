"""Card testing: stolen numbers tried by the dozen at a few online merchants, then the good ones used in earnest.

The tests are small and often declined, most of them from a device never seen before or after.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.devices import strange_devices
from paywarden.simulation.draft import DAY_MS, HOUR_MS, PATTERNS, Draft, concat, draft
from paywarden.simulation.genuine import channels
from paywarden.simulation.stage import Stage

_FEWEST, _MOST = 24, 60
_MERCHANTS = 2
_LONGEST_BURST_MS = 3 * HOUR_MS
_AMOUNTS = (60, 499)  # below 5.00, so that the holder overlooks it, and spread as evenly as honest ones there
_DECLINED = 0.35
_ANY_HOUR = 0.3  # the others begin when people buy online, where they go unnoticed
_OWN_DEVICE = 0.4  # of the tests come from the one device of the burst
_USED = 0.35  # of the numbers that were approved
_USED_FACTOR = 2.0
_USED_WITHIN_MS = (HOUR_MS, 36 * HOUR_MS)
_USED_DECLINED = 0.08
MEAN_FRAUDS = (_FEWEST + _MOST) / 2 * (1 + (1 - _DECLINED) * _USED)


def card_tests(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    """The frauds of the bursts that begin on a day: the tests of each, then the purchases within a day and a half."""
    tests = _tests(rng, stage, day, campaigns)
    return concat([tests, _purchases(rng, stage, tests)])


def _tests(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> Draft:
    market = stage.people.market
    size = rng.integers(_FEWEST, _MOST + 1, size=campaigns)
    burst = np.repeat(np.arange(campaigns), size)
    shops = market.testable.draw(0, rng.random((campaigns, _MERCHANTS)))
    begins_at = _beginnings(rng, stage, day, campaigns)
    lasts = rng.uniform(0.2, 1.0, size=campaigns) * _LONGEST_BURST_MS
    rows = len(burst)
    merchant = shops[burst, rng.integers(_MERCHANTS, size=rows)]
    same_device = rng.random(rows) < _OWN_DEVICE
    return draft(
        card=rng.integers(len(stage.people.cards), size=rows),
        merchant=merchant,
        occurred_ms=begins_at[burst] + lasts[burst] * rng.random(rows),
        amount=rng.integers(_AMOUNTS[0], _AMOUNTS[1] + 1, size=rows),
        channel=channels(rng, stage, merchant, 0.0),
        declined=rng.random(rows) < _DECLINED,
        pattern=PATTERNS.index("card_testing"),
        device=np.where(same_device, strange_devices(rng, campaigns)[burst], strange_devices(rng, rows)),
    )


def _beginnings(rng: np.random.Generator, stage: Stage, day: int, campaigns: int) -> NDArray[np.int64]:
    cards = stage.people.cards
    someone = rng.integers(len(cards), size=campaigns)
    usual = stage.usual_times(rng, day, someone, np.ones(campaigns, dtype=np.bool_), cards.city[someone])
    any_time = day * DAY_MS + rng.integers(DAY_MS, size=campaigns)
    return np.where(rng.random(campaigns) < _ANY_HOUR, any_time, usual)


def _purchases(rng: np.random.Generator, stage: Stage, tests: Draft) -> Draft:
    good = tests.take(~tests.declined & (rng.random(len(tests)) < _USED))
    rows = len(good)
    merchant = stage.people.market.anywhere_online.draw(0, rng.random(rows))
    return draft(
        card=good.card,
        merchant=merchant,
        occurred_ms=good.occurred_ms + rng.integers(*_USED_WITHIN_MS, size=rows),
        amount=stage.tickets(rng, good.card, merchant, factor=_USED_FACTOR),
        channel=channels(rng, stage, merchant, 0.0),
        declined=rng.random(rows) < _USED_DECLINED,
        pattern=PATTERNS.index("card_testing"),
        device=strange_devices(rng, rows),
    )
