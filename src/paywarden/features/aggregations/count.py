"""How many authorisations, refunds, or authorisations of one sort."""

from paywarden.features.aggregations.aggregation import Aggregation, Source, Stored
from paywarden.features.cells import COUNT
from paywarden.features.results import Result

COUNT_ALL = Aggregation("count", (Stored(COUNT, of_field=False),), Result.COUNT, "transactions")
COUNT_OF = Aggregation("count_of", (Stored(COUNT),), Result.COUNT, "{field} transactions", word="count")
REFUND_COUNT = Aggregation("refund_count", (Stored(COUNT, Source.REFUNDS, of_field=False),), Result.COUNT, "refunds")
