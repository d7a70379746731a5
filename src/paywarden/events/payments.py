"""What a timeline of payments needs of decisions: read fast, without vectors and reasons."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from paywarden.errors import DataError
from paywarden.events.schema import EventSchema
from paywarden.events.wire import read_block

_PLAIN = pa.schema(
    [
        ("decision_id", pa.string()),
        ("transaction_id", pa.string()),
        ("source", pa.string()),
        ("occurred_at", pa.int64()),
        ("arrived_at", pa.int64()),
        ("decided_at", pa.int64()),
        ("amount_base", pa.int64()),
        ("score", pa.float64()),
        ("decision", pa.string()),
    ]
)
_NEEDED = ("decision_id", "transaction_id", "source", "occurred_at", "decided_at", "amount_base", "decision")


def decode_payments(values: Sequence[bytes], schema: EventSchema) -> pa.Table:
    """Decisions as payments: ids, source, times (epoch ms), ``amount_base`` (minor units), score, decision, entities.

    A fallback's score may be null, no other one's. Raises :class:`~paywarden.errors.DataError` if a message is not a
    decision.
    """
    entities = ("entities", pa.struct([(name, pa.string()) for name in schema.entities]))
    fields = pa.schema([*_PLAIN, entities] if schema.entities else _PLAIN)
    table = read_block(values, fields)
    if table is None or any(table[name].null_count for name in _NEEDED) or _lacks_score(table):
        raise DataError(f"one of {len(values)} messages is no decision; check which producers write to this topic")
    columns = {name: table[name].combine_chunks() for name in _PLAIN.names}
    if schema.entities:
        structs = table["entities"].combine_chunks().flatten()
        columns |= dict(zip(schema.entity_columns, structs, strict=True))
    return pa.table(columns)


def _lacks_score(table: pa.Table) -> bool:
    """Whether a decision that a model made has no score."""
    scored = table["score"].filter(pc.not_equal(table["source"], "fallback"))
    return bool(scored.null_count)
