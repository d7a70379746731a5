"""Stage: what every draw of a day needs to know, and the draws that genuine payments and frauds share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import ATM, DAY_MS, HOUR_MS
from paywarden.simulation.population import calendar, geography, habits
from paywarden.simulation.population.population import Population
from paywarden.simulation.population.travel import whereabouts

_INCOME_ELASTICITY = 0.7  # who earns more pays more everywhere, but bread costs everybody about the same
_ROUND_SHARE = 0.15  # tips, vouchers, fuel for 50: amounts in whole fives are common among honest payments
_ROUND_STEP, _CASH_STEP = 500, 1000
_SMALLEST = 20


@dataclass(frozen=True)
class Stage:
    """A world's seed, its first midnight (epoch ms, UTC) and its population."""

    seed: int
    start_at_ms: int
    people: Population

    def date(self, day: int) -> int:
        """Days from 1 January 1970 to a day of the world."""
        return calendar.date_of(self.start_at_ms, day)

    def weekday(self, day: int) -> int:
        """The weekday of a day of the world, Monday 0 to Sunday 6."""
        return calendar.weekday_of(self.date(day))

    def whereabouts(self, day: int) -> NDArray[np.int32]:
        """The city of each card on a day, int32 ``[cards]``."""
        return whereabouts(self.people, self.seed, self.start_at_ms, day)

    def usual_times(
        self,
        rng: np.random.Generator,
        day: int,
        card: NDArray[np.integer],
        online: NDArray[np.bool_],
        city: NDArray[np.integer],
    ) -> NDArray[np.int64]:
        """Times in ms since the world's start, within `day`, at the hours these cards' holders keep where they are."""
        weekend = self.weekday(day) >= 5
        local = habits.time_of_day_ms(rng.random(len(card)), self.people.cards.hours[card], online, weekend)
        return day * DAY_MS + (local.astype(np.int64) - geography.CITY_UTC_OFFSET_HOURS[city] * HOUR_MS) % DAY_MS

    def tickets(
        self,
        rng: np.random.Generator,
        card: NDArray[np.integer],
        merchant: NDArray[np.integer],
        factor: NDArray[np.float64] | float = 1.0,
    ) -> NDArray[np.int64]:
        """Amounts in minor units: lognormal by trade, merchant and income, times `factor`; some whole, cash in tens."""
        shops, cards = self.people.merchants, self.people.cards
        spread = shops.sigma[merchant] * rng.standard_normal(len(card))
        amount = np.exp(shops.log_price[merchant] + _INCOME_ELASTICITY * cards.log_income[card] + spread) * factor
        return rounded(rng, amount, shops.channel[merchant] == ATM)


def rounded(rng: np.random.Generator, amount: NDArray[np.float64], cash: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Whole minor units, at least 20; a share of amounts in fives, cash in tens."""
    whole = (rng.random(len(amount)) < _ROUND_SHARE) & (amount > _ROUND_STEP)
    step = np.where(cash, _CASH_STEP, np.where(whole, _ROUND_STEP, 1))
    return np.maximum(np.rint(amount / step).astype(np.int64) * step, np.where(cash, _CASH_STEP, _SMALLEST))
