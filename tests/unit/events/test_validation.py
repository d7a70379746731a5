"""What a transaction and a label may be, message by message."""

import numpy as np
import orjson
import pyarrow as pa
import pytest

from paywarden.events import reasons
from paywarden.events.currency import CurrencyTable
from paywarden.events.limits import Limits
from paywarden.events.schema import EventSchema
from paywarden.events.validation import parse_labels, parse_transactions

SCHEMA = EventSchema(("card", "merchant"), extra_numbers=("age",), extra_categories=("tier",))
CURRENCIES = CurrencyTable("EUR")
NOW = 1_700_000_000_000
LIMITS = Limits(max_message_bytes=2_000)


def transaction(**changes):
    fields = {
        "transaction_id": "t-1",
        "occurred_at": NOW,
        "entities": {"card": "c-1", "merchant": "m-1"},
        "amount": 1250,
        "currency": "EUR",
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


def label(**changes):
    fields = {
        "transaction_id": "t-1",
        "entities": {"card": "c-1"},
        "occurred_at": NOW - 1000,
        "labelled_at": NOW,
        "is_fraud": True,
        "source": "chargeback",
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


def parse(*payloads, timestamps=None):
    values = pa.array([orjson.dumps(p) if isinstance(p, dict) else p for p in payloads], pa.binary())
    at = np.full(len(payloads), NOW, dtype=np.int64) if timestamps is None else timestamps
    return parse_transactions(values, at, SCHEMA, CURRENCIES, LIMITS)


def parse_label(*payloads):
    values = pa.array([orjson.dumps(p) if isinstance(p, dict) else p for p in payloads], pa.binary())
    return parse_labels(values, np.full(len(payloads), NOW, dtype=np.int64), SCHEMA, LIMITS)


def test_a_full_message_becomes_its_canonical_row():
    message = transaction(
        received_at=NOW + 7,
        transaction_type="refund",
        auth_result="declined",
        category="5411",
        channel="atm",
        country="FR",
        latitude=48,
        longitude=-2.5,
        extra_numbers={"age": 3},
        extra_categories={"tier": "gold"},
        unknown={"a": [1, {"b": None}]},
    )
    parsed = parse(message)
    assert parsed.rows.schema == SCHEMA.transaction_schema()
    assert parsed.rows.to_pylist() == [
        {
            "transaction_id": "t-1",
            "occurred_at": NOW,
            "received_at": NOW + 7,
            "routing_key": "c-1",
            "entity_card": "c-1",
            "entity_merchant": "m-1",
            "amount": 1250,
            "currency": "EUR",
            "amount_base": 1250,
            "transaction_type": "refund",
            "auth_result": "declined",
            "category": "5411",
            "channel": "atm",
            "country": "FR",
            "latitude": 48.0,
            "longitude": -2.5,
            "extra_age": 3.0,
            "extra_tier": "gold",
        }
    ]


def test_what_is_left_out_has_its_default():
    (row,) = parse(transaction(), timestamps=np.array([NOW + 42])).rows.to_pylist()
    assert row["received_at"] == NOW + 42
    assert row["transaction_type"] == "authorisation"
    assert row["channel"] is None
    assert row["extra_age"] is None


@pytest.mark.parametrize("entities", [{"merchant": "m-1"}, {"card": None}, {}, None, ...])
def test_without_the_first_entity_the_transaction_id_routes(entities):
    (row,) = parse(transaction(entities=entities)).rows.to_pylist()
    assert row["routing_key"] == "t-1"


CARD = "4111 1111 1111 1111"
NOT_FINITE = orjson.dumps(transaction(extra_numbers={"age": 0.5}))
TRANSACTION_REFUSALS = [
    (None, reasons.EMPTY),
    (b"", reasons.EMPTY),
    (b" " * 2_001, reasons.TOO_LARGE),
    (b" ", reasons.MALFORMED_JSON),
    (b"{", reasons.MALFORMED_JSON),
    (b"{}{}", reasons.MALFORMED_JSON),
    (b"{} {}", reasons.MALFORMED_JSON),
    (b"{}\n{}", reasons.MALFORMED_JSON),
    (b"{}\x00{}", reasons.MALFORMED_JSON),
    (b'{"a":01}', reasons.MALFORMED_JSON),
    (b'{"amount":NaN}', reasons.MALFORMED_JSON),
    (b'{"a":"\xff"}', reasons.MALFORMED_JSON),
    (b'{"a":"b\nc"}', reasons.MALFORMED_JSON),
    (b'{"a":"\\ud800"}', reasons.MALFORMED_JSON),
    (b"[{}]", reasons.NOT_AN_OBJECT),
    (b"null", reasons.NOT_AN_OBJECT),
    (b'"{}"', reasons.NOT_AN_OBJECT),
    (b'{"amount":1,"amount":1}', reasons.DUPLICATE_FIELD),
    (b'{"entities":{"card":"a","\\u0063ard":"a"}}', reasons.DUPLICATE_FIELD),
    (transaction(amount=5.0), reasons.WRONG_TYPE),
    (transaction(amount="5"), reasons.WRONG_TYPE),
    (transaction(amount=True), reasons.WRONG_TYPE),
    (transaction(amount=2**63), reasons.WRONG_TYPE),
    (transaction(occurred_at="2024-01-01"), reasons.WRONG_TYPE),
    (transaction(transaction_id=7), reasons.WRONG_TYPE),
    (transaction(entities=["c-1"]), reasons.WRONG_TYPE),
    (transaction(entities={"card": 7}), reasons.WRONG_TYPE),
    (transaction(latitude="48"), reasons.WRONG_TYPE),
    (transaction(extra_numbers={"age": "3"}), reasons.WRONG_TYPE),
    (transaction(transaction_id=...), reasons.MISSING_FIELD),
    (transaction(occurred_at=...), reasons.MISSING_FIELD),
    (transaction(amount=...), reasons.MISSING_FIELD),
    (transaction(currency=None), reasons.MISSING_FIELD),
    (transaction(transaction_id=""), reasons.BLANK),
    (transaction(transaction_id="\u2003"), reasons.BLANK),
    (transaction(entities={"merchant": " "}), reasons.BLANK),
    (transaction(transaction_id="x" * 129), reasons.TOO_LONG),
    (transaction(entities={"card": "é" * 65}), reasons.TOO_LONG),
    (transaction(category="x" * 257), reasons.TOO_LONG),
    (transaction(extra_categories={"tier": "x" * 257}), reasons.TOO_LONG),
    (transaction(transaction_id=CARD), reasons.CARD_NUMBER),
    (transaction(entities={"merchant": CARD}), reasons.CARD_NUMBER),
    (transaction(transaction_type="sale"), reasons.UNKNOWN_VALUE),
    (transaction(auth_result=""), reasons.UNKNOWN_VALUE),
    (transaction(channel=CARD), reasons.UNKNOWN_VALUE),
    (transaction(occurred_at=NOW // 1000), reasons.TIME_OUT_OF_RANGE),
    (transaction(occurred_at=NOW * 1000), reasons.TIME_OUT_OF_RANGE),
    (transaction(received_at=-(2**63)), reasons.TIME_OUT_OF_RANGE),
    (transaction(occurred_at=NOW + 300_001), reasons.TIME_IN_FUTURE),
    (transaction(occurred_at=NOW, received_at=NOW - 300_001), reasons.TIME_IN_FUTURE),
    (transaction(amount=-1), reasons.AMOUNT_OUT_OF_RANGE),
    (transaction(amount=10**12 + 1), reasons.AMOUNT_OUT_OF_RANGE),
    (NOT_FINITE.replace(b"0.5", b"NaN"), reasons.NOT_FINITE),
    (NOT_FINITE.replace(b"0.5", b"-Infinity"), reasons.NOT_FINITE),
    (transaction(latitude=90.1), reasons.COORDINATE_OUT_OF_RANGE),
    (transaction(longitude=-181), reasons.COORDINATE_OUT_OF_RANGE),
    (transaction(country="fr"), reasons.INVALID_COUNTRY),
    (transaction(country="FRA"), reasons.INVALID_COUNTRY),
    (transaction(country="É"), reasons.INVALID_COUNTRY),
    (transaction(currency="USD"), reasons.UNKNOWN_CURRENCY),
    (transaction(currency=CARD), reasons.UNKNOWN_CURRENCY),
]


@pytest.mark.parametrize(("payload", "code"), TRANSACTION_REFUSALS)
def test_a_transaction_is_refused_with_its_code(payload, code):
    parsed = parse(payload)
    assert parsed.reasons == [code]
    assert "1111" not in parsed.details[0]


ACCEPTED = [
    transaction(occurred_at=NOW + 300_000),
    transaction(amount=0),
    transaction(amount=10**12),
    transaction(latitude=-90, longitude=180),
    transaction(transaction_id="x" * 128),
    transaction(transaction_id=" x "),
    b'  {"x":"NaN\\u0000","y":1e-400}\n',
    orjson.dumps(transaction(), option=orjson.OPT_INDENT_2),
]


@pytest.mark.parametrize("payload", ACCEPTED)
def test_a_message_at_its_bounds_is_well_formed(payload):
    assert set(parse(payload).reasons) <= {reasons.MISSING_FIELD}


def test_the_detail_names_the_field_and_quotes_only_what_is_short():
    parsed = parse(
        transaction(entities={"card": "c", "merchant": 7}),
        transaction(channel="web"),
        transaction(channel="a" * 13),
        transaction(extra_numbers={"age": "x"}),
    )
    assert parsed.details == [
        "entities.merchant is an integer, expected a string",
        "channel must be one of online, in_person, atm, mail_or_phone, transfer, not 'web'",
        "channel must be one of online, in_person, atm, mail_or_phone, transfer, not a text of 13 characters",
        "extra_numbers.age is a string, expected a number",
    ]


def test_card_numbers_pass_where_the_check_is_off():
    values = pa.array([orjson.dumps(transaction(transaction_id=CARD))], pa.binary())
    parsed = parse_transactions(values, np.array([NOW]), SCHEMA, CURRENCIES, Limits(refuse_card_numbers=False))
    assert parsed.reasons == []


def test_a_label_becomes_its_canonical_row():
    parsed = parse_label(label(pattern="stolen_card"))
    assert parsed.rows.schema == SCHEMA.label_schema()
    assert parsed.rows.to_pylist() == [
        {
            "transaction_id": "t-1",
            "occurred_at": NOW - 1000,
            "labelled_at": NOW,
            "received_at": NOW,
            "routing_key": "c-1",
            "entity_card": "c-1",
            "entity_merchant": None,
            "is_fraud": True,
            "source": "chargeback",
            "pattern": "stolen_card",
        }
    ]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (None, reasons.EMPTY),
        (b"{]}", reasons.MALFORMED_JSON),
        (label(is_fraud=1), reasons.WRONG_TYPE),
        (label(is_fraud="true"), reasons.WRONG_TYPE),
        (label(is_fraud=...), reasons.MISSING_FIELD),
        (label(labelled_at=...), reasons.MISSING_FIELD),
        (label(source=...), reasons.MISSING_FIELD),
        (label(entities={"card": CARD}), reasons.CARD_NUMBER),
        (label(pattern="x" * 257), reasons.TOO_LONG),
        (label(source="rumour"), reasons.UNKNOWN_VALUE),
        (label(labelled_at=0), reasons.TIME_OUT_OF_RANGE),
        (label(labelled_at=NOW + 300_001), reasons.TIME_IN_FUTURE),
        (label(labelled_at=NOW - 1001), reasons.LABEL_BEFORE_TRANSACTION),
    ],
)
def test_a_label_is_refused_with_its_code(payload, code):
    assert parse_label(payload).reasons == [code]


def test_no_rows_give_no_rows():
    parsed = parse()
    assert parsed.rows.schema == SCHEMA.transaction_schema()
    assert parsed.rows.num_rows == len(parsed.positions) == len(parsed.rejected) == 0


def test_a_slice_and_chunks_are_read_as_their_rows():
    payloads = [orjson.dumps(transaction(transaction_id=f"t-{i}")) for i in range(6)]
    sliced = pa.array([b"{", *payloads], pa.binary()).slice(1)
    chunked = pa.chunked_array([payloads[:2], payloads[2:]], pa.binary())
    for values in (sliced, chunked):
        parsed = parse_transactions(values, np.full(6, NOW), SCHEMA, CURRENCIES)
        assert parsed.rows.column("transaction_id").to_pylist() == [f"t-{i}" for i in range(6)]


def test_deep_nesting_in_an_unknown_field_does_no_harm():
    def nested(name, depth):
        return b'{"x":' + b"[" * depth + b"]" * depth + b"," + orjson.dumps(transaction(transaction_id=name))[1:]

    values = pa.array([nested("a", 900), b"{{}", nested("b", 20_000), nested("c", 1)], pa.binary())
    parsed = parse_transactions(values, np.full(4, NOW), SCHEMA, CURRENCIES)
    assert parsed.positions.tolist() == [0, 2, 3]
    assert parsed.rows.column("transaction_id").to_pylist() == ["a", "b", "c"]
