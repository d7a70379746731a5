"""A payment as an analyst reads it: what its alert's message says of it, in words."""

from __future__ import annotations

from typing import Final

from paywarden.events.cases import CaseAlert
from paywarden.events.currency import CurrencyTable
from paywarden.events.masking import shown_entities
from paywarden.events.schema import DEFAULT_TRANSACTION_TYPE
from paywarden.service.console.words import minor_units, time_of

_FIELDS: Final = ("category", "channel", "country", "transaction_type")
_USUAL: Final = {"transaction_type": DEFAULT_TRANSACTION_TYPE}
"""Not worth a line."""


def payment_facts(alert: CaseAlert, card_entity: str | None, currencies: CurrencyTable) -> list[tuple[str, str]]:
    """Pairs of what and which, as far as the message knows; the card is the case's own and stands above.

    An amount is said only where it was paid in another currency than the base one.
    """
    told = alert.notes.transaction
    tokens = {name: token for name, token in shown_entities(alert.notes.entities).items() if name != card_entity}
    facts = [("Merchant", tokens.pop("merchant"))] if "merchant" in tokens else []
    facts += _paid(told.get("amount"), told.get("currency"), currencies)
    known = [(name, str(told[name])) for name in _FIELDS if name in told and told[name] != _USUAL.get(name)]
    facts += [(_label(name.removeprefix("transaction_")), value.replace("_", " ")) for name, value in known]
    facts += [(_label(name), token) for name, token in tokens.items()]
    return [*facts, ("Time (UTC)", time_of(alert.occurred_at)), ("Payment", alert.transaction_id)]


def _paid(amount: object, currency: object, currencies: CurrencyTable) -> list[tuple[str, str]]:
    if not isinstance(amount, int) or not isinstance(currency, str) or currency == currencies.base:
        return []
    return [("Paid", f"{minor_units(amount, currencies.exponent(currency))} {currency}")]


def _label(name: str) -> str:
    """A field's name for the eye: short ones are initials, such as IP."""
    return name.upper() if len(name) <= 2 else name.replace("_", " ").capitalize()
