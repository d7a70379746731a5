"""Request features: the transaction's own fields, which need no history. Times are local to the calendar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.features.calendar import Calendar
from paywarden.features.events import EventBatch
from paywarden.features.windows import DAY_MS, HOUR_MS

_NIGHT_ENDS_HOUR = 6
_SATURDAY = 5
CODE_BITS = 24
"""Codes are this many low bits of the text's XXH64, so that a float32 holds them exactly."""


@dataclass(frozen=True)
class RequestFeature:
    """A named function of the event alone: float ``[n]`` from a batch and a calendar."""

    name: str
    meaning: str
    compute: Callable[[EventBatch, Calendar], NDArray[np.generic]]


def _day_fraction(events: EventBatch, calendar: Calendar) -> NDArray[np.float64]:
    return (calendar.local_ms(events.occurred_at) % DAY_MS) / DAY_MS


def _amount(events: EventBatch, _: Calendar) -> NDArray[np.generic]:
    return events.amount


def _hour_sin(events: EventBatch, calendar: Calendar) -> NDArray[np.generic]:
    return np.sin(2 * np.pi * _day_fraction(events, calendar))


def _hour_cos(events: EventBatch, calendar: Calendar) -> NDArray[np.generic]:
    return np.cos(2 * np.pi * _day_fraction(events, calendar))


def _weekday(events: EventBatch, calendar: Calendar) -> NDArray[np.generic]:
    return calendar.weekday(events.occurred_at)


def _is_night(events: EventBatch, calendar: Calendar) -> NDArray[np.generic]:
    return calendar.local_ms(events.occurred_at) % DAY_MS < _NIGHT_ENDS_HOUR * HOUR_MS


def _is_weekend(events: EventBatch, calendar: Calendar) -> NDArray[np.generic]:
    return calendar.weekday(events.occurred_at) >= _SATURDAY


def _is_holiday(events: EventBatch, calendar: Calendar) -> NDArray[np.generic]:
    return calendar.is_holiday(events.occurred_at)


CORE_REQUEST = ("amount", "hour_sin", "hour_cos", "weekday", "is_night")

_KNOWN = {
    feature.name: feature
    for feature in (
        RequestFeature("amount", "amount of the transaction, base-currency minor units", _amount),
        RequestFeature("hour_sin", "time of day on the circle, sine", _hour_sin),
        RequestFeature("hour_cos", "time of day on the circle, cosine", _hour_cos),
        RequestFeature("weekday", "day of the week, Monday 0", _weekday),
        RequestFeature("is_night", "1 between midnight and 6 h", _is_night),
        RequestFeature("is_weekend", "1 on Saturdays and Sundays", _is_weekend),
        RequestFeature("is_holiday", "1 on holidays", _is_holiday),
    )
}
TIMELY = tuple(name for name in _KNOWN if name != "amount")
"""Those that depend on the time zone."""


def request_feature(name: str) -> RequestFeature:
    """The request feature of a name: a known one, ``<field>_code`` of a text, or ``extra_<name>`` of a number.

    Raises ValueError for any other name.
    """
    if name in _KNOWN:
        return _KNOWN[name]
    if name.endswith("_code"):
        return _code(name, name.removesuffix("_code"))
    if name.startswith("extra_"):
        return _number(name)
    raise ValueError(
        f"there is no request feature {name!r}; there are {', '.join(_KNOWN)}, <text>_code, extra_<number>"
    )


def code_source(name: str) -> str | None:
    """The text whose code a request feature is: ``category`` for ``category_code``; None for other features."""
    return name.removesuffix("_code") if name not in _KNOWN and name.endswith("_code") else None


def _code(name: str, source: str) -> RequestFeature:
    def compute(events: EventBatch, _: Calendar) -> NDArray[np.generic]:
        hashes = events.codes[source]
        return np.where(hashes == 0, np.nan, hashes & ((1 << CODE_BITS) - 1))

    return RequestFeature(name, f"{_words(source)} of the transaction", compute)


def _number(name: str) -> RequestFeature:
    return RequestFeature(name, f"{_words(name)} of the transaction", lambda events, _: events.numbers[name])


def _words(field: str) -> str:
    return field.removeprefix("extra_").replace("_", " ")
