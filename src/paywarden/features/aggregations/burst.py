"""Transactions against the entity's own normal: those in the window ÷ those expected from a longer one.

``(short + 1) / (long × short window ÷ long window + 1)``: 1 is normal, and so is nothing after nothing.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Stored
from paywarden.features.cells import COUNT
from paywarden.features.results import Result

BURST = Aggregation(
    "burst",
    (Stored(COUNT, of_field=False), Stored(COUNT, of_field=False, baseline=True)),
    Result.BURST,
    "transactions ÷ what is normal",
)
