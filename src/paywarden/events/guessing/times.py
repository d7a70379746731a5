"""Which column is the time of a payment, and how it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from paywarden.events.guessing.guess import Guess, block, one_line, scalar
from paywarden.events.guessing.profile import Column
from paywarden.events.limits import EARLIEST_MS, LATEST_MS
from paywarden.events.sources import TimeSource
from paywarden.events.strings import validity
from paywarden.events.time_readers import DAY_MS, read_time, time_of_day_ms

PATTERNS = tuple(
    day + clock
    for day in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d")
    for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M:%S %p", " %I:%M %p")
)
_OTHER_TIMES = (
    *("birth", "dob", "expiry", "expiration", "expire", "expires", "exp", "open", "opened", "valid", "registered"),
    *(
        "signup",
        "previous",
        "prev",
        "last",
        "chargeback",
        "fraud",
        "report",
        "reported",
        "label",
        "labelled",
        "updated",
    ),
)
_OF_PAYMENTS = ("transaction", "trans", "tx", "txn", "payment", "purchase", "event", "order", "authorisation")
_TIME_WORDS = (
    *("time", "timestamp", "ts", "date", "datetime", "unix", "epoch", "at", "created", "dt", "when", "occurred"),
)
_COUNTED = (
    (("time", "seconds", "secs", "second", "dt", "elapsed"), "seconds_since"),
    (("minutes", "minute"), "minutes_since"),
    (("step", "hours"), "hours_since"),
    (("days", "day"), "days_since"),
)


START = datetime(2000, 1, 1)  # noqa: DTZ001 - naive is meant: of the mapping's zone
"""Stands where a start must be written, and is not known."""


class _Candidate(NamedTuple):
    score: int
    column: Column
    format: str
    whole_days: bool
    why: str


def guess_time(columns: Sequence[Column]) -> tuple[Guess, TimeSource] | None:
    """The time with its format, as YAML and as it is read; a date only is joined by the column of the time of day."""
    candidates = [c for column in columns if not column.has(*_OTHER_TIMES) for c in _candidates(column)]
    if not candidates:
        return None
    best = max(candidates, key=lambda c: c.score + 5 * c.column.has(*_OF_PAYMENTS))
    hour = _hour(columns, best.column) if best.whole_days else None
    parts = {"column": scalar(best.column.name), "format": best.format if "%" not in best.format else repr(best.format)}
    why = [f"{one_line(best.column.name)}: {best.why}"]
    if best.format.endswith("_since"):
        parts["start"] = f"{START:%Y-%m-%d}"
        why.append("The start is NOT known: write the date and time at which this column is 0")
    if hour is not None:
        parts["hour"] = scalar(hour.name)
        why.append(f"the time of day is in {one_line(hour.name)}")
    elif best.whole_days:
        why.append("days only: no column of the time of day was found (`hour: COLUMN`)")
    if not best.format.startswith("epoch"):
        parts["timezone"] = "UTC"
        why.append("UTC is assumed; write a zone such as Europe/Paris if the times are local")
    start = START if best.format.endswith("_since") else None
    source = TimeSource(best.column.name, best.format, "UTC", start, None if hour is None else hour.name)
    return Guess("occurred_at", (block(**parts),), source.columns, tuple(why)), source


def _candidates(column: Column) -> Iterator[_Candidate]:
    kind = column.values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if column.known:
            yield _dated(column, "datetime", 100, f"of type {kind}")
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield from _written(column)
    if column.is_number:
        yield from _counted(column)


def _written(column: Column) -> Iterator[_Candidate]:
    if column.is_number and not column.has(*_TIME_WORDS):
        return
    if not column.is_number and _is_dated(column, "datetime"):
        yield _dated(column, "datetime", 95, "dates as text")
        return
    patterns = [p for p in PATTERNS if _is_dated(column, p)]
    if patterns:
        others = f", but could be {', '.join(patterns[1:])}: check it" if patterns[1:] else ""
        yield _dated(column, patterns[0], 90, f"dates as text, read as {patterns[0]}{others}")


def _is_dated(column: Column, time_format: str) -> bool:
    """True if nearly all of the first values are times that validation would accept, read in this format."""
    head = Column(column.name, column.values.drop_null().slice(0, 1000))
    times = read_time(TimeSource("", time_format), head.values)
    known = times.drop_null().to_numpy(zero_copy_only=False)
    return head.reads_as(times) and bool(((known >= EARLIEST_MS) & (known <= LATEST_MS)).all())


def _dated(column: Column, time_format: str, score: int, why: str) -> _Candidate:
    times = read_time(TimeSource("", time_format), column.values).drop_null().to_numpy(zero_copy_only=False)
    whole_days = bool((times % DAY_MS == 0).all())
    return _Candidate(score - 40 * whole_days, column, time_format, whole_days, why)


def _counted(column: Column) -> Iterator[_Candidate]:
    numbers, hint = column.numbers, 40 * column.has(*_TIME_WORDS)
    for time_format, milliseconds in (("epoch_seconds", 1000), ("epoch_milliseconds", 1)):
        times = numbers * milliseconds
        if bool(((times >= EARLIEST_MS) & (times <= LATEST_MS)).all()) and (hint or column.is_whole):
            if hint or not column.is_unique or bool((np.diff(numbers) >= 0).all()):
                yield _Candidate(40 + hint, column, time_format, whole_days=False, why=time_format.replace("_", " "))
            return
    for score, (words, time_format) in enumerate(reversed(_COUNTED), 20):
        if column.has(*words) and bool((numbers >= 0).all()):
            what = time_format.removesuffix("_since")
            whole = time_format == "days_since" and column.is_whole
            yield _Candidate(score, column, time_format, whole, f"numbers from {numbers.min():g}, taken for {what}")
            return


def _hour(columns: Sequence[Column], day: Column) -> Column | None:
    for column in columns:
        if column is not day and column.has("hour", "time", "hr", "clock") and not column.has(*_OTHER_TIMES):
            of_day = time_of_day_ms(column.values)
            if column.reads_as(of_day) and bool(validity(of_day).any()):
                return column
    return None
