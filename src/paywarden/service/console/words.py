"""How pages say times, money and shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import orjson

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def money(minor: float | None) -> str:
    """Minor units in major ones: 12,345.60."""
    return "–" if minor is None else f"{minor / 100:,.2f}"


def minor_units(amount: int, exponent: int) -> str:
    """Minor units of a currency with so many decimal places in its major ones: 12,345.60, or 12,346."""
    return f"{amount / 10**exponent:,.{exponent}f}"


def time_of(at: int | None) -> str:
    """Epoch ms as date and time in UTC, to the second."""
    return "–" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def iso_time(at: int) -> str:
    """Epoch ms as machines read it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def ago(at: int, now: int) -> str:
    """How long before now, in the largest unit of which there is one: 3 min."""
    seconds = max((now - at) // 1000, 0)
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "now"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, digits: int = 0) -> str:
    """A number with separators of thousands."""
    return "–" if value is None else f"{value:,.{digits}f}"


def figure(value: float | None) -> str:
    """A figure of any size with four digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def as_json(value: object) -> str:
    """JSON for a data attribute, which the template escapes."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()


FILTERS: Final = {
    "money": money,
    "time": time_of,
    "iso": iso_time,
    "ago": ago,
    "percent": percent,
    "number": number,
    "figure": figure,
    "json": as_json,
}
