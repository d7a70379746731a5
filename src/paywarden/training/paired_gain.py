"""What a challenger gains over its opponent on the same rows, with the spread that resampled cards and days give it.

Both models may alert on equally many transactions: each gets the threshold on these rows that gives as many, which
takes no label. One draw of weights serves both, so that what is hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.bootstrap import SCHEMES, Resamples, defined_draws
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.ranking import Ranking

MEASURES: Final = ("money_saved", "precision", "f1", "average_precision")
_CELLS: Final = 500_000  # weights at a time: four megabytes, which stay in the cache
MeasureName = Literal["money_saved", "precision", "f1", "average_precision"]


class Measure(Protocol):
    """One model's figure on some rows, under any weights of all rows."""

    def __call__(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """The figure, float64 [B], with each row counted `weight` (float64 [B, N]) times; NaN where it is undefined."""


@dataclass(frozen=True, eq=False)
class Gains:
    """The challenger's figure less its opponent's, by resample.

    `champion`, `challenger` and `gain` are the figures themselves, `resampled` float64 [S, B] the gains in B resamples
    of each of S schemes. A bound is the widest of the schemes'.
    """

    champion: float
    challenger: float
    gain: float
    resampled: NDArray[np.float64]

    def bound(self, share: float) -> float:
        """The gain below which this share of the resamples lies, by the scheme that says the widest; NaN for none."""
        found = [float(np.quantile(drawn, share)) for drawn in self._defined() if len(drawn)]
        if len(found) < len(self.resampled):
            return float("nan")
        return min(found) if share < 0.5 else max(found)

    @property
    def deviation(self) -> float:
        """The standard deviation over the resamples, by the scheme that says the widest; NaN for none."""
        return max((float(np.std(drawn)) for drawn in self._defined() if len(drawn)), default=float("nan"))

    def _defined(self) -> list[NDArray[np.float64]]:
        return [defined_draws(drawn) for drawn in self.resampled]


def threshold_for_alerts(raw: NDArray[np.float64], alerts: int) -> float:
    """The lowest raw score at which no more than so many rows (float64 [N]) alert; just above all where none may.

    Equal scores at the edge stay below it together.
    """
    descending = np.sort(raw)[::-1]
    if alerts >= len(descending):
        return float(descending[-1]) if len(descending) else 0.0
    beyond = descending[alerts]
    above = descending[:alerts][descending[:alerts] > beyond]
    return float(above[-1]) if len(above) else float(np.nextafter(beyond, np.inf))


def measure_of(
    name: MeasureName,
    predictions: Predictions,
    threshold: float,
    value: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> Measure:
    """The measure of this name over `rows` (int64 [n], indices) of the predictions.

    `value` float64 [N] is what an alert on each row is worth in money.
    """
    target, raw = predictions.target[rows], predictions.raw[rows]
    alert = raw >= threshold
    if name == "average_precision":
        return _AveragePrecision(target, raw, rows)
    if name == "money_saved":
        return Ratio(rows, value[rows] * alert, None)
    hits = (alert & target).astype(np.float64)
    if name == "precision":
        return Ratio(rows, hits, alert.astype(np.float64))
    return Ratio(rows, 2.0 * hits, alert.astype(np.float64) + target)


def paired_gains(
    champion: Mapping[str, Measure],
    challenger: Mapping[str, Measure],
    resamples: Resamples,
    own: NDArray[np.float64] | None = None,
) -> dict[str, Gains]:
    """The gains of every measure that both name; all come from the same draws.

    `own` float64 [N] is for how many transactions each row stands; None: for itself.
    """
    names = list(champion)
    own = np.ones(len(resamples.card)) if own is None else own
    resampled = np.empty((len(SCHEMES), resamples.count, len(names)))
    for place, scheme in enumerate(SCHEMES):
        first = 0
        for drawn in _batches(resamples, scheme):
            weights = drawn * own
            rows = slice(first, first := first + len(drawn))
            for column, name in enumerate(names):
                resampled[place, rows, column] = challenger[name](weights) - champion[name](weights)
    once = own[None, :]
    found = {}
    for place, name in enumerate(names):
        before, after = float(champion[name](once)[0]), float(challenger[name](once)[0])
        found[name] = Gains(before, after, after - before, resampled[:, :, place])
    return found


def _batches(resamples: Resamples, scheme: str) -> Iterator[NDArray[np.int64]]:
    """The weights of some draws at a time, int64 [b, N]: measures are quicker on many than on one."""
    draws, some = resamples.draws(scheme), max(_CELLS // max(len(resamples.card), 1), 1)
    while batch := [draw.weight for draw in islice(draws, some)]:
        yield np.stack(batch)


class Ratio:
    """A weighted sum, or the ratio of two; only rows that are in one of them are ever touched."""

    def __init__(
        self, rows: NDArray[np.int64], numerator: NDArray[np.float64], denominator: NDArray[np.float64] | None
    ) -> None:
        touched = numerator != 0.0
        if denominator is not None:
            touched |= denominator != 0.0
        self._rows = rows[touched]
        self._numerator = numerator[touched]
        self._denominator = None if denominator is None else denominator[touched]

    def __call__(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum, or ratio, with rows counted so often."""
        counted = weight[:, self._rows]
        total = counted @ self._numerator
        return total if self._denominator is None else _divided(total, counted @ self._denominator)


class _AveragePrecision:
    """AP as in reports, sorted once for all weights."""

    def __init__(self, target: NDArray[np.bool_], raw: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        self._rows = rows
        self._ranking = Ranking(target, raw)

    def __call__(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        found = [self._ranking.figures(counted, rates=()).average_precision for counted in weight[:, self._rows]]
        return np.array([np.nan if figure is None else figure for figure in found], dtype=np.float64)


def _divided(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0.0)
