"""The calendar of a deployment: its time zone and its holidays."""

from __future__ import annotations

import zoneinfo
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from types import ModuleType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import ConfigurationError
from paywarden.features.windows import DAY_MS, HOUR_MS

_QUARTER_HOUR_MS = HOUR_MS // 4
_MOST_PERIODS = 1_000_000
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0.
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Calendar:
    """Local time and holidays.

    ``timezone`` is an IANA name. ``holidays`` is a country (ISO 3166-1, such as FR), or a market such as ECB, whose
    closing days are those of the euro's settlement system. Raises ConfigurationError for one that is not known.
    """

    timezone: str = "UTC"
    holidays: str = "ECB"

    def __post_init__(self) -> None:
        if self.timezone not in zoneinfo.available_timezones():
            raise ConfigurationError(f"there is no time zone {self.timezone!r}; write one such as UTC or Europe/Paris")
        if not _known(self.holidays):
            raise ConfigurationError(
                f"no holidays are known for {self.holidays!r}; write a country such as FR, or a market such as ECB"
            )

    def local_ms(self, at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Local wall-clock time of these instants, as milliseconds since 1970-01-01 00:00 local, int64 ``[n]``."""
        if self.timezone == "UTC":
            return at_ms
        # No zone has ever changed its offset within a quarter of an hour.
        quarters, place = _distinct(at_ms // _QUARTER_HOUR_MS)
        zone = zoneinfo.ZoneInfo(self.timezone)
        offsets = [_offset_ms(int(quarter) * _QUARTER_HOUR_MS, zone) for quarter in quarters.tolist()]
        return at_ms + np.array(offsets, dtype=np.int64)[place]

    def weekday(self, at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Local day of the week, Monday 0."""
        return (self.local_ms(at_ms) // DAY_MS + _EPOCH_WEEKDAY) % 7

    def is_holiday(self, at_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the local day is a holiday."""
        days, place = _distinct(self.local_ms(at_ms) // DAY_MS)
        closed = _holidays(self.holidays)
        found = [date.fromordinal(_EPOCH.toordinal() + int(day)) in closed for day in days.tolist()]
        return np.array(found, dtype=np.bool_)[place]


def _distinct(periods: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct periods, and where each row's is among them. A batch spans few, so that no sort is needed."""
    first = int(periods.min(initial=np.iinfo(np.int64).max)) if len(periods) else 0
    span = int(periods.max(initial=first)) - first + 1
    if span > _MOST_PERIODS:
        distinct, place = np.unique(periods, return_inverse=True)
        return distinct, place
    seen = np.zeros(span, dtype=np.bool_)
    seen[periods - first] = True
    return np.flatnonzero(seen) + first, (np.cumsum(seen) - 1)[periods - first]


def _offset_ms(at_ms: int, zone: zoneinfo.ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0


def _known(code: str) -> bool:
    library = _library()
    return code in library.list_supported_countries() or code in library.list_supported_financial()


@cache
def _holidays(code: str) -> Container[date]:
    """The holidays of a country or market; its years are filled in as they are asked for."""
    library = _library()
    if code in library.list_supported_financial():
        return cast("Container[date]", library.financial_holidays(code))
    return cast("Container[date]", library.country_holidays(code))


def _library() -> ModuleType:
    import holidays  # noqa: PLC0415 (some 0.2 s, and only what has a calendar needs it)

    return holidays
