"""Market: which merchants a card of a segment meets in a city, online, abroad; and which cities are far from which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population import geography, trades
from paywarden.simulation.population.merchants import Merchants
from paywarden.simulation.population.pools import Pools, build_pools

SEGMENTS = 5
_TASTE_SIGMA = 0.6
_DOMESTIC_BIAS = 6.0  # an online shop of one's own country is so much more likely than an equal one abroad
FAR_KM = 600.0


@dataclass(frozen=True)
class Market:
    """Weighted draws of merchants, by segment of the card and by place."""

    cities: int
    visits: Pools
    anywhere_online: Pools
    testable: Pools
    far_cities: Pools
    all_cities: Pools

    def nearby(self, segment: NDArray[np.integer], city: NDArray[np.integer]) -> NDArray[np.int64]:
        """The number of the pool of in-person merchants of a city for a segment, to draw from `visits`."""
        return (segment * self.cities + city).astype(np.int64)

    def online(self, segment: NDArray[np.integer], country: NDArray[np.integer]) -> NDArray[np.int64]:
        """The number of the pool of online merchants for a segment that lives in a country, to draw from `visits`."""
        return (SEGMENTS * self.cities + segment * len(geography.COUNTRIES) + country).astype(np.int64)


def build_market(rng: np.random.Generator, merchants: Merchants, cities: int) -> Market:
    """The market of these merchants; tastes of the segments are drawn here."""
    tastes = np.exp(_TASTE_SIGMA * rng.standard_normal((SEGMENTS, len(trades.CATEGORIES))))
    in_city = [np.flatnonzero((merchants.city == city) & ~merchants.online) for city in range(cities)]
    online = np.flatnonzero(merchants.online)
    testable = online[np.isin(merchants.category[online], trades.TESTABLE)]
    weight = merchants.popularity

    def liked(members: NDArray[np.int64], segment: int) -> NDArray[np.float64]:
        return weight[members] * tastes[segment, merchants.category[members]]

    def biased(segment: int, country: int) -> NDArray[np.float64]:
        return liked(online, segment) * np.where(merchants.country[online] == country, _DOMESTIC_BIAS, 1.0)

    segments, countries = range(SEGMENTS), range(len(geography.COUNTRIES))
    visits = [(members, liked(members, segment)) for segment in segments for members in in_city]
    visits += [(online, biased(segment, country)) for segment in segments for country in countries]
    city_weight = geography.CITY_WEIGHT[:cities]
    far = geography.city_distances_km(cities) >= FAR_KM
    return Market(
        cities=cities,
        visits=build_pools(rng, visits),
        anywhere_online=build_pools(rng, [(online, weight[online])]),
        testable=build_pools(rng, [(testable, np.ones(len(testable)))]),
        far_cities=build_pools(rng, [(np.flatnonzero(row), city_weight[row]) for row in far]),
        all_cities=build_pools(rng, [(np.arange(cities), city_weight)]),
    )
