from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paywarden.events.sources import TimeSource
from paywarden.events.time_readers import read_time, readable_formats, time_of_day_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = 1_522_540_831_000  # 2018-04-01 00:00:31 UTC
HOUR, DAY = 3_600_000, 86_400_000
NEW_YEAR = datetime(2018, 1, 1)  # noqa: DTZ001 - naive is meant: of the source's zone
STARTED = 1_514_764_800_000  # the same in UTC


def read(name, values, zone="UTC", start=None, hours=None):
    values = values if isinstance(values, pa.Array) else pa.array(values)
    hours = hours if hours is None or isinstance(hours, pa.Array) else pa.array(hours)
    return read_time(TimeSource("T", name, zone, start, None if hours is None else "H"), values, hours).to_pylist()


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
    moment = EPOCH.fromtimestamp(MOMENT / 1000, tz=UTC)
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


def test_numbers_are_no_datetimes():
    assert read("datetime", [MOMENT]) == [None]


def test_times_are_read_by_a_pattern():
    assert read("%d/%m/%Y %H:%M:%S", ["01/04/2018 00:00:31", "32/04/2018 00:00:31", None]) == [MOMENT, None, None]
    assert read("%d/%m/%Y", [" 01/04/2018"], "Europe/Paris") == [MOMENT - 31_000 - 2 * HOUR]
    assert read("%Y%m%d", [20180401]) == [MOMENT - 31_000]


@pytest.mark.parametrize(("name", "unit"), [("seconds_since", 1_000), ("minutes_since", 60_000), ("hours_since", HOUR)])
def test_what_has_gone_by_is_counted_from_the_start(name, unit):
    assert read(name, [0, 1.5, None, -2], start=NEW_YEAR) == [STARTED, STARTED + 1.5 * unit, None, STARTED - 2 * unit]
    assert read(name, ["1e2", "x"], start=NEW_YEAR) == [STARTED + 100 * unit, None]
    assert read(name, [1], "Europe/Paris", NEW_YEAR) == [STARTED - HOUR + unit]
    assert read(name, [0], "Europe/Paris", NEW_YEAR.replace(tzinfo=UTC)) == [STARTED]
    assert read(name, [1e300], start=NEW_YEAR) == [10**15 + STARTED]


def test_a_clock_put_forward_moves_days_and_not_hours_gone_by():
    saturday = datetime(2018, 3, 24)  # noqa: DTZ001 - in Paris; a week later clocks go forward
    (by_days,) = read("days_since", [8], "Europe/Paris", saturday)
    (by_hours,) = read("hours_since", [8 * 24], "Europe/Paris", saturday)
    assert by_days == by_hours - HOUR == MOMENT - 31_000 - 2 * HOUR


def test_days_may_have_fractions_or_an_hour():
    assert read("days_since", [1, 1.5, None], start=NEW_YEAR) == [STARTED + DAY, STARTED + 1.5 * DAY, None]
    hours = ["6", "06:30", "x"]
    assert read("days_since", [1, 1, 1], start=NEW_YEAR, hours=hours) == [
        STARTED + DAY + 6 * HOUR,
        STARTED + DAY + 6.5 * HOUR,
        None,
    ]
    assert read("days_since", [1.5, None], start=NEW_YEAR, hours=[1, 1]) == [None, None]
    late = datetime(2018, 1, 1, 18)  # noqa: DTZ001 - naive is meant
    assert read("days_since", [1], start=late) == [STARTED + DAY + 18 * HOUR]
    assert read("days_since", [1], start=late, hours=[2]) == [STARTED + DAY + 2 * HOUR]
    (far,) = read("days_since", [1e300], "Europe/Paris", NEW_YEAR, [1])
    assert far > STARTED * 50  # out of every range, and no overflow


def test_a_date_may_have_an_hour():
    at = [MOMENT - 31_000 - 2 * HOUR + 9 * HOUR]
    assert read("datetime", ["2018-04-01"], "Europe/Paris", hours=[9]) == at
    assert read("datetime", [date(2018, 4, 1)], "Europe/Paris", hours=[9]) == at
    assert read("datetime", ["2018-04-01 17:00:00"], "Europe/Paris", hours=["9:00"]) == at  # the hour's column counts
    assert read("%d.%m.%Y", ["01.04.2018"], "Europe/Paris", hours=[9]) == at
    assert read("datetime", ["2018-04-01", None, "2018-04-01"], hours=[None, 1, 25]) == [None] * 3


def test_the_time_of_day_is_hours_or_a_clock_or_an_arrow_time():
    numbers = [0, 6.5, 24, -1, 24.5, 1e300, None, float("nan")]
    assert time_of_day_ms(pa.array(numbers)).to_pylist() == [0, 6.5 * HOUR, DAY, *[None] * 5]
    clocks = ["0:00", " 21:05:30.25 ", "09:00", "24:00", "7", "9:60", "24:01", "9h", "", None]
    assert time_of_day_ms(pa.array(clocks)).to_pylist() == [
        0, 21 * HOUR + 5 * 60_000 + 30_250, 9 * HOUR, DAY, 7 * HOUR, *[None] * 5
    ]  # fmt: skip
    assert time_of_day_ms(pa.array([time(6, 30), None])).to_pylist() == [6.5 * HOUR, None]
    assert time_of_day_ms(pa.array([True])).to_pylist() == [None]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 - naive is meant
def test_a_day_number_and_an_hour_are_the_time_they_came_from(naive):
    days, rest = divmod(naive.replace(microsecond=0) - NEW_YEAR, timedelta(days=1))
    expected = (naive.replace(microsecond=0, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    assert read("days_since", [days], start=NEW_YEAR, hours=[rest / timedelta(hours=1)]) == [expected]
    clock = f"{naive.hour}:{naive.minute:02}:{naive.second:02}"
    assert read("days_since", [days], start=NEW_YEAR, hours=[clock]) == [expected]


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        ([MOMENT], ("epoch_milliseconds",)),
        ([MOMENT // 1000], ("epoch_seconds",)),
        (["2018-04-01", None], ("datetime",)),
        ([17], ()),
        (["soon"], ()),
        ([None], ()),
    ],
)
def test_formats_that_give_likely_times_are_found(values, formats):
    assert readable_formats(pa.array(values)) == formats
