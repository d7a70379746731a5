"""The sum of a field, exact in integers."""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import SUM
from paywarden.features.results import Result

SUM_OF = Aggregation("sum", (Stored(SUM),), Result.SUM, "sum of {field}")
