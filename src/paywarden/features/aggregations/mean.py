"""The mean of a field; NaN without a transaction."""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT, SUM
from paywarden.features.results import Result

MEAN_OF = Aggregation("mean", (Stored(COUNT, of_field=False), Stored(SUM)), Result.MEAN, "mean {field}")
