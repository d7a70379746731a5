"""A payment in words, from what its alert's message says."""

import json

import pytest
from tests.integration.alerts.decisions import SCHEMA, alert

from paywarden.events.cases import CaseAlert
from paywarden.events.currency import CurrencyTable
from paywarden.jobs.alerts import _alerts_of
from paywarden.service.console.payment_facts import payment_facts

EUROS = CurrencyTable("EUR")
TIME = [("Time (UTC)", "2025-06-15 15:06:40"), ("Payment", "t1")]


def facts(document):
    (found, _, _), _ = _alerts_of([document], SCHEMA)
    known = {name: getattr(found[0], name) for name in CaseAlert.__dataclass_fields__ if hasattr(found[0], name)}
    return payment_facts(CaseAlert(**known, acts=True, verdict=None), "card", EUROS)


@pytest.mark.parametrize(
    ("amount", "currency", "paid"),
    [(1234, "JPY", "1,234 JPY"), (123_456, "USD", "1,234.56 USD"), (1_234_567, "KWD", "1,234.567 KWD")],
)
def test_another_currency_is_said_with_its_own_decimals(amount, currency, paid):
    told = facts(alert("t1", transaction={"amount": amount, "currency": currency}))
    assert told == [("Merchant", "merchant0001"), ("Paid", paid), *TIME]


def test_the_base_currency_and_a_plain_payment_need_no_line():
    told = facts(
        alert("t1", transaction={"amount": 5, "currency": "EUR", "transaction_type": "authorisation", "country": "FR"})
    )
    assert told == [("Merchant", "merchant0001"), ("Country", "FR"), *TIME]
    assert ("Type", "refund") in facts(alert("t1", transaction={"transaction_type": "refund"}))


def test_a_merchant_is_shown_in_full_and_what_is_the_customers_is_not():
    entities = {"card": "card0000AAAA", "merchant": "Kirlin and Sons", "ip": "198.51.100.77", "device": "device-00017"}
    message = {**json.loads(alert("t1", transaction={"channel": "in_person"})), "entities": entities}
    told = facts(json.dumps(message).encode())
    shown = [("IP", "•••• 0.77"), ("Device", "•••• 0017")]
    assert told == [("Merchant", "Kirlin and Sons"), ("Channel", "in person"), *shown, *TIME]
