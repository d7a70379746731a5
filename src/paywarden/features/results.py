"""From merged cells to a feature's value: compiled, one branch a result."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import sketch_estimate
from paywarden.features.compiled import compiled


class Result(IntEnum):
    """How merged cells become a value."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    MAX = 3
    RATIO_TO_MEAN = 4
    ZSCORE = 5
    DISTINCT = 6
    FRAUD_RATE = 7
    SECONDS_SINCE_LAST = 8


_COUNT, _SUM, _MEAN, _MAX, _RATIO, _ZSCORE, _DISTINCT, _RATE, _RECENCY = (int(result) for result in Result)

RATE_PRIOR = 0.01
"""The fraud rate of an entity of which nothing is known."""
RATE_STRENGTH = 10.0
"""How many transactions the prior weighs."""

_EXACT_BELOW = 2.0**61


@compiled
def finalise(  # noqa: PLR0911 (one return a result)
    result: int, merged: NDArray[np.int64], a: int, b: int, c: int, value: float, seconds_since_last: float
) -> float:
    """The value of one feature from the cells at words ``a``, ``b`` and ``c`` of ``merged``; NaN where undefined.

    ``value`` is the event's own amount in minor units; ``seconds_since_last`` is NaN for an unseen entity.
    """
    if result in (_COUNT, _SUM):
        return float(merged[a])
    if result == _MEAN:
        return merged[b] / merged[a] if merged[a] > 0 else math.nan
    if result == _MAX:
        return float(merged[a] - 1) if merged[a] > 0 else math.nan
    if result == _RATIO:
        return value * merged[a] / merged[b] if merged[a] > 0 and merged[b] > 0 else math.nan
    if result == _ZSCORE:
        return _zscore(merged[a], merged[b], merged[c], value)
    if result == _DISTINCT:
        return sketch_estimate(merged, a)
    if result == _RATE:
        return (merged[a] + RATE_PRIOR * RATE_STRENGTH) / (merged[b] + RATE_STRENGTH)
    return seconds_since_last


@compiled
def _zscore(count: int, total: int, squares: int, value: float) -> float:
    # Two amounts say nothing of a spread; three equal ones have none.
    if count < 3:
        return math.nan
    # The variance times the square of the count. Subtracting near equals in floats would leave their rounding errors as
    # a spread, but the integers wrap around alike on both sides, so that a small difference of them is exact.
    spread = float(count) * squares - float(total) * total
    if abs(spread) < _EXACT_BELOW:
        spread = float(count * squares - total * total)
    return (value * count - total) / math.sqrt(spread) if spread > 0 else math.nan
