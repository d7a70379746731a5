"""How many distinct values of a field, by linear counting in a 512-bit sketch.

Within a few per cent up to 1,000 values; saturates near 3,200.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import SKETCH
from paywarden.features.results import Result

DISTINCT = Aggregation("distinct", (Stored(SKETCH),), Result.DISTINCT, "distinct {field}s (estimate)")
