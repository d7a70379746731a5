"""Population: the cards and merchants of a world and the market where they meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population import geography
from paywarden.simulation.population.cards import Cards, draw_cards
from paywarden.simulation.population.market import Market, build_market
from paywarden.simulation.population.merchants import Merchants, draw_merchants
from paywarden.simulation.randomness import Stream, generator

_FEWEST_CITIES = 4
_MERCHANTS_A_CITY = 25


@dataclass(frozen=True)
class Population:
    """Who lives in the world. The same seed and sizes give the same population."""

    cards: Cards
    merchants: Merchants
    market: Market

    @cached_property
    def regulars(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Cards by favourite merchant: (cards, bounds); those of merchant m are ``cards[bounds[m]:bounds[m + 1]]``."""
        favourites = self.cards.favourites
        order = np.argsort(favourites.ravel(), kind="stable")
        bounds = np.searchsorted(favourites.ravel()[order], np.arange(len(self.merchants) + 1))
        return (order // favourites.shape[1]).astype(np.int32), bounds


def draw_population(seed: int, cards: int, merchants: int) -> Population:
    """The population of a world; a small one lives in fewer cities, so that each city still has its shops."""
    rng = generator(seed, Stream.POPULATION)
    cities = int(np.clip(merchants // _MERCHANTS_A_CITY, _FEWEST_CITIES, len(geography.CITY_WEIGHT)))
    shops = draw_merchants(rng, merchants, cities)
    market = build_market(rng, shops, cities)
    return Population(draw_cards(rng, cards, market), shops, market)
