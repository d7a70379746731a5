"""What cells are made of: the columns of fields, and where they are present."""

import math

import numpy as np
import pyarrow as pa
import pytest
from tests.parity.streams import Draft, build
from tests.parity.xxh64 import xxh64

from paywarden.features.calendar import Calendar
from paywarden.features.events import Inputs, from_tables
from paywarden.features.fields import CODES, NAMES, ROUND_STEP, SMALL_BELOW, SORTS, field_columns
from paywarden.features.windows import HOUR_MS, MINUTE_MS

INPUTS = Inputs(("card", "merchant"), ("category", "country", "extra_colour"), ("extra_tip",))
UTC = Calendar()


def batch(*drafts, colours=None):
    stream = build([Draft(**PLAIN | draft) for draft in drafts])
    colours = colours or [None] * stream.transactions.num_rows
    with_colours = stream.transactions.append_column("extra_colour", pa.array(colours, pa.string()))
    return from_tables(with_colours, stream.labels, INPUTS)


PLAIN = {"gap_ms": 0, "card": "a", "merchant": "m", "amount": 5, "transaction_type": "authorisation", "delay_ms": 0}


def column(name, events, calendar=UTC):
    """The present values of a field by row."""
    values, present = field_columns([name], events, calendar)
    assert (values.shape, present.shape) == ((len(events), 1), (len(events), 1))
    assert (values.dtype, present.dtype) == (np.int64, np.bool_)
    return {row: int(values[row, 0]) for row in np.flatnonzero(present[:, 0]).tolist()}


def signed(text):
    return int(np.array([xxh64(text.encode())], np.uint64).view(np.int64)[0])


def test_columns_stand_in_the_order_of_their_names():
    events = batch({"category": "cash"}, {"amount": 7})
    values, present = field_columns(["amount", "category", "small"], events, UTC)
    assert values[:, 0].tolist() == [5, 7]
    assert values[0, 1] == signed("cash")
    assert present.tolist() == [[True, True, True], [True, False, True]]


def test_no_fields_and_no_events():
    events = batch({})
    assert [x.shape for x in field_columns([], events, UTC)] == [(1, 0), (1, 0)]
    none = from_tables(*(t.slice(0, 0) for t in tables()), INPUTS)
    for name in (*NAMES[:3], *SORTS, "card", "extra_tip", "extra_colour"):
        assert column(name, none) == {}


def tables():
    stream = build([Draft(**PLAIN)])
    return stream.transactions.append_column("extra_colour", pa.array([None], pa.string())), stream.labels


def test_the_amount_is_in_minor_units_and_everywhere():
    assert column("amount", batch({"amount": 0}, {"amount": 10**12})) == {0: 0, 1: 10**12}


def test_a_token_is_its_hash_and_absent_where_null():
    assert column("merchant", batch({}, {"merchant": None}, {"merchant": "é"})) == {0: signed("m"), 2: signed("é")}
    assert column("card", batch({"card": None})) == {}


@pytest.mark.parametrize("name", ["category", "country"])
def test_a_text_is_its_hash_and_absent_where_null(name):
    assert column(name, batch({name: "x"}, {name: None})) == {0: signed("x")}
    assert name in CODES


def test_an_extra_category_is_its_hash():
    assert column("extra_colour", batch({}, {}, colours=["red", None])) == {0: signed("red")}


@pytest.mark.parametrize(
    ("tip", "thousandths"),
    [
        *((0.0, 0), (-0.0, 0), (1.5, 1_500), (-2.25, -2_250), (0.0004, 0), (0.0006, 1), (-0.0006, -1)),
        *((1e9, 10**12), (1e9 - 0.001, 10**12 - 1), (1e12, 10**12), (1e300, 10**12), (-1e300, -(10**12))),
        *((math.inf, 10**12), (-math.inf, -(10**12))),
    ],
)
def test_an_extra_number_is_in_thousandths_of_at_most_a_thousand_million(tip, thousandths):
    assert column("extra_tip", batch({"tip": tip})) == {0: thousandths}


@pytest.mark.parametrize("tip", [None, math.nan])
def test_an_extra_number_is_absent_where_it_is_no_number(tip):
    assert column("extra_tip", batch({"tip": tip}, {"tip": 1.0})) == {1: 1_000}


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", [0, 0, 1, 23, 0]), ("Asia/Kolkata", [5, 6, 6, 5, 5]), ("Europe/Paris", [1, 1, 2, 0, 1])]
)
def test_the_hour_is_local(zone, hours):
    gaps = (0, HOUR_MS // 2, HOUR_MS // 2, 23 * HOUR_MS - 1, 1)
    events = batch(*({"gap_ms": gap, "delay_ms": 7 * HOUR_MS} for gap in gaps))
    assert list(column("hour", events, Calendar(zone)).values()) == hours


def test_an_hour_that_comes_twice_is_one_hour():
    last_of_summer = 1_729_987_200_000 + 30 * MINUTE_MS  # 2024-10-27T00:30Z, half past two in Paris
    stream = build([Draft(**PLAIN), Draft(**PLAIN | {"gap_ms": HOUR_MS})], last_of_summer)
    transactions = stream.transactions.append_column("extra_colour", pa.array([None, None], pa.string()))
    assert column("hour", from_tables(transactions, stream.labels, INPUTS), Calendar("Europe/Paris")) == {0: 2, 1: 2}


def present_for(name, drafts):
    found = column(name, batch(*drafts))
    assert set(found.values()) <= {1}
    return [row in found for row in range(len(drafts))]


def test_sorts_of_amounts():
    amounts = (0, 1, 499, 500, 999, 1_000, 1_001, 1_500, 2_000, 10**12)
    drafts = [{"amount": amount} for amount in amounts]
    assert [a for a, held in zip(amounts, present_for("small", drafts), strict=True) if held] == [0, 1, 499]
    assert [a for a, held in zip(amounts, present_for("round", drafts), strict=True) if held] == [1_000, 2_000, 10**12]
    assert (SMALL_BELOW, ROUND_STEP) == (500, 1_000)


def test_declined_is_what_the_issuer_refused():
    assert present_for("declined", [{"declined": said} for said in (True, False, None)]) == [True, False, False]


@pytest.mark.parametrize("name", ["newcomer", "anomaly"])
def test_what_is_known_only_while_folding_is_absent_until_then(name):
    values, present = field_columns([name], batch({}, {}), UTC)
    assert values.tolist() == [[1], [1]]
    assert not present.any()


def test_labels_have_the_tokens_of_their_transaction_and_no_texts_or_numbers():
    events = batch({"labels": ((5, True),), "category": "cash", "tip": 2.0, "declined": True})
    assert set(column("card", events)) == {0, 1}
    for name in ("category", "extra_tip", "declined"):
        assert set(column(name, events)) == {0}
