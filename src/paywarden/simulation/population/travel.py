"""Travel: the city each card is in on a day, so that a payment far from home is nothing special by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.population import calendar
from paywarden.simulation.population.population import Population
from paywarden.simulation.randomness import Stream, generator

_TRIPS_A_DAY = 0.012  # share of customers that set out on a day: about four trips a year
_LONGEST_TRIP_DAYS = 7


def whereabouts(people: Population, seed: int, start_at_ms: int, day: int) -> NDArray[np.int32]:
    """The city of each card on a day, int32 ``[cards]``; earlier trips, of up to a week, are looked back for."""
    customers = people.customers
    city = customers.city.copy()
    bounds = people.wanderlust
    for departure in range(day - _LONGEST_TRIP_DAYS + 1, day + 1):
        rng = generator(seed, Stream.TRAVEL, departure)
        trips = _TRIPS_A_DAY * len(city) * calendar.travel_factor(calendar.date_of(start_at_ms, departure))
        travellers = np.searchsorted(bounds, rng.random(rng.poisson(trips)), side="right")
        nights = rng.integers(2, _LONGEST_TRIP_DAYS + 1, size=len(travellers))
        destination = people.market.all_cities.draw(0, rng.random(len(travellers)))
        away = departure + nights > day
        city[travellers[away]] = destination[away]
    return city[people.cards.customer]
