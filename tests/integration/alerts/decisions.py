"""Messages of decisions, as the stream sends them."""

import pyarrow as pa

from paywarden.events.alert_notes import noted
from paywarden.events.decision import decision_schema, encode_decisions
from paywarden.events.schema import EventSchema

SCHEMA = EventSchema()
AT = 1_750_000_000_000
_DEFAULTS = {
    "source": "stream",
    "occurred_at": AT,
    "arrived_at": AT + 5,
    "decided_at": AT + 700,
    "received_at": AT + 1,
    "entity_card": "card0000AAAA",
    "entity_merchant": "merchant0001",
    "amount_base": 10_000,
    "raw_score": 1.0,
    "score": 0.5,
    "decision": "review",
    "reasons": [{"code": "CARD_VELOCITY", "text": "9 payments of the card in 1h"}],
    "bundle_version": "1",
    "bundle_digest": "b" * 64,
    "policy_digest": "p" * 64,
    "vector": [1.0, 2.0],
    "batch_id": 1,
    "stream_epoch": 1,
    "topic": "transactions",
    "partition": 0,
    "offset": 1,
}

PAID = {"amount": 16_400_000, "currency": "JPY", "transaction_type": "authorisation", "category": "jewellery",
        "channel": "in_person", "country": "JP"}  # fmt: skip


def message(transaction_id, **fields):
    """One decision as JSON; its id follows from the transaction and the source."""
    row = {**_DEFAULTS, **fields, "transaction_id": transaction_id}
    row.setdefault("decision_id", f"{row['source']}-{transaction_id}")
    schema = decision_schema(SCHEMA)
    table = pa.Table.from_pylist([row], schema=schema)
    return encode_decisions(table, SCHEMA)[0]


def alert(transaction_id, *, transaction=None, **fields):
    """A decision as the alerts topic has it, with what describes the payment."""
    return noted(message(transaction_id, **fields), {"transaction": transaction or PAID})


def fallback(transaction_id, **fields):
    """A decision without a model, as the scoring API sends it."""
    reasons = [{"code": "FALLBACK_NO_MODEL", "text": "no model is ready to score"}]
    absent = dict.fromkeys(("raw_score", "score", "vector", "bundle_version", "batch_id", "stream_epoch", "topic"))
    alone = {"source": "fallback", "bundle_digest": None, "partition": None, "offset": None, "reasons": reasons}
    return message(transaction_id, **absent, **alone, **fields)


def by_rule(transaction_id, **fields):
    """An alert on what a block list declined and the model alone would have approved."""
    decided = {"decision": "decline", "rules": ["stolen-cards"], "reasons": [], "score": 0.001}
    notes = {"without_rules": "approve", "rule_texts": ["block list by card"]}
    return noted(message(transaction_id, **{**decided, **fields}), notes)
