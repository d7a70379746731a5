"""Whether nothing like the present event was observed in the window: 1 or 0.

``first_time`` asks for any event of the record, ``first_time_of`` for one with the same value of a field. The latter
remembers values as one of 64 bits, so that a new value now and then passes for a known one, never the reverse; hours
of the day are exact. NaN where the present event lacks the field.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT, SMALL_SKETCH
from paywarden.features.results import Result

FIRST_TIME = Aggregation(
    "first_time", (Stored(COUNT, of_field=False),), Result.FIRST_TIME, "first transaction (0 or 1)"
)
FIRST_TIME_OF = Aggregation(
    "first_time_of", (Stored(SMALL_SKETCH),), Result.FIRST_TIME_OF, "first time of this {field} (0 or 1)", "first_time"
)
