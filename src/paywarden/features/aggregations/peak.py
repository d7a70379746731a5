"""The largest value of late against the entity's own normal: the maximum in the window ÷ the mean in a longer one.

Where somebody else spends in between, it tells so of every later payment too. NaN where either window is empty, or the
mean is not above 0.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT, MAX, SUM
from paywarden.features.results import Result

PEAK = Aggregation(
    "peak",
    (Stored(MAX), Stored(COUNT, of_field=False, baseline=True), Stored(SUM, baseline=True)),
    Result.PEAK,
    "largest {field} ÷ what is normal",
)
