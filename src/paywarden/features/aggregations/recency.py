"""Seconds since the latest transaction of the entity, never below zero; NaN for an unseen entity.

Stores nothing in tiles: every record bears the time of its latest transaction.
"""

from paywarden.features.aggregations.aggregation import Aggregation
from paywarden.features.results import Result

SECONDS_SINCE_LAST = Aggregation(
    "seconds_since_last", (), Result.SECONDS_SINCE_LAST, "seconds since the latest transaction"
)
