"""The present value of a field against the entity's own history.

The ratio is NaN without history; the z-score needs three transactions that are not all equal. Its squares count an
amount as at most 671,088.63 (see ``cells.SQUARES_CAP``), which keeps them exact integers.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT, SQUARES, SUM
from paywarden.features.results import Result

_COUNT = Stored(COUNT, of_field=False)

RATIO_TO_MEAN = Aggregation(
    "ratio_to_mean", (_COUNT, Stored(SUM)), Result.RATIO_TO_MEAN, "present {field} ÷ mean {field}"
)
ZSCORE = Aggregation(
    "zscore",
    (_COUNT, Stored(SUM), Stored(SQUARES)),
    Result.ZSCORE,
    "present {field} from the mean {field}, in standard deviations",
)
