"""Columns of a file as times: whatever a file counts, the result is epoch milliseconds UTC.

Every reader gives an int64 array as long as its input in which a value that cannot be read is null. To add a format,
add a function to :data:`TIME_FORMATS`, and its name to :data:`COUNTED_FROM_START` if it needs a start.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from paywarden.events.limits import EARLIEST_MS, LATEST_MS
from paywarden.events.sources import TimeSource
from paywarden.events.strings import validity
from paywarden.events.value_readers import LARGEST_READ, cast_or_null, numbers, texts

TimeReader = Callable[[pa.Array, TimeSource], pa.Int64Array]

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
COUNTED_FROM_START = ("seconds_since", "minutes_since", "hours_since", "days_since")
WITH_HOUR = ("datetime", "days_since")
"""Formats that give a day, to which an hour column may be added; so may a pattern."""

_ENDS_WITH_ZONE = r"[0-9]{2}:[0-9]{2}.*(Z|[+-][0-9]{2}:?[0-9]{2})$"
_CLOCK = r"^\s*[0-9]{1,2}:[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?\s*$"
_LARGEST_LOCAL = 10**14  # some 3000 years: Arrow's zones end before LARGEST_READ, and validation long before both


def read_time(source: TimeSource, values: pa.Array, hours: pa.Array | None = None) -> pa.Int64Array:
    """Epoch milliseconds UTC of the values; ``hours`` holds the column of the time of day, where there is one.

    Null where either is null or cannot be read. With hours, the time of day that ``values`` may hold is left out.
    """
    if hours is None:
        return _reader(source)(values, source)
    day_starts, of_day = _day_starts(values, source), time_of_day_ms(hours)
    return _from_zone(pc.add(day_starts, of_day), source.timezone)


def is_pattern(time_format: str) -> bool:
    """True for a pattern of strptime, such as ``%d/%m/%Y %H:%M``."""
    return "%" in time_format


def time_of_day_ms(values: pa.Array) -> pa.Int64Array:
    """Milliseconds since midnight of Arrow times, of text such as ``9:05`` or ``21:05:30``, of hours, 0 to 24."""
    if pa.types.is_time(values.type):
        return pc.divide(values.cast(pa.time64("ns")).cast(pa.int64()), 10**6)
    hours = numbers(values)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        hours = pc.coalesce(hours, _clock_hours(values))
    known = validity(hours)
    of_day = pc.fill_null(hours, -1.0).to_numpy(zero_copy_only=False) * HOUR_MS
    within = known & (of_day >= 0) & (of_day <= DAY_MS)
    return pa.array(np.rint(np.where(within, of_day, 0)).astype(np.int64), mask=~within)


def _clock_hours(values: pa.StringArray) -> pa.DoubleArray:
    clock = pc.if_else(pc.match_substring_regex(values, _CLOCK), pc.utf8_trim_whitespace(values), None)
    parts = pc.split_pattern(pc.binary_join_element_wise(clock, ":0", ""), ":", max_splits=3)  # 9:05 has no seconds
    hours, minutes, seconds = (numbers(pc.list_element(parts, place)) for place in range(3))
    return pc.add(hours, pc.divide(pc.add(minutes, pc.divide(seconds, 60.0)), 60.0))


def _day_starts(values: pa.Array, source: TimeSource) -> pa.Int64Array:
    """Midnights on the zone's clock, as if it were UTC's; a day number that is not whole cannot be read."""
    if source.format == "days_since":
        counted = numbers(values)
        whole = pc.if_else(pc.equal(pc.floor(counted), counted), counted, None)
        times = pc.add(_scaled(whole, DAY_MS), _local_ms(source))
    else:
        local = TimeSource(source.column, source.format, "UTC")
        times = _reader(local)(values, local)
    milliseconds = pc.fill_null(times, 0).to_numpy(zero_copy_only=False)
    return pa.array(milliseconds - milliseconds % DAY_MS, mask=~validity(times))


def _reader(source: TimeSource) -> TimeReader:
    return _by_pattern if is_pattern(source.format) else TIME_FORMATS[source.format]


def _datetime(values: pa.Array, source: TimeSource) -> pa.Int64Array:
    """Timestamps and dates of Arrow, or ISO 8601 text; those without a zone are in the source's.

    Arrow knows daylight saving until 2037 only; later local times may be an hour off.
    """
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _milliseconds(
            values if pa.types.is_timestamp(values.type) else values.cast(pa.timestamp("ms")), source.timezone
        )
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return pa.nulls(len(values), pa.int64())
    text = pc.utf8_trim_whitespace(values)
    zoned = pc.match_substring_regex(text, _ENDS_WITH_ZONE)
    with_zone = cast_or_null(pc.if_else(zoned, text, None), pa.timestamp("ns", "UTC"))
    without = cast_or_null(pc.if_else(zoned, None, text), pa.timestamp("ns"))
    return pc.coalesce(_milliseconds(with_zone, "UTC"), _milliseconds(without, source.timezone))


def _by_pattern(values: pa.Array, source: TimeSource) -> pa.Int64Array:
    text = pc.utf8_trim_whitespace(texts(values))
    return _milliseconds(pc.strptime(text, format=source.format, unit="ms", error_is_null=True), source.timezone)


def _milliseconds(times: pa.TimestampArray, zone: str) -> pa.Int64Array:
    if times.type.tz is None and zone != "UTC":  # an hour that occurs twice, or never, is taken as the earlier one
        times = pc.assume_timezone(times, zone, ambiguous="earliest", nonexistent="earliest")
    return times.cast(pa.timestamp("ms", times.type.tz), safe=False).cast(pa.int64())


def _from_zone(local: pa.Int64Array, zone: str) -> pa.Int64Array:
    """Local milliseconds, as if the zone's clock were UTC's, as milliseconds UTC."""
    times = np.clip(pc.fill_null(local, 0).to_numpy(zero_copy_only=False), -_LARGEST_LOCAL, _LARGEST_LOCAL)
    return _milliseconds(pa.array(times, pa.timestamp("ms"), mask=~validity(local)), zone)


def _scaled(values: pa.Array, milliseconds: int) -> pa.Int64Array:
    return _whole(pc.multiply(numbers(values), float(milliseconds)))


def _whole(read: pa.DoubleArray) -> pa.Int64Array:
    times: NDArray[np.float64] = pc.fill_null(read, 0.0).to_numpy(zero_copy_only=False)
    rounded = np.clip(np.rint(times), -LARGEST_READ, LARGEST_READ).astype(np.int64)
    return pa.array(rounded, mask=~validity(read))


def _local_ms(source: TimeSource) -> int:
    """The start on its zone's clock, as if that were UTC's."""
    start = source.start or datetime(1970, 1, 1)  # noqa: DTZ001 - naive is meant
    zone = ZoneInfo(source.timezone)
    naive = start if start.tzinfo is None else start.astimezone(zone).replace(tzinfo=None)
    return round(naive.replace(tzinfo=UTC).timestamp() * 1000)


def _start_ms(source: TimeSource) -> int:
    return int(_from_zone(pa.array([_local_ms(source)]), source.timezone)[0].as_py())


def _epoch(milliseconds: int) -> TimeReader:
    return lambda values, _source: _scaled(values, milliseconds)


def _since(milliseconds: int) -> TimeReader:
    """What has gone by since the start; a clock put forward or back in between changes nothing."""
    return lambda values, source: pc.add(_scaled(values, milliseconds), _start_ms(source))


def _days_since(values: pa.Array, source: TimeSource) -> pa.Int64Array:
    """Days on the calendar of the zone: each begins at its midnight."""
    return _from_zone(pc.add(_scaled(values, DAY_MS), _local_ms(source)), source.timezone)


TIME_FORMATS: dict[str, TimeReader] = {
    "datetime": _datetime,
    "epoch_seconds": _epoch(SECOND_MS),
    "epoch_milliseconds": _epoch(1),
    "seconds_since": _since(SECOND_MS),
    "minutes_since": _since(MINUTE_MS),
    "hours_since": _since(HOUR_MS),
    "days_since": _days_since,
}
"""Formats of a time by name: a column and its source, to epoch milliseconds UTC."""


def readable_formats(values: pa.Array) -> tuple[str, ...]:
    """Formats without a start, as which some value can be read and lies between 2000 and 2100; for a message."""
    sample = values.drop_null().slice(0, 100)
    found = []
    for name in (name for name in TIME_FORMATS if name not in COUNTED_FROM_START):
        span = pc.min_max(read_time(TimeSource("", name), sample)).as_py()
        if span["min"] is not None and span["min"] >= EARLIEST_MS and span["max"] <= LATEST_MS:
            found.append(name)
    return tuple(found)
