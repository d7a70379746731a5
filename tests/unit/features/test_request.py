from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity.streams import Draft, build
from tests.parity.xxh64 import xxh64

from paywarden.events.schema import EventSchema
from paywarden.features.calendar import Calendar
from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import from_tables
from paywarden.features.request import CODE_BITS, CORE_REQUEST, TIMELY, code_source, request_feature
from paywarden.scoring.encoding import CODE_END, is_code

TIMES = (*CORE_REQUEST, "is_weekend", "is_holiday")
SCHEMA = EventSchema(("card",), ("tip", "weight"), ("colour", "size"))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


PLAIN = {"transaction_id": "t", "routing_key": "a", "occurred_at": 0, "received_at": 0, "amount_base": 5}


def request(names, *rows, calendar=Calendar()):  # noqa: B008 (frozen)
    """Request features of transactions with these fields, by name."""
    catalogue = Catalogue(("card",), (), request=tuple(names), calendar=calendar)
    transactions = pa.Table.from_pylist([PLAIN | row for row in rows], schema=SCHEMA.transaction_schema())
    events = from_tables(transactions, SCHEMA.label_schema().empty_table(), catalogue.inputs)
    vectors = np.full((len(rows), len(names)), -7, np.float32)
    Engine(catalogue).request(events, vectors)
    return dict(zip(names, vectors.T.tolist(), strict=True))


def at(text, names=TIMES, **calendar):
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = request(names, {"occurred_at": round(moment.timestamp() * 1000)}, calendar=Calendar(**calendar))
    return {name: values[0] for name, values in found.items()}


@settings(max_examples=60, deadline=None)
@given(moments)
def test_weekday_and_time_of_day_are_those_of_the_calendar(moment):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    values = at(moment.isoformat())
    assert values["weekday"] == moment.weekday()
    assert values["is_night"] == (moment.hour < 6)
    assert values["is_weekend"] == (moment.weekday() in (5, 6))
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    angle = 2 * np.pi * (moment - midnight).total_seconds() / 86_400
    assert values["hour_sin"] == pytest.approx(np.sin(angle), abs=1e-6)
    assert values["hour_cos"] == pytest.approx(np.cos(angle), abs=1e-6)


@pytest.mark.parametrize(
    ("moment", "weekday", "is_night", "is_weekend"),
    [
        ("2024-02-29T05:59:59.999", 3, 1, 0),
        ("2024-02-29T06:00:00", 3, 0, 0),
        ("2024-03-01T23:59:59.999", 4, 0, 0),
        ("2024-03-02T00:00:00", 5, 1, 1),
        ("2024-03-03T23:59:59.999", 6, 0, 1),
        ("2024-03-04T00:00", 0, 1, 0),
    ],
)
def test_edges_of_the_day(moment, weekday, is_night, is_weekend):
    values = at(moment)
    assert (values["weekday"], values["is_night"], values["is_weekend"]) == (weekday, is_night, is_weekend)


def test_all_times_are_local_to_the_calendar():
    here, utc = (at("2024-02-29T23:30:00+00:00", timezone=zone) for zone in ("Asia/Kolkata", "UTC"))
    assert (utc["weekday"], utc["is_night"]) == (3, 0)
    assert (here["weekday"], here["is_night"]) == (4, 1)
    five_in_the_morning = 2 * np.pi * 5 / 24
    assert here["hour_sin"] == pytest.approx(np.sin(five_in_the_morning), abs=1e-6)
    assert here["hour_cos"] == pytest.approx(np.cos(five_in_the_morning), abs=1e-6)
    saturday = at("2024-03-01T23:30:00+00:00", timezone="Europe/Paris")
    assert saturday["is_weekend"] == 1


@pytest.mark.parametrize(
    ("day", "calendar", "is_holiday"),
    [
        ("2024-07-14T12:00", {"holidays": "FR"}, 1),
        ("2024-07-14T12:00", {"holidays": "ECB"}, 0),
        ("2024-07-13T22:30", {"holidays": "FR"}, 0),
        ("2024-07-13T22:30", {"holidays": "FR", "timezone": "Europe/Paris"}, 1),
        ("2024-07-14T22:30", {"holidays": "FR", "timezone": "Europe/Paris"}, 0),
    ],
)
def test_holidays_are_those_of_the_calendar(day, calendar, is_holiday):
    assert at(day, **calendar)["is_holiday"] == is_holiday


def test_only_the_amount_knows_no_calendar():
    """Two moments that differ in every feature of time."""
    values = [at(moment, holidays="FR") for moment in ("2024-07-14T03:00", "2024-07-15T13:00")]
    assert [name for name in TIMES if values[0][name] == values[1][name]] == [
        name for name in TIMES if name not in TIMELY
    ]


def test_the_amount_is_the_base_amount():
    assert request(["amount"], {"amount": 7, "amount_base": 10**12})["amount"] == [np.float32(1e12)]


@pytest.mark.parametrize("field", ["category", "channel", "country", "extra_colour"])
def test_a_code_is_the_low_bits_of_the_hash(field):
    texts = ["online", "é", "a" * 100]
    codes = request([f"{field}_code"], *({field: text} for text in texts))[f"{field}_code"]
    assert codes == [xxh64(text.encode()) % 2**24 for text in texts]
    assert request([f"{field}_code"], {field: None})[f"{field}_code"] == [pytest.approx(np.nan, nan_ok=True)]


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_a_float32_holds_a_code_exactly(text):
    (code,) = request(["category_code"], {"category": text})["category_code"]
    assert code == xxh64(text.encode()) % 2**24
    assert 0 <= code < CODE_END == 2**CODE_BITS


def test_an_empty_text_is_a_text():
    assert request(["category_code"], {"category": ""})["category_code"] == [xxh64(b"") % 2**24]


def test_an_extra_number_is_as_it_is():
    tips = [0.0, -1.5, 1e-30, 12345.678, None]
    values = request(["extra_weight", "extra_tip"], *({"extra_tip": tip, "extra_weight": 2.0} for tip in tips))
    np.testing.assert_array_equal(values["extra_tip"], np.array([0, -1.5, 1e-30, 12345.678, np.nan], np.float32))
    assert values["extra_weight"] == [2.0] * 5


def test_an_extra_number_may_be_named_like_a_known_feature():
    catalogue = Catalogue(("card",), (), request=("extra_is_night", "is_night"))
    assert catalogue.inputs.numbers == ("extra_is_night",)


def test_codes_and_numbers_are_told_apart_by_name():
    names = ("category_code", "extra_colour_code", "extra_tip", *TIMES)
    assert [code_source(name) for name in names[:3]] == ["category", "extra_colour", None]
    assert [name for name in names if code_source(name)] == [name for name in names if is_code(name)]
    inputs = Catalogue(("card",), (), request=names).inputs
    assert (inputs.codes, inputs.numbers) == (("category", "extra_colour"), ("extra_tip",))


@pytest.mark.parametrize("name", ["hour", "tip", "", "Amount", "category"])
def test_an_unknown_request_feature_is_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match=rf"no request feature '{name}'; there are amount, .*<text>_code, extra_<numb"):
        request_feature(name)


def test_no_events_give_no_rows():
    assert all(values == [] for values in request([*TIMES, "category_code", "extra_tip"]).values())


def test_labels_have_no_request_features():
    stream = build([Draft(0, "a", "m", 5, "authorisation", 0, labels=((1, True),))])
    catalogue = Catalogue(("card",), ())
    vectors = np.zeros((1, 5), np.float32)
    Engine(catalogue).request(from_tables(stream.transactions, stream.labels, catalogue.inputs), vectors)
    assert vectors[0, 0] == 5


def test_names_are_distinct_and_explained():
    names = (*TIMES, "category_code", "extra_colour_code", "extra_tip")
    meanings = [request_feature(name).meaning for name in names]
    assert [request_feature(name).name for name in names] == list(names)
    assert len({*meanings}) == len(names)
    assert meanings[-3:] == ["category of the transaction", "colour of the transaction", "tip of the transaction"]
