"""The largest value of a field; NaN without a transaction."""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import MAX
from paywarden.features.results import Result

MAX_OF = Aggregation("max", (Stored(MAX),), Result.MAX, "largest {field}")
