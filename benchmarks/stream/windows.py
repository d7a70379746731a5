"""The windows of the peers' catalogue by hand, and its vector: plain Python, as a user of the peers would write it.

It imports nothing of Paywarden, for it also runs in Quix Streams' own environment. Tiles are those of Paywarden's
windows, so that the values, and with them the scores, can be compared one by one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
TILES = ((_HOUR_MS // 6, 6), (3 * _HOUR_MS, 8), (_DAY_MS, 7))
"""Tile width in milliseconds, and tiles, of 1 h, 1 d, 7 d."""
_CODEC = struct.Struct(f"<{4 * sum(count for _, count in TILES)}q")
_MONDAY_OFFSET_DAYS = 3
_NIGHT_ENDS_MS = 6 * _HOUR_MS
NAMES = (
    *(f"card_{what}_{window}" for what in ("count", "sum", "mean", "max") for window in ("1h", "1d", "7d")),
    *("amount", "hour_sin", "hour_cos", "weekday", "is_night"),
)
STATE_BYTES = _CODEC.size


def vector(stored: bytes | None, message: Mapping[str, Any]) -> tuple[list[float], bytes]:
    """The vector of a transaction from its card's state before it, and the state after it.

    State: for each window a ring of (tile number, count, sum, maximum); a tile is told from an older one in its place
    by its number. Refunds read but do not enter.
    """
    at, amount = message["occurred_at"], message["amount"]
    cells = list(_CODEC.unpack(stored)) if stored else [0] * (_CODEC.size // 8)
    enters = message["transaction_type"] == "authorisation"
    counts, sums, means, tops = [], [], [], []
    base = 0
    for width, tiles in TILES:
        now = at // width
        count = total = top = 0
        for cell in range(base, base + 4 * tiles, 4):
            if now - tiles < cells[cell] <= now:
                count, total, top = count + cells[cell + 1], total + cells[cell + 2], max(top, cells[cell + 3])
        counts.append(float(count))
        sums.append(float(total))
        means.append(total / count if count else math.nan)
        tops.append(float(top) if count else math.nan)
        if enters:
            _add(cells, base + 4 * (now % tiles), now, amount)
        base += 4 * tiles
    return [*counts, *sums, *means, *tops, *_of_the_transaction(at, amount)], _CODEC.pack(*cells)


def without_history(at: int, amount: int) -> list[float]:
    """The vector where no history is kept: its windows are absent."""
    return [math.nan] * 12 + _of_the_transaction(at, amount)


def _of_the_transaction(at: int, amount: int) -> list[float]:
    turn = 2 * math.pi * (at % _DAY_MS) / _DAY_MS
    weekday = (at // _DAY_MS + _MONDAY_OFFSET_DAYS) % 7
    return [float(amount), math.sin(turn), math.cos(turn), float(weekday), float(at % _DAY_MS < _NIGHT_ENDS_MS)]


def _add(cells: list[int], cell: int, now: int, amount: int) -> None:
    if cells[cell] != now:
        if cells[cell] > now:
            return  # later than the ring is long
        cells[cell : cell + 4] = [now, 0, 0, 0]
    cells[cell + 1] += 1
    cells[cell + 2] += amount
    cells[cell + 3] = max(cells[cell + 3], amount)
