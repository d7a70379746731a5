"""Frauds reported in the window ÷ the payments old enough to be judged by now: how the last judged ones turned out.

A report comes days after its payment, so that a plain rate of late holds reports of old payments against new payments.
Here the payments are those of the baseline window without its last ``baseline - window``, the time that reports are
given. Where more reports came than there are such payments, all of these were fraud. NaN without either.
"""

from paywarden.features.aggregations.aggregation import Aggregation, Source, Stored
from paywarden.features.cells import COUNT
from paywarden.features.results import Result

MATURED_FRAUD_RATE = Aggregation(
    "matured_fraud_rate",
    (
        Stored(COUNT, Source.FRAUD_LABELS, of_field=False),
        Stored(COUNT, of_field=False, baseline=True),
        Stored(COUNT, of_field=False, lag=True),
    ),
    Result.MATURED_FRAUD_RATE,
    "matured fraud rate (reports arrived ÷ transactions old enough to be judged)",
)
