"""Fraud labels that arrived in the window ÷ transactions observed in it, drawn towards 1 % while there are few.

``(frauds + 0.1) / (transactions + 10)``: a Beta prior with mean 0.01 and the weight of ten transactions.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Source, Stored
from paywarden.features.cells import COUNT
from paywarden.features.results import Result

FRAUD_RATE = Aggregation(
    "fraud_rate",
    (Stored(COUNT, Source.FRAUD_LABELS, of_field=False), Stored(COUNT, of_field=False)),
    Result.FRAUD_RATE,
    "fraud rate (reports arrived ÷ transactions, smoothed)",
)
