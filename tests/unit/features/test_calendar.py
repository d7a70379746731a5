"""Local time and holidays, against the standard library and known days."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paywarden.errors import ConfigurationError
from paywarden.features.calendar import Calendar
from paywarden.features.windows import DAY_MS, HOUR_MS, MINUTE_MS

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
moments = st.datetimes(datetime(1975, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def ms(text):
    """Milliseconds of an instant that is written with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def wall(text):
    """Milliseconds of a wall-clock time as if it were UTC."""
    return ms(f"{text}+00:00")


def local(zone, *instants):
    return Calendar(zone).local_ms(np.array(instants, np.int64)).tolist()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), st.lists(moments, min_size=1, max_size=5))
def test_local_time_is_that_of_the_zone(zone, moments):
    calendar = Calendar(zone)
    at_ms = np.array([round(moment.timestamp() * 1000) for moment in moments], np.int64)
    here = [moment.astimezone(ZoneInfo(zone)) for moment in moments]
    offsets = [round(moment.utcoffset().total_seconds() * 1000) for moment in here]
    assert calendar.local_ms(at_ms).tolist() == (at_ms + np.array(offsets)).tolist()
    # Rounding to a millisecond may reach the next day; the weekday is that of the rounded time.
    days = [(at + offset) // DAY_MS for at, offset in zip(at_ms.tolist(), offsets, strict=True)]
    assert calendar.weekday(at_ms).tolist() == [date.fromordinal(719_163 + day).weekday() for day in days]


@pytest.mark.parametrize(
    ("zone", "instant", "expected"),
    [
        ("Europe/Paris", "2024-03-31T00:59:59.999+00:00", "2024-03-31T01:59:59.999"),
        ("Europe/Paris", "2024-03-31T01:00:00+00:00", "2024-03-31T03:00:00"),
        ("Europe/Paris", "2024-10-27T00:59:59.999+00:00", "2024-10-27T02:59:59.999"),
        ("Europe/Paris", "2024-10-27T01:00:00+00:00", "2024-10-27T02:00:00"),
        ("America/New_York", "2024-03-10T06:59:59.999+00:00", "2024-03-10T01:59:59.999"),
        ("America/New_York", "2024-03-10T07:00:00+00:00", "2024-03-10T03:00:00"),
        ("America/New_York", "1999-12-31T23:00:00+00:00", "1999-12-31T18:00:00"),
        ("Asia/Kolkata", "2024-01-01T18:29:59.999+00:00", "2024-01-01T23:59:59.999"),
        ("Asia/Kolkata", "2024-01-01T18:30:00+00:00", "2024-01-02T00:00:00"),
        ("Asia/Kathmandu", "2024-01-01T18:15:00+00:00", "2024-01-02T00:00:00"),
        # Lord Howe's summer time moves the clock by half an hour, at half past the hour of UTC.
        ("Australia/Lord_Howe", "2024-04-06T14:59:59.999+00:00", "2024-04-07T01:59:59.999"),
        ("Australia/Lord_Howe", "2024-04-06T15:00:00+00:00", "2024-04-07T01:30:00"),
        ("Australia/Lord_Howe", "2024-10-05T15:29:59.999+00:00", "2024-10-06T01:59:59.999"),
        ("Australia/Lord_Howe", "2024-10-05T15:30:00+00:00", "2024-10-06T02:30:00"),
        # Samoa left out a whole day.
        ("Pacific/Apia", "2011-12-30T09:59:59.999+00:00", "2011-12-29T23:59:59.999"),
        ("Pacific/Apia", "2011-12-30T10:00:00+00:00", "2011-12-31T00:00:00"),
        ("Europe/Paris", "1969-12-31T23:30:00+00:00", "1970-01-01T00:30:00"),
    ],
)
def test_clocks_move_at_their_instant(zone, instant, expected):
    assert local(zone, ms(instant)) == [wall(expected)]


def test_instants_of_both_sides_of_a_change_may_stand_in_one_batch():
    before, after = ms("2024-03-31T00:59:00+00:00"), ms("2024-03-31T01:01:00+00:00")
    hours = [(at % DAY_MS) // HOUR_MS for at in local("Europe/Paris", after, before, after, before + MINUTE_MS)]
    assert hours == [3, 1, 3, 3]


def test_utc_is_left_as_it_is():
    at_ms = np.array([-1, 0, 1, 2**40], np.int64)
    assert Calendar().local_ms(at_ms).tolist() == at_ms.tolist()
    assert Calendar().timezone == "UTC"


def test_the_week_begins_on_monday_at_local_midnight():
    sunday = ms("2024-06-30T23:30:00+00:00")
    assert Calendar().weekday(np.array([sunday, sunday + HOUR_MS])).tolist() == [6, 0]
    assert Calendar("Europe/Paris").weekday(np.array([sunday])).tolist() == [0]
    assert Calendar("America/New_York").weekday(np.array([sunday + HOUR_MS])).tolist() == [6]


def closed(holidays, days, zone="UTC", time="12:00:00+00:00"):
    at_ms = np.array([ms(f"{day}T{time}") for day in days], np.int64)
    found = Calendar(zone, holidays).is_holiday(at_ms)
    assert found.dtype == np.bool_
    return [day for day, is_closed in zip(days, found.tolist(), strict=True) if is_closed]


DAYS = (
    *("2024-01-01", "2024-03-29", "2024-03-31", "2024-04-01", "2024-05-01", "2024-05-08", "2024-05-09"),
    *("2024-07-04", "2024-07-14", "2024-08-15", "2024-12-24", "2024-12-25", "2024-12-26", "2023-12-25"),
)


def test_the_euro_settles_on_all_but_six_days():
    expected = ["2024-01-01", "2024-03-29", "2024-04-01", "2024-05-01", "2024-12-25", "2024-12-26", "2023-12-25"]
    assert closed("ECB", DAYS) == expected
    assert Calendar().holidays == "ECB"


def test_france_has_the_days_of_france():
    expected = ["2024-01-01", "2024-04-01", "2024-05-01", "2024-05-08", "2024-05-09", "2024-07-14", "2024-08-15"]
    assert closed("FR", DAYS) == [*expected, "2024-12-25", "2023-12-25"]


def test_a_holiday_is_a_local_day():
    at = np.array([ms("2023-12-31T22:59:59.999+00:00"), ms("2023-12-31T23:00:00+00:00")])
    assert Calendar("Europe/Paris", "FR").is_holiday(at).tolist() == [False, True]
    assert Calendar("UTC", "FR").is_holiday(at).tolist() == [False, False]
    new_year_ends = np.array([ms("2024-01-02T04:59:59+00:00"), ms("2024-01-02T05:00:00+00:00")])
    assert Calendar("America/New_York", "US").is_holiday(new_year_ends).tolist() == [True, False]


def test_days_may_come_in_any_order_and_again():
    assert closed("FR", ("2024-07-14", "2024-07-13", "1999-07-14", "2024-07-14")) == [
        *("2024-07-14", "1999-07-14", "2024-07-14"),
    ]


@pytest.mark.parametrize(("zone", "holidays"), [("UTC", "FR"), ("Europe/Paris", "ECB")])
def test_nothing_is_nothing(zone, holidays):
    none, calendar = np.zeros(0, np.int64), Calendar(zone, holidays)
    assert [x.size for x in (calendar.local_ms(none), calendar.weekday(none), calendar.is_holiday(none))] == [0, 0, 0]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "europe/paris", "", "CEST", "../etc/passwd"])
def test_an_unknown_zone_is_refused_with_what_to_write(zone):
    with pytest.raises(ConfigurationError) as refused:
        Calendar(zone)
    assert repr(zone) in str(refused.value)
    assert "such as UTC or Europe/Paris" in str(refused.value)


@pytest.mark.parametrize("holidays", ["XX", "fr", "", "France", "Mars"])
def test_unknown_holidays_are_refused_with_what_to_write(holidays):
    with pytest.raises(ConfigurationError) as refused:
        Calendar(holidays=holidays)
    assert repr(holidays) in str(refused.value)
    assert "a country such as FR, or a market such as ECB" in str(refused.value)


def test_calendars_are_equal_by_value():
    assert Calendar("Europe/Paris", "FR") == Calendar("Europe/Paris", "FR")
    assert len({Calendar(), Calendar("UTC", "ECB"), Calendar("UTC", "FR")}) == 2
