"""From canonical columns to messages: the JSON that :mod:`paywarden.events.validation` reads back to equal columns."""

from __future__ import annotations

import pyarrow as pa

from paywarden.events.json_columns import as_bytes, member, messages, object_member
from paywarden.events.schema import EventSchema
from paywarden.events.strings import one_array

_TRANSACTION_FIELDS = (
    "amount",
    "currency",
    "transaction_type",
    "auth_result",
    "category",
    "channel",
    "country",
    "latitude",
    "longitude",
)


def encode_transactions(table: pa.Table, schema: EventSchema) -> list[bytes]:
    """One JSON message a row of a canonical transaction table; nulls and derived columns are left out.

    Floats are written as the shortest text that reads back to the same float64; one that is not finite is left out.
    """
    pieces = [
        *(member(name, table.column(name)) for name in ("transaction_id", "occurred_at", "received_at")),
        object_member("entities", {name: table.column(f"entity_{name}") for name in schema.entities}),
        *(member(name, table.column(name)) for name in _TRANSACTION_FIELDS),
    ]
    for name, extras in (("extra_numbers", schema.extra_numbers), ("extra_categories", schema.extra_categories)):
        if extras:
            pieces.append(object_member(name, {extra: table.column(f"extra_{extra}") for extra in extras}))
    return messages(pieces)


def encode_labels(table: pa.Table, schema: EventSchema) -> list[bytes]:
    """One JSON message a row of a canonical label table; nulls and the routing key are left out."""
    fields = ("occurred_at", "labelled_at", "received_at", "is_fraud", "source", "pattern")
    return messages(
        [
            member("transaction_id", table.column("transaction_id")),
            object_member("entities", {name: table.column(f"entity_{name}") for name in schema.entities}),
            *(member(name, table.column(name)) for name in fields),
        ]
    )


def routing_keys(table: pa.Table) -> list[bytes]:
    """Kafka keys of the rows of a canonical table: the UTF-8 bytes of ``routing_key``."""
    return as_bytes(one_array(table.column("routing_key")).cast(pa.string()))
