import numpy as np
import orjson
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.events.currency import CurrencyTable
from paywarden.events.encoding import encode_labels, encode_transactions, routing_keys
from paywarden.events.schema import AUTH_RESULTS, CHANNELS, LABEL_SOURCES, TRANSACTION_TYPES, EventSchema
from paywarden.events.validation import parse_labels, parse_transactions

SCHEMA = EventSchema(("card", "merchant"), extra_numbers=("age", "risk"), extra_categories=("tier",))
PLAIN = EventSchema(("card",))
NOW = 1_700_000_000_000

IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).map(lambda text: f"a{text}")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.integers(NOW - 10**9, NOW)


def or_null(values):
    return st.none() | values


TRANSACTIONS = st.fixed_dictionaries(
    {
        "transaction_id": IDS,
        "occurred_at": TIMES,
        "received_at": st.integers(NOW, NOW + 10**9),
        "entity_card": or_null(IDS),
        "entity_merchant": or_null(IDS),
        "amount": st.integers(0, 10**12),
        "currency": st.just("EUR"),
        "transaction_type": st.sampled_from(TRANSACTION_TYPES),
        "auth_result": or_null(st.sampled_from(AUTH_RESULTS)),
        "category": or_null(TEXTS),
        "channel": or_null(st.sampled_from(CHANNELS)),
        "country": or_null(st.sampled_from(["FR", "DE"])),
        "latitude": or_null(st.floats(-90, 90)),
        "longitude": or_null(st.floats(-180, 180)),
        "extra_age": or_null(FLOATS),
        "extra_risk": or_null(FLOATS),
        "extra_tier": or_null(TEXTS),
    }
).map(lambda row: row | {"amount_base": row["amount"], "routing_key": row["entity_card"] or row["transaction_id"]})
LABELS = st.fixed_dictionaries(
    {
        "transaction_id": IDS,
        "occurred_at": TIMES,
        "labelled_at": st.integers(NOW, NOW + 10**6),
        "received_at": st.integers(NOW + 10**6, NOW + 10**9),
        "entity_card": or_null(IDS),
        "entity_merchant": or_null(IDS),
        "is_fraud": st.booleans(),
        "source": st.sampled_from(LABEL_SOURCES),
        "pattern": or_null(TEXTS),
    }
).map(lambda row: row | {"routing_key": row["entity_card"] or row["transaction_id"]})


def timestamps(rows):
    return np.zeros(len(rows), dtype=np.int64)


@settings(deadline=None)
@given(st.lists(TRANSACTIONS, max_size=6))
def test_transactions_read_back_equal(rows):
    table = pa.Table.from_pylist(rows, schema=SCHEMA.transaction_schema())
    messages = encode_transactions(table, SCHEMA)
    parsed = parse_transactions(pa.array(messages, pa.binary()), timestamps(rows), SCHEMA, CurrencyTable("EUR"))
    assert parsed.details == []
    assert parsed.rows.equals(table)


@settings(deadline=None)
@given(st.lists(LABELS, max_size=6))
def test_labels_read_back_equal(rows):
    table = pa.Table.from_pylist(rows, schema=SCHEMA.label_schema())
    parsed = parse_labels(pa.array(encode_labels(table, SCHEMA), pa.binary()), timestamps(rows), SCHEMA)
    assert parsed.details == []
    assert parsed.rows.equals(table)


def plain_table(**changes):
    row = {"transaction_id": "t-1", "occurred_at": NOW, "received_at": NOW, "amount": 5, "currency": "EUR"} | changes
    return pa.Table.from_pylist([row], schema=PLAIN.transaction_schema())


def test_nulls_and_derived_columns_are_left_out():
    (message,) = encode_transactions(plain_table(routing_key="t-1", amount_base=5), PLAIN)
    assert message == b'{"transaction_id":"t-1","occurred_at":%d,"received_at":%d,"amount":5,"currency":"EUR"}' % (
        NOW,
        NOW,
    )


def test_what_json_escapes_is_escaped():
    (message,) = encode_transactions(plain_table(category='say "no"\n\\ é'), PLAIN)
    assert orjson.loads(message)["category"] == 'say "no"\n\\ é'


def test_sliced_and_chunked_tables_are_encoded_as_their_rows():
    tables = [plain_table(transaction_id=f't-{i}"', entity_card=f"c-{i}") for i in range(4)]
    chunked = pa.concat_tables(tables)
    alone = [encode_transactions(table, PLAIN)[0] for table in tables]
    assert encode_transactions(chunked, PLAIN) == alone
    assert encode_transactions(chunked.combine_chunks().slice(2), PLAIN) == alone[2:]


def test_routing_keys_are_the_bytes_of_the_column():
    assert routing_keys(plain_table(routing_key="é")) == ["é".encode()]


def test_without_entities_events_read_back_equal_and_their_ids_route():
    schema = EventSchema(())
    row = {"transaction_id": "t-1", "occurred_at": NOW, "received_at": NOW, "routing_key": "t-1"}
    payment = row | {"amount": 5, "currency": "EUR", "amount_base": 5, "transaction_type": "refund"}
    label = row | {"labelled_at": NOW, "is_fraud": True, "source": "analyst"}
    payments = pa.Table.from_pylist([payment], schema=schema.transaction_schema())
    labels = pa.Table.from_pylist([label], schema=schema.label_schema())
    messages = encode_transactions(payments, schema)
    assert b"entities" not in messages[0]
    read = parse_transactions(pa.array(messages, pa.binary()), timestamps([row]), schema, CurrencyTable("EUR"))
    assert read.rows.equals(payments)
    read = parse_labels(pa.array(encode_labels(labels, schema), pa.binary()), timestamps([row]), schema)
    assert read.rows.equals(labels)
