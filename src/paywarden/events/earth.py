"""Distances on Earth, taken for a sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_KM = 6371.0088  # mean radius R1: Moritz, Geodetic Reference System 1980, Journal of Geodesy 74, 2000


def distance_km(
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    other_latitude: NDArray[np.float64],
    other_longitude: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Great-circle distance in kilometres of points in degrees (haversine), broadcast.

    Source: R. W. Sinnott, "Virtues of the haversine", Sky and Telescope 68 (2), 1984.
    """
    lat1, lon1, lat2, lon2 = (np.radians(x) for x in (latitude, longitude, other_latitude, other_longitude))
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
