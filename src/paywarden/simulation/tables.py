"""Tables: a day's draft as canonical Arrow events, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paywarden.events.schema import AUTH_RESULTS, CHANNELS, TRANSACTION_TYPES, EventSchema
from paywarden.simulation.draft import ATM, GENUINE, IN_PERSON, PATTERNS, Draft
from paywarden.simulation.population.geography import COUNTRIES
from paywarden.simulation.population.population import Population
from paywarden.simulation.population.trades import CATEGORIES
from paywarden.simulation.tokens import card_tokens, customer_tokens, device_tokens, merchant_tokens

ENTITIES = ("card", "merchant", "customer", "device")
"""What a world can tell of who pays, whom and from where; only the device may be null."""

TRUTH_SCHEMA = pa.schema([("transaction_id", pa.string()), ("is_fraud", pa.bool_()), ("pattern", pa.string())])

_CURRENCY = "EUR"
_CHANNELS = pa.array(CHANNELS)
_PATTERNS = pa.array(PATTERNS)
_AUTH_RESULTS = pa.array(AUTH_RESULTS).take(pa.array([AUTH_RESULTS.index("approved"), AUTH_RESULTS.index("declined")]))
_TYPES = pa.array(TRANSACTION_TYPES).take(
    pa.array([TRANSACTION_TYPES.index("authorisation"), TRANSACTION_TYPES.index("refund")])
)


@dataclass(frozen=True)
class Names:
    """The strings of a world, to be taken by position; `customer` by that of a card."""

    card: pa.Array
    merchant: pa.Array
    customer: pa.Array
    category: pa.Array
    country: pa.Array


def names_of(people: Population) -> Names:
    """The strings of this population; category and country are the merchant's."""
    return Names(
        card=card_tokens(len(people.cards)),
        merchant=merchant_tokens(len(people.merchants)),
        customer=_take(customer_tokens(len(people.customers)), people.cards.customer),
        category=_take(pa.array(CATEGORIES), people.merchants.category),
        country=_take(pa.array(COUNTRIES), people.merchants.country),
    )


def transaction_table(
    schema: EventSchema,
    names: Names,
    people: Population,
    rows: Draft,
    ids: pa.Array,
    occurred_at: NDArray[np.int64],
    received_at: NDArray[np.int64],
) -> pa.Table:
    """Canonical transactions of these rows, in their order; times are epoch ms, UTC."""
    amount = pa.array(rows.amount)
    entities = {f"entity_{name}": _entity(name, names, rows) for name in schema.entities}
    elsewhere = (rows.channel != IN_PERSON) & (rows.channel != ATM)
    columns = {
        "transaction_id": ids,
        "occurred_at": occurred_at,
        "received_at": received_at,
        "routing_key": entities[f"entity_{schema.routing_entity}"],
        **entities,
        "amount": amount,
        "currency": pa.repeat(_CURRENCY, len(rows)),
        "amount_base": amount,
        "transaction_type": _take(_TYPES, rows.refund.view(np.int8)),
        "auth_result": _take(_AUTH_RESULTS, rows.declined.view(np.int8)),
        "category": _take(names.category, rows.merchant),
        "channel": _take(_CHANNELS, rows.channel),
        "country": _take(names.country, rows.merchant),
        "latitude": pa.array(people.merchants.latitude[rows.merchant], mask=elsewhere),
        "longitude": pa.array(people.merchants.longitude[rows.merchant], mask=elsewhere),
    }
    return pa.table(columns, schema=schema.transaction_schema())


def _entity(name: str, names: Names, rows: Draft) -> pa.Array:
    if name == "device":
        return device_tokens(rows.device)
    return _take(getattr(names, name), rows.merchant if name == "merchant" else rows.card)


def truth_table(rows: Draft, ids: pa.Array) -> pa.Table:
    """What is true of these rows: transaction_id, is_fraud, and the pattern of a fraud (null else)."""
    return pa.table(
        {"transaction_id": ids, "is_fraud": rows.pattern != GENUINE, "pattern": pattern_names(rows.pattern)},
        schema=TRUTH_SCHEMA,
    )


def pattern_names(pattern: NDArray[np.int8]) -> pa.Array:
    """Names of patterns by position; null where GENUINE."""
    return _PATTERNS.take(pa.array(pattern, mask=pattern == GENUINE))


def _take(names: pa.Array, positions: NDArray[np.integer]) -> pa.Array:
    return names.take(pa.array(positions))
