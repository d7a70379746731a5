"""What the world sends is what the stream accepts: every row, unchanged."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from paywarden.events.currency import CurrencyTable
from paywarden.events.encoding import encode_labels, encode_transactions
from paywarden.events.schema import EventSchema
from paywarden.events.validation import parse_labels, parse_transactions


@pytest.mark.parametrize("kind", ["transactions", "labels"])
def test_a_day_survives_the_wire(days, kind):
    sent, schema = getattr(days[0], kind), EventSchema()
    encode = encode_transactions if kind == "transactions" else encode_labels
    values = pa.array(encode(sent, schema), pa.binary())
    timestamps = np.zeros(len(values), dtype=np.int64)
    if kind == "transactions":
        parsed = parse_transactions(values, timestamps, schema, CurrencyTable("EUR"))
    else:
        parsed = parse_labels(values, timestamps, schema)
    assert parsed.reasons == []
    assert parsed.rows.combine_chunks().equals(sent.combine_chunks())
