"""The standard deviation (population) of a field; NaN below two transactions.

Its squares count an amount as at most 671,088.63 (see ``cells.SQUARES_CAP``), which keeps them exact integers.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT, SQUARES, SUM
from paywarden.features.results import Result

STD = Aggregation(
    "std", (Stored(COUNT, of_field=False), Stored(SUM), Stored(SQUARES)), Result.STD, "standard deviation of {field}"
)
