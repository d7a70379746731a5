"""Places: a latitude and a longitude in one word, and the distance between two of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from paywarden.features.compiled import compiled

# The number of events/earth.py, written again: what is compiled here is stamped by the sources of this room alone.
_EARTH_RADIUS_KM = 6371.0088
_TEN_MILLIONTHS = 1e7
_LOW_HALF = 0xFFFFFFFF
NOWHERE = 0
"""The word of no place. Latitude and longitude 0, a point in the sea, is what broken readers write: nowhere too."""


def place_words(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.int64]:
    """Degrees as one word a place, int64 ``[n]``; NOWHERE where either is NaN."""
    known = ~(np.isnan(latitude) | np.isnan(longitude))
    north, east = (np.rint(np.where(known, d, 0.0) * _TEN_MILLIONTHS).astype(np.int64) for d in (latitude, longitude))
    return (north << 32) | (east & _LOW_HALF)


@compiled
def kilometres_between(one: int, other: int) -> float:
    """Great-circle distance by the haversine formula.

    Source: R. W. Sinnott, Virtues of the Haversine, Sky and Telescope 68(2), 1984.
    """
    north, east = _radians(one)
    other_north, other_east = _radians(other)
    half = math.sin((other_north - north) / 2) ** 2
    half += math.cos(north) * math.cos(other_north) * math.sin((other_east - east) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * math.asin(min(math.sqrt(half), 1.0))


@compiled
def _radians(place: int) -> tuple[float, float]:
    east = place & _LOW_HALF
    if east > 0x7FFFFFFF:
        east -= _LOW_HALF + 1
    return math.radians((place >> 32) / _TEN_MILLIONTHS), math.radians(east / _TEN_MILLIONTHS)
