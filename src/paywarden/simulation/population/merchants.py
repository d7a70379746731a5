"""Merchants: what they sell, where, how dear and how popular they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import ATM, IN_PERSON, ONLINE
from paywarden.simulation.population import geography, trades

_SCATTER_DEGREES = 0.06  # about 5 km around the centre of the city
_PRICE_LEVEL_SIGMA = 0.30
_POPULARITY_SIGMA = 1.1


@dataclass(frozen=True)
class Merchants:
    """Columns of merchants ``[m]``: positions in CATEGORIES, cities and COUNTRIES, degrees, log of minor units."""

    category: NDArray[np.int32]
    online: NDArray[np.bool_]
    channel: NDArray[np.int8]
    city: NDArray[np.int32]
    country: NDArray[np.int32]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    log_price: NDArray[np.float64]
    sigma: NDArray[np.float64]
    popularity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.category)


def draw_merchants(rng: np.random.Generator, merchants: int, cities: int) -> Merchants:
    """`merchants` merchants over the first `cities` cities; each city has at least one that sells in person."""
    trade = rng.permutation(_in_proportion(trades.TRADE_SHARE, merchants))
    online = trades.TRADE_ONLINE[trade]
    city = rng.choice(cities, size=merchants, p=_shares(geography.CITY_WEIGHT[:cities])).astype(np.int32)
    city[np.flatnonzero(~online)[:cities]] = np.arange(cities)
    category = trades.TRADE_CATEGORY[trade]
    per_trade = trades.TRADE_POPULARITY[trade] / np.bincount(trade, minlength=len(trades.TRADE_SHARE))[trade]
    return Merchants(
        category=category,
        online=online,
        channel=np.where(online, ONLINE, np.where(category == trades.CASH, ATM, IN_PERSON)).astype(np.int8),
        city=city,
        country=geography.CITY_COUNTRY[city],
        latitude=np.round(geography.CITY_LATITUDE[city] + _SCATTER_DEGREES * rng.standard_normal(merchants), 5),
        longitude=np.round(geography.CITY_LONGITUDE[city] + _SCATTER_DEGREES * rng.standard_normal(merchants), 5),
        log_price=trades.TRADE_LOG_PRICE[trade] + _PRICE_LEVEL_SIGMA * rng.standard_normal(merchants),
        sigma=trades.TRADE_SIGMA[trade],
        popularity=per_trade * np.exp(_POPULARITY_SIGMA * rng.standard_normal(merchants)),
    )


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights / weights.sum()


def _in_proportion(weights: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Positions in `weights`, each as often as its weight says, without chance: a small world has every trade."""
    return np.searchsorted(np.cumsum(_shares(weights))[:-1], (np.arange(size) + 0.5) / size)
