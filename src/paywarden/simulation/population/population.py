"""Population: the customers, cards and merchants of a world and the market where they meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population import geography
from paywarden.simulation.population.cards import Cards, customers_of, draw_cards
from paywarden.simulation.population.customers import Customers, draw_customers
from paywarden.simulation.population.market import Market, build_market
from paywarden.simulation.population.merchants import Merchants, draw_merchants
from paywarden.simulation.randomness import Stream, generator

_FEWEST_CITIES = 4
_MERCHANTS_A_CITY = 25


@dataclass(frozen=True)
class Population:
    """Who lives in the world. The same seed and sizes give the same population."""

    customers: Customers
    cards: Cards
    merchants: Merchants
    market: Market

    @cached_property
    def regulars(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Cards by favourite merchant: (cards, bounds); those of merchant m are ``cards[bounds[m]:bounds[m + 1]]``."""
        favourites = self.cards.favourites
        rows, bounds = _grouped(favourites.ravel(), len(self.merchants))
        return (rows // favourites.shape[1]).astype(np.int32), bounds

    @cached_property
    def neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Cards by their holder's city, in the same form."""
        rows, bounds = _grouped(self.cards.city, self.market.cities)
        return rows.astype(np.int32), bounds

    @cached_property
    def wanderlust(self) -> NDArray[np.float64]:
        """Cumulative shares of the customers in all trips, float64 ``[customers]``, the last one 1."""
        passed = np.cumsum(self.customers.wanderlust)
        return passed / passed[-1]


def draw_population(seed: int, cards: int, merchants: int) -> Population:
    """The population of a world; a small one lives in fewer cities, so that each city still has its shops."""
    rng = generator(seed, Stream.POPULATION)
    cities = int(np.clip(merchants // _MERCHANTS_A_CITY, _FEWEST_CITIES, len(geography.CITY_WEIGHT)))
    shops = draw_merchants(rng, merchants, cities)
    market = build_market(rng, shops, cities)
    customers = draw_customers(rng, customers_of(cards), market)
    return Population(customers, draw_cards(rng, cards, customers), shops, market)


def _grouped(group: NDArray[np.int32], groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows by group, and where each group begins: those of group g are ``rows[bounds[g]:bounds[g + 1]]``."""
    order = np.argsort(group, kind="stable")
    return order, np.searchsorted(group[order], np.arange(groups + 1))
