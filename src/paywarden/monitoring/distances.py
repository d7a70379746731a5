"""How far two histograms are from each other, and how far a reference is usually from itself.

A large sample is never equal to another one, and payments come in clusters: a busy merchant, a campaign, a holiday. So
no p-value of independent rows is asked, but whether the distance is beyond what the reference shows within itself:
between any of its days (or weeks) and the rest, and between halves of its cards and of its merchants. The largest of
these stands for each feature's own restlessness, which is what keeps a hundred features, asked every hour, from crying
wolf.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

WINDOW_DAYS: Final = (1, 7)
"""Spans that are compared with the reference: a day finds a break at once, a week a slow drift."""
_HALVES: Final = 10
_SEED: Final = 0


def psi(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> float:
    """The population stability index of two histograms over the same bins (int64 [b]): 0 for equal shares.

    Half a row is added to every bin, so that an empty one gives a finite distance. Source: B. Yurdakul, Statistical
    properties of the population stability index (2018).
    """
    return float(_psi_many(counts[None, :], reference[None, :])[0])


def kolmogorov_smirnov(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> float:
    """The largest gap between the cumulated shares of the bins that hold values; the last bin, absent, is left out."""
    return float(np.max(np.abs(np.cumsum(_shares(counts[:-1])) - np.cumsum(_shares(reference[:-1]))), initial=0.0))


def wasserstein(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> float:
    """How far values have moved on average, in bins of the reference (tenths of it); absent values left out."""
    held, before = counts[:-1], reference[:-1]
    if not held.sum() or not before.sum():
        return 0.0
    places = np.arange(len(held))
    return float(wasserstein_distance(places, places, held, before))


def counts_by(groups: NDArray[np.int64], number: int, place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Rows by group (int64 [N], 0 to `number` - 1) and bin: int64 [number, size]."""
    return np.bincount(groups * size + place, minlength=number * size).reshape(number, size)


def usual_psi(
    place: NDArray[np.int64], size: int, day: NDArray[np.int64], clusters: Sequence[NDArray[np.int64]]
) -> dict[int, float]:
    """The largest distance that a reference shows within itself, by length of the window in days.

    `place` int64 [N]: each row's bin; `day` int64 [N]: from 0 on; `clusters`: codes int64 [N] of the card, the merchant
    and so on (below 0 for none), each of which is halved at random ten times. A length is missing where the reference
    does not hold it twice.
    """
    days = int(day.max(initial=-1)) + 1
    daily = counts_by(day, days, place, size)
    halves = _between_halves(place, size, clusters)
    found = {}
    for length in WINDOW_DAYS:
        if days >= 2 * length:
            cumulated = np.concatenate([np.zeros((1, size), np.int64), np.cumsum(daily, axis=0)])
            windows = cumulated[length:] - cumulated[:-length]
            found[length] = max(halves, float(_psi_many(windows, daily.sum(axis=0) - windows).max()))
    return found


def _between_halves(place: NDArray[np.int64], size: int, clusters: Sequence[NDArray[np.int64]]) -> float:
    random, largest = np.random.default_rng(_SEED), 0.0
    for codes in clusters:
        known = codes >= 0
        number = int(codes.max(initial=-1)) + 1
        if number < 2:
            continue
        by_cluster = counts_by(codes[known], number, place[known], size)
        chosen = random.random((_HALVES, number)) < 0.5
        first = chosen @ by_cluster
        # Only half of the rows are on either side, so chance moves them further apart than a week from the whole.
        largest = max(largest, float(_psi_many(first, by_cluster.sum(axis=0) - first).mean()))
    return largest


def _psi_many(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    left, right = _shares(counts + 0.5), _shares(reference + 0.5)
    return np.asarray(((left - right) * np.log(left / right)).sum(axis=1))


def _shares(counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12))
