"""What the world sends is what the stream accepts: every row, unchanged."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from paywarden.events.currency import CurrencyTable
from paywarden.events.encoding import encode_labels, encode_transactions
from paywarden.events.schema import EventSchema
from paywarden.events.validation import parse_labels, parse_transactions
from paywarden.simulation import World, WorldDay


@pytest.mark.parametrize("kind", ["transactions", "labels"])
def test_a_day_survives_the_wire(days, kind):
    _survives(days[0], EventSchema(), kind)


@pytest.mark.parametrize("kind", ["transactions", "labels"])
def test_a_day_with_devices_survives_it_too(kind):
    world = World(seed=3, cards=300, merchants=80, fraud_rate=0.1, entities=("customer", "card", "device"))
    _survives(next(world.days(0, 1)), world.schema, kind)


def _survives(day: WorldDay, schema: EventSchema, kind: str) -> None:
    sent = getattr(day, kind)
    encode = encode_transactions if kind == "transactions" else encode_labels
    values = pa.array(encode(sent, schema), pa.binary())
    timestamps = np.zeros(len(values), dtype=np.int64)
    if kind == "transactions":
        parsed = parse_transactions(values, timestamps, schema, CurrencyTable("EUR"))
    else:
        parsed = parse_labels(values, timestamps, schema)
    assert parsed.reasons == []
    assert parsed.rows.combine_chunks().equals(sent.combine_chunks())
