"""Counter-based randomness: every (seed, stream, day) has a generator of its own, whatever was drawn before.

Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_DAY_ORIGIN = 1 << 31  # days before the world's first are asked for too: their campaigns spill over into it


class Stream(IntEnum):
    """What a draw is for. A number is never reused: adding a stream leaves the others' draws as they were."""

    POPULATION = 0
    GENUINE = 1
    TRAVEL = 2
    DELIVERY = 3
    VERDICTS = 4
    PHASES = 5
    COLLUDERS = 6
    DEVICES = 7
    ACCOUNT_TAKEOVER = 16
    CARD_TESTING = 17
    MERCHANT_COLLUSION = 18
    GEOGRAPHIC_ANOMALY = 19


def generator(seed: int, stream: Stream, day: int = 0) -> np.random.Generator:
    """The generator of one stream of one day; equal arguments give equal draws in any process and any order."""
    key = np.array([seed, ((day + _DAY_ORIGIN) << 16) | int(stream)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
