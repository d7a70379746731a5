"""Request features: the transaction's own fields, which need no history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paywarden.features.events import EventBatch
from paywarden.features.windows import DAY_MS, HOUR_MS

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0.
_NIGHT_ENDS_HOUR = 6


@dataclass(frozen=True)
class RequestFeature:
    """A named function of the event alone: float64 ``[n]`` from a batch."""

    name: str
    meaning: str
    compute: Callable[[EventBatch], NDArray[np.float64]]


def _day_fraction(events: EventBatch) -> NDArray[np.float64]:
    return (events.occurred_at % DAY_MS) / DAY_MS


def _amount(events: EventBatch) -> NDArray[np.float64]:
    return events.amount.astype(np.float64)


def _hour_sin(events: EventBatch) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * _day_fraction(events))


def _hour_cos(events: EventBatch) -> NDArray[np.float64]:
    return np.cos(2 * np.pi * _day_fraction(events))


def _weekday(events: EventBatch) -> NDArray[np.float64]:
    return ((events.occurred_at // DAY_MS + _EPOCH_WEEKDAY) % 7).astype(np.float64)


def _is_night(events: EventBatch) -> NDArray[np.float64]:
    return (events.occurred_at % DAY_MS < _NIGHT_ENDS_HOUR * HOUR_MS).astype(np.float64)


REQUEST_FEATURES = (
    RequestFeature("amount", "amount of the transaction, base-currency minor units", _amount),
    RequestFeature("hour_sin", "time of day (UTC) on the circle, sine", _hour_sin),
    RequestFeature("hour_cos", "time of day (UTC) on the circle, cosine", _hour_cos),
    RequestFeature("weekday", "day of the week (UTC), Monday 0", _weekday),
    RequestFeature("is_night", "1 between midnight and 6 h (UTC)", _is_night),
)
