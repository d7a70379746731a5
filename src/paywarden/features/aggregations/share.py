"""Which share of the transactions is of one sort; NaN without a transaction."""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT
from paywarden.features.results import Result

SHARE = Aggregation(
    "share", (Stored(COUNT), Stored(COUNT, of_field=False)), Result.SHARE, "share of {field} transactions"
)
