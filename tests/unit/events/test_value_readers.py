from datetime import date, datetime, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.events.value_readers import TIME_FORMATS, cast_or_null, labels, minor_units, numbers, renamed, texts

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MOMENT = 1_522_540_831_000  # 2018-04-01 00:00:31 UTC


def read(name, values, zone="UTC"):
    return TIME_FORMATS[name](values if isinstance(values, pa.Array) else pa.array(values), zone).to_pylist()


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2018-04-01 00:00:31", MOMENT),
        ("2018-04-01T00:00:31", MOMENT),
        (" 2018-04-01 00:00:31 ", MOMENT),
        ("2018-04-01T00:00:31.123456789", MOMENT + 123),
        ("2018-04-01T00:00:31Z", MOMENT),
        ("2018-04-01 02:00:31+02:00", MOMENT),
        ("2018-03-31T19:00:31.5-0500", MOMENT + 500),
        ("2018-04-01", MOMENT - 31_000),
        ("2018-02-30", None),
        ("01/04/2018", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_iso_8601_is_read(text, milliseconds):
    # A neighbour of each kind, so that one unreadable value is seen to leave the others alone.
    assert read("datetime", ["2018-04-01", text, "2018-04-01T00:00Z"])[1] == milliseconds


def test_arrow_times_of_any_unit_and_zone_are_read():
    moment = EPOCH.fromtimestamp(MOMENT / 1000, tz=timezone.utc)
    for unit in ("s", "ms", "us", "ns"):
        assert read("datetime", pa.array([moment.replace(tzinfo=None)], pa.timestamp(unit))) == [MOMENT]
        assert read("datetime", pa.array([moment], pa.timestamp(unit, "America/New_York"))) == [MOMENT]
    assert read("datetime", [date(2018, 4, 1)]) == [MOMENT - 31_000]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), allow_imaginary=False))  # noqa: DTZ001 - naive is meant
def test_naive_times_are_of_the_given_zone(naive):
    zone = ZoneInfo("Europe/Paris")
    expected = (naive.replace(tzinfo=zone) - EPOCH) // (EPOCH.resolution * 1000)
    assert read("datetime", [naive.isoformat()], "Europe/Paris") == [expected]
    assert read("datetime", pa.array([naive], pa.timestamp("us")), "Europe/Paris") == [expected]


def test_epochs_are_read_from_numbers_and_text():
    assert read("epoch_seconds", [1522540831, None, 10**18]) == [MOMENT, None, 10**15]
    assert read("epoch_seconds", [1522540831.25, float("nan")]) == [MOMENT + 250, None]
    assert read("epoch_seconds", ["1522540831", "x"]) == [MOMENT, None]
    assert read("epoch_milliseconds", [MOMENT]) == [MOMENT]


def test_numbers_are_no_datetimes_and_datetimes_no_numbers():
    assert read("datetime", [MOMENT]) == [None]
    assert numbers(pa.array([EPOCH])).to_pylist() == [None]
    assert numbers(pa.array([True])).to_pylist() == [None]


def test_plain_decimals_are_numbers():
    assert numbers(pa.array([" 1.50 ", "-2e3", ".5", "1,5", "nan", "inf", "1e999", "0x1", ""])).to_pylist() == [
        1.5,
        -2000.0,
        0.5,
        *[None] * 6,
    ]
    assert numbers(pa.array([Decimal("12.34")])).to_pylist() == [12.34]


def test_major_units_are_scaled_and_rounded_half_to_even():
    values = pa.array([57.16, 0.125, 0.375, -1.0, 1e300, None])
    assert minor_units(values, "major", 2).to_pylist() == [5716, 12, 38, -100, 10**15, None]
    assert minor_units(pa.array(["12.34"] * 3), "major", np.array([0, 2, 3])).to_pylist() == [12, 1234, 12340]


def test_minor_units_must_be_whole():
    assert minor_units(pa.array(["1250", "12.5", "x"]), "minor", 2).to_pylist() == [1250, None, None]


@given(st.integers(0, 10**12))
def test_cents_written_in_euro_come_back(cents):
    assert minor_units(pa.array([cents / 100]), "major", 2).to_pylist() == [cents]
    assert minor_units(pa.array([f"{cents // 100}.{cents % 100:02}"]), "major", 2).to_pylist() == [cents]


@pytest.mark.parametrize("values", [[1, 0, 2, None], ["1", " 0 ", "?", None], [1.0, 0.0, 0.5, None]])
def test_labels_are_read_whatever_their_type(values):
    assert labels(pa.array(values), ["1", "true"], ["0", "false"]).to_pylist() == [True, False, None, None]
    assert labels(pa.array([True, False]), ["1", "true"], ["0", "false"]).to_pylist() == [True, False]


def test_values_are_renamed():
    assert renamed(pa.array([1, 0, None, 2]), {"1": "a", "2": "b"}).to_pylist() == ["a", None, None, "b"]
    assert renamed(pa.array([1, None]), {}).to_pylist() == ["1", None]


def test_whole_numbers_are_text_without_a_fraction():
    assert texts(pa.array([596.0, None])).to_pylist() == ["596", None]


@given(st.lists(st.sampled_from(["1", "2", "x", None]), max_size=20))
def test_a_refused_value_is_null_and_no_other(values):
    expected = [int(value) if value in {"1", "2"} else None for value in values]
    assert cast_or_null(pa.array(values, pa.string()), pa.int64()).to_pylist() == expected
