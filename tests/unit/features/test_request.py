from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity.streams import SCHEMA, Draft, build

from paywarden.features.catalogue import Catalogue
from paywarden.features.engine import Engine
from paywarden.features.events import from_tables
from paywarden.features.request import REQUEST_FEATURES

ENGINE = Engine(Catalogue(("card",), ()))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(timezone.utc))  # noqa: DTZ001


def request(occurred_at_ms, amount=5):
    stream = build([Draft(0, "a", None, amount, "authorisation", 0)], occurred_at_ms)
    values = ENGINE.request(from_tables(stream.transactions, stream.labels, ("card",)))
    assert values.dtype == np.float32
    return dict(zip([feature.name for feature in REQUEST_FEATURES], values[0].tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(moments)
def test_weekday_and_time_of_day_are_those_of_the_calendar(moment):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    values = request(round(moment.timestamp() * 1000))
    assert values["weekday"] == moment.weekday()
    assert values["is_night"] == (moment.hour < 6)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    angle = 2 * np.pi * (moment - midnight).total_seconds() / 86_400
    assert values["hour_sin"] == pytest.approx(np.sin(angle), abs=1e-6)
    assert values["hour_cos"] == pytest.approx(np.cos(angle), abs=1e-6)


@pytest.mark.parametrize(
    ("moment", "weekday", "is_night"),
    [
        ("2024-02-29T05:59:59.999", 3, 1),
        ("2024-02-29T06:00:00", 3, 0),
        ("2024-03-03T23:59:59.999", 6, 0),
        ("2024-03-04T00:00", 0, 1),
    ],
)
def test_edges_of_the_day(moment, weekday, is_night):
    at = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
    values = request(round(at.timestamp() * 1000))
    assert (values["weekday"], values["is_night"]) == (weekday, is_night)


def test_the_amount_is_the_base_amount():
    assert request(0, amount=10**12)["amount"] == np.float32(1e12)


def test_no_events_give_no_rows():
    nothing = from_tables(SCHEMA.transaction_schema().empty_table(), SCHEMA.label_schema().empty_table(), ("card",))
    assert ENGINE.request(nothing).shape == (0, len(REQUEST_FEATURES))


def test_names_are_distinct_and_explained():
    assert len({feature.name for feature in REQUEST_FEATURES}) == len(REQUEST_FEATURES)
    assert all(feature.meaning for feature in REQUEST_FEATURES)
