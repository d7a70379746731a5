"""The only place that reads the wall clock; everything else is handed a :class:`Clock`."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives the present as epoch milliseconds, UTC."""


def system_clock() -> int:
    """The present in epoch milliseconds, UTC."""
    return time.time_ns() // 1_000_000
