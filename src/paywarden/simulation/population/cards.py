"""Cards: where their holders live, how much, how often, when and where they pay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population import geography, habits
from paywarden.simulation.population.market import SEGMENTS, Market

FAVOURITES_NEARBY = 6
FAVOURITES_ONLINE = 4
_LEVEL_SIGMA = 0.45  # spending level: two thirds of cards within a factor of 1.6 of the median
_RATE_MEDIAN, _RATE_SIGMA, _RATE_LIMITS = 1.3, 0.6, (0.1, 8.0)  # payments a day


@dataclass(frozen=True)
class Cards:
    """Columns of cards ``[n]``; `favourites` is ``[n, 10]``: six merchants near home, four online, dearest first."""

    city: NDArray[np.int32]
    country: NDArray[np.int32]
    segment: NDArray[np.int32]
    habit: NDArray[np.int32]
    log_level: NDArray[np.float64]
    rate: NDArray[np.float64]
    online_share: NDArray[np.float64]
    favourites: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.city)


def draw_cards(rng: np.random.Generator, cards: int, market: Market) -> Cards:
    """`cards` cards, their homes in the market's cities by weight, their favourites from its merchants by taste."""
    city = market.all_cities.draw(0, rng.random(cards))
    country = geography.CITY_COUNTRY[city]
    segment = rng.integers(SEGMENTS, size=cards, dtype=np.int32)
    nearby = market.nearby(segment, city)[:, None]
    online = market.online(segment, country)[:, None]
    favourites = np.concatenate(
        [
            market.visits.draw(nearby, rng.random((cards, FAVOURITES_NEARBY))),
            market.visits.draw(online, rng.random((cards, FAVOURITES_ONLINE))),
        ],
        axis=1,
    )
    return Cards(
        city=city,
        country=country,
        segment=segment,
        habit=rng.integers(habits.HABITS, size=cards, dtype=np.int32),
        log_level=_LEVEL_SIGMA * rng.standard_normal(cards),
        rate=np.clip(_RATE_MEDIAN * np.exp(_RATE_SIGMA * rng.standard_normal(cards)), *_RATE_LIMITS),
        online_share=rng.beta(2.0, 2.6, size=cards),
        favourites=favourites,
    )
