from __future__ import annotations

import numpy as np
import pytest

from paywarden.simulation.population.geography import CITY_NAMES, city_distances_km
from paywarden.simulation.population.market import FAR_KM


@pytest.mark.parametrize(
    ("one", "other", "km"), [("Paris", "Berlin", 878), ("London", "New York", 5570), ("Lisbon", "Singapore", 11886)]
)
def test_distances_are_those_of_the_atlas(one, other, km):
    distances = city_distances_km(len(CITY_NAMES))
    assert distances[CITY_NAMES.index(one), CITY_NAMES.index(other)] == pytest.approx(km, rel=0.01)


@pytest.mark.parametrize("cities", range(4, len(CITY_NAMES) + 1))
def test_every_city_has_another_far_away(cities):
    distances = city_distances_km(cities)
    assert np.allclose(distances, distances.T)
    assert (distances >= FAR_KM).any(axis=1).all()
