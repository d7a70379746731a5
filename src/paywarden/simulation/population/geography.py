"""Where cards live and merchants trade: real cities with their weight in the world, and distances between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.events.earth import distance_km

# Name, country (ISO alpha-2), latitude, longitude, weight in the world, hours from UTC (winter time, whole).
# The first four lie far apart, so that the smallest world still has somewhere far to be cloned.
_CITIES = (
    ("Paris", "FR", 48.8566, 2.3522, 10.0, 1),
    ("Berlin", "DE", 52.5200, 13.4050, 8.0, 1),
    ("Madrid", "ES", 40.4168, -3.7038, 7.0, 1),
    ("Rome", "IT", 41.9028, 12.4964, 6.0, 1),
    ("Amsterdam", "NL", 52.3676, 4.9041, 5.0, 1),
    ("Brussels", "BE", 50.8503, 4.3517, 3.5, 1),
    ("Vienna", "AT", 48.2082, 16.3738, 3.5, 1),
    ("Lisbon", "PT", 38.7223, -9.1393, 3.5, 0),
    ("Dublin", "IE", 53.3498, -6.2603, 2.5, 0),
    ("London", "GB", 51.5072, -0.1276, 4.0, 0),
    ("Munich", "DE", 48.1351, 11.5820, 4.0, 1),
    ("Hamburg", "DE", 53.5511, 9.9937, 3.5, 1),
    ("Lyon", "FR", 45.7640, 4.8357, 3.5, 1),
    ("Marseille", "FR", 43.2965, 5.3698, 3.0, 1),
    ("Barcelona", "ES", 41.3874, 2.1686, 4.5, 1),
    ("Valencia", "ES", 39.4699, -0.3763, 2.0, 1),
    ("Milan", "IT", 45.4642, 9.1900, 4.0, 1),
    ("Naples", "IT", 40.8518, 14.2681, 2.5, 1),
    ("Rotterdam", "NL", 51.9244, 4.4777, 2.0, 1),
    ("Antwerp", "BE", 51.2194, 4.4025, 1.5, 1),
    ("Porto", "PT", 41.1579, -8.6291, 1.5, 0),
    ("Helsinki", "FI", 60.1699, 24.9384, 2.0, 2),
    ("Athens", "GR", 37.9838, 23.7275, 2.5, 2),
    ("Zagreb", "HR", 45.8150, 15.9819, 1.2, 1),
    ("Bratislava", "SK", 48.1486, 17.1077, 1.0, 1),
    ("Warsaw", "PL", 52.2297, 21.0122, 1.5, 1),
    ("Prague", "CZ", 50.0755, 14.4378, 1.5, 1),
    ("Stockholm", "SE", 59.3293, 18.0686, 1.2, 1),
    ("Copenhagen", "DK", 55.6761, 12.5683, 1.2, 1),
    ("Zurich", "CH", 47.3769, 8.5417, 1.5, 1),
    ("Istanbul", "TR", 41.0082, 28.9784, 1.0, 3),
    ("New York", "US", 40.7128, -74.0060, 1.8, -5),
    ("Miami", "US", 25.7617, -80.1918, 0.8, -5),
    ("Dubai", "AE", 25.2048, 55.2708, 0.8, 4),
    ("Bangkok", "TH", 13.7563, 100.5018, 0.6, 7),
    ("Singapore", "SG", 1.3521, 103.8198, 0.6, 8),
)

CITY_NAMES: tuple[str, ...] = tuple(city[0] for city in _CITIES)
COUNTRIES: tuple[str, ...] = tuple(dict.fromkeys(city[1] for city in _CITIES))
CITY_COUNTRY = np.array([COUNTRIES.index(city[1]) for city in _CITIES], dtype=np.int32)
CITY_LATITUDE = np.array([city[2] for city in _CITIES])
CITY_LONGITUDE = np.array([city[3] for city in _CITIES])
CITY_WEIGHT = np.array([city[4] for city in _CITIES])
CITY_UTC_OFFSET_HOURS = np.array([city[5] for city in _CITIES], dtype=np.int64)


def city_distances_km(cities: int) -> NDArray[np.float64]:
    """Distances between the first `cities` cities, float64 ``[cities, cities]``."""
    latitude, longitude = CITY_LATITUDE[:cities], CITY_LONGITUDE[:cities]
    return distance_km(latitude[:, None], longitude[:, None], latitude[None, :], longitude[None, :])
