"""The speed that a traveller would have needed since the last located transaction, in km/h.

Great-circle distance ÷ time between the two, of which at least a minute is counted; NaN where either has no place.
Coordinates are kept to a ten-millionth of a degree.
"""

from paywarden.features.aggregations.aggregation import Aggregation
from paywarden.features.results import Result

SPEED_KMH = Aggregation("speed_kmh", (), Result.SPEED_KMH, "speed needed since the last located transaction, km/h")
