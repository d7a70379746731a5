"""What the sender of a transaction does about its refusal, by the code of the reason."""

from __future__ import annotations

from paywarden.events import reasons

_REMEDIES = {
    reasons.EMPTY: "send a transaction, or an array of some",
    reasons.MALFORMED_JSON: "send JSON in UTF-8",
    reasons.NOT_AN_OBJECT: "send an object with the fields of a transaction, or an array of such objects",
    reasons.CARD_NUMBER: "tokenise card numbers where they come from, and send the token",
    reasons.TIME_IN_FUTURE: "set the sender's clock; occurred_at may be five minutes ahead at most",
    reasons.TIME_OUT_OF_RANGE: "send milliseconds since 1970 UTC",
    reasons.AMOUNT_OUT_OF_RANGE: "send minor units, 0 or more; a refund is a transaction_type",
    reasons.UNKNOWN_CURRENCY: "add the currency to events.rates in the settings, or correct it",
    reasons.NO_EXCHANGE_RATE: "add an earlier rate to events.rates in the settings",
}


def remedy(code: str) -> str:
    """What to do about a refusal with this code."""
    return _REMEDIES.get(code, "correct the field that is named, as GET /openapi.json describes it")
