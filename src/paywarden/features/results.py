"""From merged cells to a feature's value: compiled, one function a result; NaN where it is undefined."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from paywarden.features.cells import SKETCH_WORDS, in_sketch, sketch_estimate
from paywarden.features.compiled import compiled, inlined

Merged = NDArray[np.int64]


class Result(IntEnum):
    """How merged cells become a value. Those from ``SECONDS_SINCE_LAST`` on are known from the record's header."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    MAX = 3
    RATIO_TO_MEAN = 4
    ZSCORE = 5
    DISTINCT = 6
    DISTINCT_FEW = 7
    FRAUD_RATE = 8
    STD = 9
    SHARE = 10
    BURST = 11
    PEAK = 12
    MATURED_FRAUD_RATE = 13
    FIRST_TIME = 14
    FIRST_TIME_OF = 15
    SECONDS_SINCE_LAST = 16
    SECONDS_SINCE_FRAUD = 17
    FRAUD_RUN_SECONDS = 18
    SPEED_KMH = 19


RESULTS = len(Result)
_COUNT, _SUM, _MEAN, _MAX, _RATIO, _ZSCORE, _DISTINCT, _DISTINCT_FEW = (int(result) for result in list(Result)[:8])
_RATE, _STD, _SHARE, _BURST, _PEAK, _MATURED, _FIRST, _FIRST_OF = (int(result) for result in list(Result)[8:16])
FIRST_KNOWN = int(Result.SECONDS_SINCE_LAST)
KNOWN = RESULTS - FIRST_KNOWN
"""How many results are known from the header."""

RATE_PRIOR = 0.01
"""The fraud rate of an entity of which nothing is known."""
RATE_STRENGTH = 10.0
"""How many transactions the prior weighs."""

_EXACT_BELOW = 2.0**61


@compiled
def mean(count: int, total: int) -> float:
    """The mean of a sum."""
    return total / count if count > 0 else math.nan


@compiled
def maximum(stored: int) -> float:
    """The maximum that a cell stores as one more."""
    return stored - 1.0 if stored > 0 else math.nan


@compiled
def ratio_to_mean(count: int, total: int, value: float) -> float:
    """A value ÷ the mean."""
    return value * count / total if count > 0 and total > 0 else math.nan


@compiled
def fraud_rate(frauds: int, count: int) -> float:
    """Reports ÷ transactions, drawn to the prior."""
    return (frauds + RATE_PRIOR * RATE_STRENGTH) / (count + RATE_STRENGTH)


@compiled
def _spread(count: int, total: int, squares: int) -> float:
    """The variance times the square of the count, never below zero."""
    # Subtracting near equals in floats would leave their rounding errors as a spread, but the integers wrap around
    # alike on both sides, so that a small difference of them is exact.
    spread = float(count) * squares - float(total) * total
    if abs(spread) < _EXACT_BELOW:
        spread = float(count * squares - total * total)
    return max(spread, 0.0)


@compiled
def std(count: int, total: int, squares: int) -> float:
    """The standard deviation (population)."""
    return math.sqrt(_spread(count, total, squares)) / count if count > 1 else math.nan


@compiled
def zscore(count: int, total: int, squares: int, value: float) -> float:
    """Standard deviations between a value and the mean; NaN below three values or where all are equal."""
    # Two amounts say nothing of a spread; three equal ones have none.
    if count < 3:
        return math.nan
    spread = _spread(count, total, squares)
    return (value * count - total) / math.sqrt(spread) if spread > 0 else math.nan


@compiled
def share(part: int, whole: int) -> float:
    """A part of a whole."""
    return part / whole if whole > 0 else math.nan


@compiled
def burst(short: int, long: int, windows: int) -> float:
    """Transactions in a short window ÷ those expected from a long one that is ``windows`` times as long."""
    return (short + 1.0) / (long / max(windows, 1) + 1.0)


@compiled
def peak(stored: int, count: int, total: int) -> float:
    """The maximum of a short window, as its cell stores it, ÷ the mean of a long one."""
    return ratio_to_mean(count, total, stored - 1.0) if stored > 0 else math.nan


@compiled
def matured_fraud_rate(frauds: int, baseline: int, lag: int) -> float:
    """Reports ÷ the transactions of the baseline that are older than the lag; never above 1."""
    judged = max(baseline - lag, frauds)
    return frauds / judged if judged > 0 else math.nan


@inlined
def finalise(  # noqa: C901, PLR0911, PLR0912 (one return a result)
    result: int, merged: Merged, a: int, b: int, c: int, value: np.int64
) -> float:
    """The value of one feature from the cells at words ``a``, ``b`` and ``c`` of ``merged``.

    ``value`` is the event's own field. For a burst, ``c`` is how many short windows the long one is. What is known from
    the header only is NaN.
    """
    if result in (_COUNT, _SUM):
        return float(merged[a])
    if result == _MEAN:
        return mean(merged[a], merged[b])
    if result == _MAX:
        return maximum(merged[a])
    if result == _RATIO:
        return ratio_to_mean(merged[a], merged[b], float(value))
    if result == _ZSCORE:
        return zscore(merged[a], merged[b], merged[c], float(value))
    if result == _DISTINCT:
        return sketch_estimate(merged, a, SKETCH_WORDS)
    if result == _DISTINCT_FEW:
        return sketch_estimate(merged, a, 1)
    if result == _RATE:
        return fraud_rate(merged[a], merged[b])
    if result == _STD:
        return std(merged[a], merged[b], merged[c])
    if result == _SHARE:
        return share(merged[a], merged[b])
    if result == _BURST:
        return burst(merged[a], merged[b], np.int64(c))  # type: ignore[arg-type]
    if result == _PEAK:
        return peak(merged[a], merged[b], merged[c])
    if result == _MATURED:
        return matured_fraud_rate(merged[a], merged[b], merged[c])
    if result == _FIRST:
        return 1.0 if merged[a] == 0 else 0.0
    if result == _FIRST_OF:
        return 0.0 if in_sketch(merged, a, value) else 1.0
    return math.nan


@inlined
def finalise_all(
    table: NDArray[np.void],
    bounds: NDArray[np.int64],
    merged: Merged,
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
    known: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Write all features of one event into ``out`` ``[f]``; a comparison with a field that the event lacks is NaN.

    ``table`` ``[f]`` are rows of :data:`tables.FEATURE` ordered by result; those of result ``r`` are ``bounds[r]`` to
    before ``bounds[r + 1]``. ``values`` and ``present`` ``[v]`` are the event's; ``known`` ``[KNOWN]`` is what the
    header says.
    """
    # A loop a result keeps the branches of `finalise` out of the loop over features: a third of the time.
    for f in range(bounds[_COUNT], bounds[_SUM + 1]):
        out[table[f].place] = np.float32(merged[table[f].a])
    for f in range(bounds[_MEAN], bounds[_MEAN + 1]):
        out[table[f].place] = np.float32(mean(merged[table[f].a], merged[table[f].b]))
    for f in range(bounds[_MAX], bounds[_MAX + 1]):
        out[table[f].place] = np.float32(maximum(merged[table[f].a]))
    for f in range(bounds[_RATIO], bounds[FIRST_KNOWN]):
        result = _RATIO
        while f >= bounds[result + 1]:
            result += 1
        row = table[f]
        compares = result in (_RATIO, _ZSCORE, _FIRST_OF)
        if compares and not present[row.column]:
            out[row.place] = np.float32(math.nan)
        else:
            out[row.place] = np.float32(finalise(result, merged, row.a, row.b, row.c, values[row.column]))
    for f in range(bounds[FIRST_KNOWN], bounds[RESULTS]):
        result = FIRST_KNOWN
        while f >= bounds[result + 1]:
            result += 1
        out[table[f].place] = np.float32(known[result - FIRST_KNOWN])
