"""What to change in a mapping, or in the data, when rows of a file are refused: one sentence a reason."""

from __future__ import annotations

from paywarden.events import reasons

REMEDIES = {
    reasons.UNREADABLE_VALUE: "correct these values, or how the mapping reads the column",
    reasons.MISSING_FIELD: "fill these values in, or map a column that has them",
    reasons.BLANK: "leave the value out where there is none, or correct it",
    reasons.TOO_LONG: "shorten the value, or map another column",
    reasons.CARD_NUMBER: "write {column: …, tokenise: true} for an entity; for a transaction id, {row_number: true}",
    reasons.UNKNOWN_VALUE: "give the values names in the mapping: {column: …, names: {VALUE: NAME}}",
    reasons.TIME_OUT_OF_RANGE: "correct format, unit or start of occurred_at in the mapping",
    reasons.TIME_IN_FUTURE: "correct received_delay in the mapping",
    reasons.LABEL_BEFORE_TRANSACTION: "correct the label's delay in the mapping",
    reasons.AMOUNT_OUT_OF_RANGE: "correct the amount's column or unit; amounts are positive, refunds are a type",
    reasons.NOT_FINITE: "leave the number out where there is none",
    reasons.COORDINATE_OUT_OF_RANGE: "correct the columns of latitude and longitude; they may be swapped",
    reasons.INVALID_COUNTRY: "give the values names ({column: …, names: {USA: US}}), or map them as an extra category",
    reasons.UNKNOWN_CURRENCY: "add the currency to events.rates in the settings, or write currency: {value: CODE}",
    reasons.NO_EXCHANGE_RATE: "add an earlier rate to events.rates in the settings",
}
"""By the codes that rows of a mapped file can have."""


def remedy(code: str) -> str:
    """What to do about a refusal with this code."""
    return REMEDIES.get(code, "correct the rows")
