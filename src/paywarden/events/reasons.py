"""Why an event is refused: one stable code a refusal, the first that holds in the order given here.

Codes are public: they are dead-letter headers, metrics and report rows. They may be added to, never renamed.
"""

from __future__ import annotations

EMPTY = "empty"
"""The value is null (a tombstone) or has no bytes."""
TOO_LARGE = "too_large"
"""The message has more bytes than allowed."""
MALFORMED_JSON = "malformed_json"
"""Not UTF-8, or not JSON (RFC 8259)."""
NOT_AN_OBJECT = "not_an_object"
"""JSON, but not one object."""
WRONG_TYPE = "wrong_type"
"""A field holds another type than declared: 5.0 is no integer, "5" is no number."""
DUPLICATE_FIELD = "duplicate_field"
"""A known field occurs twice, so its value is ambiguous."""
MISSING_FIELD = "missing_field"
"""A required field is absent or null."""
BLANK = "blank"
"""An id is empty or only white space."""
TOO_LONG = "too_long"
"""An id or a text is longer than allowed."""
CARD_NUMBER = "card_number"
"""An id looks like a card number: tokenise it at the source."""
UNKNOWN_VALUE = "unknown_value"
"""A field with a fixed list of values holds another one."""
TIME_OUT_OF_RANGE = "time_out_of_range"
"""A time lies before 2000 or after 2100: not milliseconds, most likely."""
TIME_IN_FUTURE = "time_in_future"
"""The event happened more than five minutes after we received it."""
LABEL_BEFORE_TRANSACTION = "label_before_transaction"
"""The label was given before its transaction occurred."""
AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
"""The amount is negative or above the limit."""
NOT_FINITE = "not_finite"
"""A number is NaN or infinite."""
COORDINATE_OUT_OF_RANGE = "coordinate_out_of_range"
"""Latitude beyond ±90 or longitude beyond ±180 degrees."""
INVALID_COUNTRY = "invalid_country"
"""The country is not two capital letters (ISO 3166-1 alpha-2)."""
UNKNOWN_CURRENCY = "unknown_currency"
"""The currency is not in the currency table."""
NO_EXCHANGE_RATE = "no_exchange_rate"
"""The currency is known, but its first rate is later than the transaction."""
UNREADABLE_VALUE = "unreadable_value"
"""A value of a mapped file cannot be read as its field: a time, an amount, a label."""

CODES = (
    EMPTY,
    TOO_LARGE,
    MALFORMED_JSON,
    NOT_AN_OBJECT,
    WRONG_TYPE,
    DUPLICATE_FIELD,
    UNREADABLE_VALUE,
    MISSING_FIELD,
    BLANK,
    TOO_LONG,
    CARD_NUMBER,
    UNKNOWN_VALUE,
    TIME_OUT_OF_RANGE,
    TIME_IN_FUTURE,
    LABEL_BEFORE_TRANSACTION,
    AMOUNT_OUT_OF_RANGE,
    NOT_FINITE,
    COORDINATE_OUT_OF_RANGE,
    INVALID_COUNTRY,
    UNKNOWN_CURRENCY,
    NO_EXCHANGE_RATE,
)
