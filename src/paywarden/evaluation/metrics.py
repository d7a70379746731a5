"""How good a model is: ranking, what it finds at its threshold, what it saves, how honest its probabilities are.

Accuracy says little at one fraud in a hundred; it is here because readers look for it, beside what does say something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.bootstrap import Interval, Resamples
from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.measures import Measures, calibration_bins
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.ranking import Ranking
from paywarden.evaluation.segment_figures import SegmentFigures, segment_figures


@dataclass(frozen=True)
class Metrics:
    """One window's figures. A figure that is not defined there (no fraud, no alert, no card) is None, never 0.

    `threshold` is the policy's review threshold (raw score); alerts, precision, recall, F1, accuracy, `value_detected`
    (share of the fraudulent amount), `false_positives_per_fraud` (false alarms for every fraud found) and
    `recall_by_pattern` are taken at it. `recall_at_1pct_fpr` is the recall when one genuine transaction in a hundred is
    flagged, `recall_at_01pct_fpr` when one in a thousand is. `card_precision` is that at `cards_a_day` cards (CP@k).
    `money_saved` is what reviewing (and declining, from the policy's decline threshold on) saves against approving
    everything, in minor units of the base currency over the whole window. `rows`, `frauds` and `alerts` count
    transactions; all else counts each as often as it stands for others (`Predictions.weight`), except card precision,
    which counts cards. `frauds_by_pattern` says on how many frauds each recall rests; frauds without a pattern are
    under "unnamed". `segments` go by segmentation and label; `intervals` by the name of the figure, empty where no
    resamples were asked for.
    """

    rows: int
    frauds: int
    threshold: float
    alerts: int
    alerts_per_day: float | None
    average_precision: float | None
    roc_auc: float | None
    recall_at_1pct_fpr: float | None
    card_precision: float | None
    cards_a_day: int
    precision: float | None
    recall: float | None
    f1: float | None
    accuracy: float | None
    brier: float | None
    calibration_error: float | None
    value_detected: float | None
    recall_by_pattern: Mapping[str, float] = field(default_factory=dict)
    frauds_by_pattern: Mapping[str, int] = field(default_factory=dict)
    recall_at_01pct_fpr: float | None = None
    recall_at_5pct_fpr: float | None = None
    false_positives_per_fraud: float | None = None
    money_saved: float | None = None
    decline_threshold: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, SegmentFigures]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The figures as a JSON document, None as null."""
        return asdict(self)


def evaluate(
    predictions: Predictions,
    threshold: float,
    cards_a_day: int = 100,
    *,
    decline_threshold: float | None = None,
    costs: CostMatrix | None = None,
    resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> Metrics:
    """The figures of these predictions with alerts at raw scores of `threshold` and above.

    With `resamples` every figure has its interval, from so many draws of cards and as many of days (500 give bounds
    that hold still in the second digit); segments have figures and intervals then, and none without. Sixty thousand
    transactions and a thousand draws take some seconds.
    """
    costs = costs or CostMatrix()
    measures = Measures(predictions, threshold, cards_a_day, costs, decline_threshold)
    found: dict[str, Any] = measures.named()
    alert = predictions.raw >= threshold
    recall_by_pattern, frauds_by_pattern = _by_pattern(predictions, alert)
    metrics = Metrics(
        rows=len(predictions),
        frauds=int(predictions.target.sum()),
        threshold=float(threshold),
        alerts=int(alert.sum()),
        cards_a_day=cards_a_day,
        recall_by_pattern=recall_by_pattern,
        frauds_by_pattern=frauds_by_pattern,
        decline_threshold=decline_threshold,
        costs=costs.to_dict(),
        **found,
    )
    if not resamples:
        return metrics
    draws = Resamples(predictions.card, predictions.occurred_at, resamples, seed)
    return replace(
        metrics,
        intervals=measures.intervals(draws, level),
        segments=segment_figures(predictions, threshold, costs, decline_threshold, draws, level),
    )


def intervals(
    predictions: Predictions,
    threshold: float,
    resamples: Resamples,
    *,
    cards_a_day: int = 100,
    costs: CostMatrix | None = None,
    decline_threshold: float | None = None,
    level: float = 0.95,
) -> Mapping[str, Interval]:
    """The interval of every figure of `MEASURES` by name; one undefined in over a twentieth of the draws is missing."""
    measures = Measures(predictions, threshold, cards_a_day, costs or CostMatrix(), decline_threshold)
    return measures.intervals(resamples, level)


def average_precision(
    target: NDArray[np.bool_], raw: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> float | None:
    """The area under precision over recall by steps (scikit-learn's AP); None without a fraud."""
    return Ranking(target, raw).figures(weight).average_precision


def roc_auc(
    target: NDArray[np.bool_], raw: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> float | None:
    """The chance that a fraud outranks a genuine transaction (scikit-learn's ROC AUC); None without both."""
    return Ranking(target, raw).figures(weight).roc_auc


def recall_at_false_positive_rate(
    target: NDArray[np.bool_], raw: NDArray[np.float64], limit: float, weight: NDArray[np.float64] | None = None
) -> float | None:
    """The highest recall at a threshold that flags at most `limit` of the genuine; None without both classes."""
    return Ranking(target, raw).figures(weight, (limit,)).recall_at[0]


def calibration_error(
    target: NDArray[np.bool_], score: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> float | None:
    """The mean gap between predicted and observed fraud rate over bins of about equal size; None without rows.

    Bins hold equal numbers because equal widths would put nearly every transaction into the lowest. Equal scores share
    a bin. Source: Nguyen and O'Connor, Posterior calibration and exploratory analysis for NLP (2015), adaptive bins.
    """
    if not len(target):
        return None
    counted = np.ones(len(target)) if weight is None else weight
    gaps = np.bincount(calibration_bins(score), weights=counted * (score - target))
    return float(np.abs(gaps).sum() / counted.sum())


def _by_pattern(predictions: Predictions, alert: NDArray[np.bool_]) -> tuple[dict[str, float], dict[str, int]]:
    names = [name or "unnamed" for name in predictions.pattern[predictions.target]]
    found = alert[predictions.target]
    frauds = {name: names.count(name) for name in sorted(set(names))}
    hits = {name: sum(hit for hit, own in zip(found, names, strict=True) if own == name) for name in frauds}
    return {name: int(hits[name]) / count for name, count in frauds.items()}, frauds
