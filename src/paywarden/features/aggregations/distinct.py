"""How many distinct values of a field, by linear counting in a sketch.

``distinct`` has 256 bits: within some 10 % up to 1,000 values, and it saturates near 1,400. ``distinct_few``, for what
is seldom above a hundred, has 64 bits and saturates near 270.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import SKETCH, SMALL_SKETCH
from paywarden.features.results import Result

DISTINCT = Aggregation("distinct", (Stored(SKETCH),), Result.DISTINCT, "distinct {fields} (estimate)")
DISTINCT_FEW = Aggregation(
    "distinct_few", (Stored(SMALL_SKETCH),), Result.DISTINCT_FEW, "distinct {fields} (estimate)", word="distinct"
)
