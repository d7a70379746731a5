"""Customers: where they live, what they earn, how often, when and where they pay, and what they pay with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population import geography, habits
from paywarden.simulation.population.market import SEGMENTS, Market

FAVOURITES_NEARBY = 6
FAVOURITES_ONLINE = 4
CARDS_A_CUSTOMER = 1.25
_INCOME_SIGMA = 0.45  # two thirds of customers within a factor of 1.6 of the median
_RATE_MEDIAN, _RATE_SIGMA, _RATE_LIMITS = 1.3, 0.6, (0.1, 8.0)  # payments a day for each card
_WANDERLUST_SIGMA = 0.8
_DEVICES = (0.45, 0.40, 0.15)  # shares of customers with one, two and three devices


@dataclass(frozen=True)
class Customers:
    """Columns of customers ``[n]``; `favourites` is ``[n, 10]``: six merchants near home, four online, dearest first.

    `segment` is their taste in trades, `hours` and `week` the habits of :mod:`.habits`, `log_income` relative to the
    median, `rate` payments a day, `wanderlust` trips relative to others, `devices` how many they pay from.
    """

    city: NDArray[np.int32]
    country: NDArray[np.int32]
    segment: NDArray[np.int32]
    hours: NDArray[np.int32]
    week: NDArray[np.int32]
    log_income: NDArray[np.float64]
    rate: NDArray[np.float64]
    online_share: NDArray[np.float64]
    wanderlust: NDArray[np.float64]
    devices: NDArray[np.int32]
    favourites: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.city)


def draw_customers(rng: np.random.Generator, customers: int, market: Market) -> Customers:
    """`customers` customers, their homes in the market's cities by weight, their favourites from it by taste."""
    city = market.all_cities.draw(0, rng.random(customers))
    country = geography.CITY_COUNTRY[city]
    segment = rng.integers(SEGMENTS, size=customers, dtype=np.int32)
    nearby = market.nearby(segment, city)[:, None]
    online = market.online(segment, country)[:, None]
    favourites = np.concatenate(
        [
            market.visits.draw(nearby, rng.random((customers, FAVOURITES_NEARBY))),
            market.visits.draw(online, rng.random((customers, FAVOURITES_ONLINE))),
        ],
        axis=1,
    )
    a_card = np.clip(_RATE_MEDIAN * np.exp(_RATE_SIGMA * rng.standard_normal(customers)), *_RATE_LIMITS)
    return Customers(
        city=city,
        country=country,
        segment=segment,
        hours=rng.integers(habits.HOURS_HABITS, size=customers, dtype=np.int32),
        week=rng.integers(habits.WEEK_HABITS, size=customers, dtype=np.int32),
        log_income=_INCOME_SIGMA * rng.standard_normal(customers),
        rate=CARDS_A_CUSTOMER * a_card,
        online_share=rng.beta(2.0, 2.6, size=customers),
        wanderlust=np.exp(_WANDERLUST_SIGMA * rng.standard_normal(customers)),
        devices=1 + np.searchsorted(np.cumsum(_DEVICES)[:-1], rng.random(customers), side="right").astype(np.int32),
        favourites=favourites,
    )
