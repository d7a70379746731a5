"""Every figure of a window at once: prepared for the window, then counted under any weighting of its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.bootstrap import Draw, Interval, Resamples, bootstrap, interval_of
from paywarden.evaluation.card_precision import RankedCards
from paywarden.evaluation.costs import CostMatrix, gains
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.ranking import FALSE_POSITIVE_RATES, Ranking
from paywarden.evaluation.splits import DAY_MS

MEASURES: Final = (
    "average_precision",
    "roc_auc",
    "recall_at_01pct_fpr",
    "recall_at_1pct_fpr",
    "recall_at_5pct_fpr",
    "card_precision",
    "alerts_per_day",
    "precision",
    "recall",
    "f1",
    "accuracy",
    "brier",
    "calibration_error",
    "value_detected",
    "false_positives_per_fraud",
    "money_saved",
)
"""The figures of :class:`Measures`, in their order."""
_CALIBRATION_BINS: Final = 20


class Measures:
    """The figures of predictions with alerts at raw scores of `threshold` and above.

    `cards_a_day` None leaves card precision out. From `decline_threshold` on, alerts are declined; only `money_saved`
    tells the two apart.
    """

    def __init__(
        self,
        predictions: Predictions,
        threshold: float,
        cards_a_day: int | None,
        costs: CostMatrix,
        decline_threshold: float | None = None,
    ) -> None:
        target, alert = predictions.target, predictions.raw >= threshold
        self._ranking = Ranking(target, predictions.raw)
        self._cards_a_day = cards_a_day
        self._cards = (
            None
            if cards_a_day is None
            else RankedCards(target, predictions.raw, predictions.card, predictions.occurred_at)
        )
        self._days = len(np.unique(predictions.occurred_at // DAY_MS))
        self._own_weight = predictions.weights
        self._bins = calibration_bins(predictions.score)
        self._gap = predictions.score - target
        amount = np.where(target, predictions.amount, 0)
        self._columns = np.column_stack(
            [
                np.ones(len(target)),
                target,
                alert,
                alert & target,
                alert == target,
                self._gap**2,
                amount,
                amount * alert,
                gains(predictions, threshold, costs, decline_threshold),
            ]
        ).astype(np.float64)

    def figures(self, draw: Draw | None = None) -> NDArray[np.float64]:
        """The figures by `MEASURES`, float64, NaN for one that is not defined; of a resample if a draw is given."""
        weight = self._own_weight if draw is None else self._own_weight * draw.weight
        ranking = self._ranking.figures(weight, FALSE_POSITIVE_RATES)
        # A plain loop over rows: a matrix product may add them up in another order with another number of threads.
        rows, frauds, alerts, hits, right, squares, lost, found, money = np.einsum("i,ij->j", weight, self._columns)
        precision, recall = _ratio(hits, alerts), _ratio(hits, frauds)
        figures = (
            ranking.average_precision,
            ranking.roc_auc,
            *ranking.recall_at,
            self._card_precision(draw),
            _ratio(alerts, self._days),
            precision,
            recall,
            _harmonic_mean(precision, recall),
            _ratio(right, rows),
            _ratio(squares, rows),
            _ratio(float(np.abs(np.bincount(self._bins, weights=weight * self._gap)).sum()), rows),
            _ratio(found, lost),
            _ratio(alerts - hits, hits),
            money,
        )
        return np.array([np.nan if figure is None else figure for figure in figures], dtype=np.float64)

    def named(self) -> dict[str, float | None]:
        """The figures by name, None for one that is not defined."""
        values = self.figures().tolist()
        return {name: None if np.isnan(value) else value for name, value in zip(MEASURES, values, strict=True)}

    def intervals(
        self, resamples: Resamples, level: float, rows: NDArray[np.int64] | None = None
    ) -> dict[str, Interval]:
        """The interval of every figure by name; one that is undefined in over a twentieth of the draws is missing.

        `rows` (int64 [n]) says which of the resampled rows these predictions are, None that they are all of them.
        """

        def figures(draw: Draw) -> NDArray[np.float64]:
            return self.figures(draw if rows is None else Draw(draw.cards[rows], draw.days[rows]))

        drawn, found = bootstrap(figures, resamples), {}
        for place, (name, estimate) in enumerate(self.named().items()):
            # Noise can only widen the gaps that make up this error: resampling adds to it what sampling had added.
            about = estimate if name == "calibration_error" else None
            interval = interval_of({scheme: values[:, place] for scheme, values in drawn.items()}, level, about)
            if interval is not None and estimate is not None:
                floor = -np.inf if name == "money_saved" else 0.0
                found[name] = replace(interval, low=max(interval.low, floor), high=max(interval.high, floor))
        return found

    def _card_precision(self, draw: Draw | None) -> float | None:
        if self._cards is None or self._cards_a_day is None:
            return None
        copies, days = (None, None) if draw is None else (draw.cards, draw.days)
        return self._cards.precision(self._cards_a_day, copies, days)


def calibration_bins(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each probability, int64 [N]: twenty of about equal size; equal probabilities share one."""
    if not len(score):
        return np.zeros(0, dtype=np.int64)
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, _CALIBRATION_BINS + 1)[1:-1]))
    return np.searchsorted(edges, score, side="right").astype(np.int64)


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0.0 else None


def _harmonic_mean(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0
