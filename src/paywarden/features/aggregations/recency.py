"""Seconds since the latest authorisation of the entity, never below zero; NaN for an unseen entity.

Stores nothing in tiles: the record bears the time of its latest authorisation.
"""

from paywarden.features.aggregations.aggregation import Aggregation
from paywarden.features.results import Result

SECONDS_SINCE_LAST = Aggregation(
    "seconds_since_last", (), Result.SECONDS_SINCE_LAST, "seconds since the latest transaction"
)
