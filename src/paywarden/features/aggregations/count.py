"""How many transactions."""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT
from paywarden.features.results import Result

COUNT_OF = Aggregation("count", (Stored(COUNT, of_field=False),), Result.COUNT, "transactions")
