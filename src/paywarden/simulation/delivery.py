"""Delivery: how long after a payment the first component of ours hears of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paywarden.simulation.draft import MINUTE_MS

_MEDIAN_MS, _SIGMA, _SHORTEST_MS, _LONGEST_USUAL_MS = 180.0, 0.9, 20.0, 10_000.0
_LATE, _LATE_MS = 0.005, (MINUTE_MS, 15 * MINUTE_MS)
_VERY_LATE, _VERY_LATE_MS = 0.0003, (30 * MINUTE_MS, 90 * MINUTE_MS)
LONGEST_MS = _VERY_LATE_MS[1]


def delivery_delays_ms(rng: np.random.Generator, rows: int) -> NDArray[np.int64]:
    """Delays int64 ``[rows]``: mostly a fifth of a second, minutes for 1 in 200, about an hour for 1 in 3,000."""
    usual = np.clip(_MEDIAN_MS * np.exp(_SIGMA * rng.standard_normal(rows)), _SHORTEST_MS, _LONGEST_USUAL_MS)
    delays = usual.astype(np.int64)
    luck = rng.random(rows)
    for low, high, (shortest, longest) in (
        (0.0, _VERY_LATE, _VERY_LATE_MS),
        (_VERY_LATE, _VERY_LATE + _LATE, _LATE_MS),
    ):
        late = np.flatnonzero((luck >= low) & (luck < high))
        delays[late] = rng.integers(shortest, longest, size=len(late))
    return delays
