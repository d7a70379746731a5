"""Campaigns: how many of each pattern begin on a day, and what of theirs falls on it or on the days after."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paywarden.simulation.draft import PATTERNS, Draft, concat
from paywarden.simulation.fraud import account_takeover, card_testing, geographic_anomaly, merchant_collusion
from paywarden.simulation.genuine import expected_rows
from paywarden.simulation.population import calendar
from paywarden.simulation.randomness import Stream, generator
from paywarden.simulation.stage import Stage

LOOK_BACK_DAYS = 7
"""No campaign reaches beyond this many days, the one on which it begins included."""


@dataclass(frozen=True)
class _Pattern:
    stream: Stream
    mean_frauds: float
    honest_a_fraud: float  # rows of honest payments that belong to the campaign
    play: Callable[[np.random.Generator, Stage, int, int], Draft]


_PLAYS = {
    "account_takeover": _Pattern(
        Stream.ACCOUNT_TAKEOVER, account_takeover.MEAN_FRAUDS, 0.0, account_takeover.account_takeovers
    ),
    "card_testing": _Pattern(Stream.CARD_TESTING, card_testing.MEAN_FRAUDS, 0.0, card_testing.card_tests),
    "merchant_collusion": _Pattern(
        Stream.MERCHANT_COLLUSION,
        merchant_collusion.MEAN_FRAUDS,
        merchant_collusion.HONEST_A_FRAUD,
        merchant_collusion.collusions,
    ),
    "geographic_anomaly": _Pattern(
        Stream.GEOGRAPHIC_ANOMALY,
        geographic_anomaly.MEAN_FRAUDS,
        1 / geographic_anomaly.MEAN_FRAUDS,
        geographic_anomaly.impossible_travels,
    ),
}


class Campaigns:
    """The campaigns of a world, by the day on which they begin; the last days' are kept, older ones are derived again.

    `fraud_rate` is the share of frauds among all rows; `shares` says how it splits over PATTERNS.
    """

    def __init__(self, stage: Stage, fraud_rate: float, shares: tuple[float, ...]) -> None:
        self._stage = stage
        self._shares = dict(zip(PATTERNS, shares, strict=True))
        honest_a_fraud = sum(self._shares[name] * pattern.honest_a_fraud for name, pattern in _PLAYS.items())
        self._frauds_a_day = expected_rows(stage) * fraud_rate / (1 - (1 + honest_a_fraud) * fraud_rate)
        self._phases = dict(zip(PATTERNS, generator(stage.seed, Stream.PHASES).random(len(PATTERNS)), strict=True))
        self._begun: dict[int, Draft] = {}

    def on(self, day: int) -> Draft:
        """Every campaign's rows of a day: frauds, and the honest payments that belong to them."""
        first = day - LOOK_BACK_DAYS + 1
        self._begun = {begun: kept for begun, kept in self._begun.items() if first <= begun <= day}
        for begun in range(first, day + 1):
            if begun not in self._begun:
                self._begun[begun] = self.begin(begun)
        return concat([self._begun[begun].within(day) for begun in range(first, day + 1)])

    def begin(self, day: int) -> Draft:
        """All rows, over all days, of the campaigns that begin on a day."""
        played = []
        for name, pattern in _PLAYS.items():
            rng = generator(self._stage.seed, pattern.stream, day)
            played.append(pattern.play(rng, self._stage, day, self._count(name, pattern.mean_frauds, day)))
        return concat(played)

    def _count(self, name: str, mean_frauds: float, day: int) -> int:
        """Campaigns keep pace with the payments: the rate holds in the smallest world, at Christmas, without memory."""
        a_day = self._frauds_a_day * self._shares[name] / mean_frauds
        date, phase = self._stage.date(day), self._phases[name]
        until, after = (math.floor(calendar.average_days(at) * a_day + phase) for at in (date, date + 1))
        return after - until
