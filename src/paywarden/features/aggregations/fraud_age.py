"""How long the latest known fraud is ago, and how long the present run of frauds has lasted, in seconds.

Both go by the arrival of fraud labels and store nothing in tiles. A run begins with a label that arrives when none
has arrived for ``RUN_GAP_MS``, and is over once none has; NaN where no fraud, or no present run, is known.
"""

from paywarden.features.aggregations.aggregation import Aggregation
from paywarden.features.results import Result
from paywarden.features.windows import DAY_MS

RUN_GAP_MS = 7 * DAY_MS

SECONDS_SINCE_FRAUD = Aggregation(
    "seconds_since_fraud", (), Result.SECONDS_SINCE_FRAUD, "seconds since the latest report of fraud"
)
FRAUD_RUN_SECONDS = Aggregation(
    "fraud_run_seconds", (), Result.FRAUD_RUN_SECONDS, "seconds since the present run of fraud reports began"
)
