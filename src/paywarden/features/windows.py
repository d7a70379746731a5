"""Windows of event time and the tiles that hold them.

A window of ``tiles`` tiles, read at ``as_of``, covers the tile in which ``as_of`` falls and the ``tiles - 1`` before
it: between ``duration - tile`` and ``duration`` of history. Windows of one tile width share one ring.
"""

from __future__ import annotations

from dataclasses import dataclass

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, order=True)
class Window:
    """A span of event time, ``duration_ms`` long, kept in tiles of ``tile_ms`` milliseconds."""

    duration_ms: int
    tile_ms: int
    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.duration_ms, int) or not isinstance(self.tile_ms, int):
            raise TypeError(f"window {self.name}: duration and tile are whole milliseconds")
        if self.tile_ms <= 0 or self.duration_ms <= 0 or self.duration_ms % self.tile_ms:
            raise ValueError(
                f"window {self.name}: {self.duration_ms} ms is not a whole number of {self.tile_ms} ms tiles"
            )

    @property
    def tiles(self) -> int:
        """How many tiles the window covers."""
        return self.duration_ms // self.tile_ms


_UNITS = (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1))


def windows_name(duration_ms: int) -> str:
    """How a window of this length is called: in the largest unit that divides it."""
    unit, size = next((unit, size) for unit, size in _UNITS if duration_ms % size == 0)
    return f"{duration_ms // size}{unit}"


FIVE_MINUTES = Window(5 * MINUTE_MS, MINUTE_MS, "5m")
HOUR = Window(HOUR_MS, 10 * MINUTE_MS, "1h")
SIX_HOURS = Window(6 * HOUR_MS, HOUR_MS, "6h")
DAY = Window(DAY_MS, 3 * HOUR_MS, "1d")
WEEK = Window(7 * DAY_MS, DAY_MS, "7d")
MONTH = Window(30 * DAY_MS, 3 * DAY_MS, "30d")
QUARTER = Window(90 * DAY_MS, 45 * DAY_MS, "90d")

CORE_WINDOWS = (FIVE_MINUTES, HOUR, DAY, WEEK, MONTH)
VELOCITY_WINDOWS = (FIVE_MINUTES, HOUR, SIX_HOURS, DAY, WEEK, MONTH)
