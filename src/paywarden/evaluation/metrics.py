"""How good a model is: ranking, what it finds at its threshold, how honest its probabilities are.

Accuracy says little at one fraud in a hundred; it is here because readers look for it, beside what does say something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.card_precision import card_precision
from paywarden.evaluation.predictions import Predictions

_DAY_MS: Final = 86_400_000
_CALIBRATION_BINS: Final = 20


@dataclass(frozen=True)
class Metrics:
    """One window's figures. A figure that is not defined there (no fraud, no alert, no card) is None, never 0.

    `threshold` is the policy's review threshold (raw score); alerts, precision, recall, F1, accuracy, `value_detected`
    (share of the fraudulent amount) and `recall_by_pattern` are taken at it. `recall_at_1pct_fpr` is the recall when
    one genuine transaction in a hundred is flagged. `card_precision` is that at `cards_a_day` cards (CP@k).
    `frauds_by_pattern` says on how many frauds each recall rests; frauds without a pattern are under "unnamed".
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

    def to_dict(self) -> dict[str, Any]:
        """The figures as a JSON document, None as null."""
        return asdict(self)


def evaluate(predictions: Predictions, threshold: float, cards_a_day: int = 100) -> Metrics:
    """The figures of these predictions with alerts at raw scores of `threshold` and above."""
    target, raw = predictions.target, predictions.raw
    alert = raw >= threshold
    days = len(np.unique(predictions.occurred_at // _DAY_MS))
    precision, recall = _share(target[alert]), _share(alert[target])
    recall_by_pattern, frauds_by_pattern = _by_pattern(predictions, alert)
    return Metrics(
        rows=len(predictions),
        frauds=int(target.sum()),
        threshold=float(threshold),
        alerts=int(alert.sum()),
        alerts_per_day=int(alert.sum()) / days if days else None,
        average_precision=average_precision(target, raw),
        roc_auc=roc_auc(target, raw),
        recall_at_1pct_fpr=recall_at_false_positive_rate(target, raw, 0.01),
        card_precision=card_precision(target, raw, predictions.card, predictions.occurred_at, cards_a_day),
        cards_a_day=cards_a_day,
        precision=precision,
        recall=recall,
        f1=_harmonic_mean(precision, recall),
        accuracy=_share(alert == target),
        brier=float(np.mean((predictions.score - target) ** 2)) if len(target) else None,
        calibration_error=calibration_error(target, predictions.score),
        value_detected=_value_detected(predictions, alert),
        recall_by_pattern=recall_by_pattern,
        frauds_by_pattern=frauds_by_pattern,
    )


def average_precision(target: NDArray[np.bool_], raw: NDArray[np.float64]) -> float | None:
    """The area under precision over recall by steps (scikit-learn's AP); None without a fraud."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 -- slow to import, and scoring never needs it

    return float(average_precision_score(target, raw)) if target.any() else None


def roc_auc(target: NDArray[np.bool_], raw: NDArray[np.float64]) -> float | None:
    """The chance that a fraud outranks a genuine transaction (scikit-learn's ROC AUC); None without both."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 -- as above

    return float(roc_auc_score(target, raw)) if target.any() and not target.all() else None


def recall_at_false_positive_rate(target: NDArray[np.bool_], raw: NDArray[np.float64], limit: float) -> float | None:
    """The highest recall at a threshold that flags at most `limit` of the genuine; None without both classes."""
    from sklearn.metrics import roc_curve  # noqa: PLC0415 -- as above

    if not target.any() or target.all():
        return None
    false_positive_rate, recall, _ = roc_curve(target, raw, drop_intermediate=False)
    return float(recall[false_positive_rate <= limit].max())


def calibration_error(target: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """The mean gap between predicted and observed fraud rate over bins of about equal size; None without rows.

    Bins hold equal numbers because equal widths would put nearly every transaction into the lowest. Equal scores share
    a bin. Source: Nguyen and O'Connor, Posterior calibration and exploratory analysis for NLP (2015), adaptive bins.
    """
    if not len(target):
        return None
    edges = np.unique(np.quantile(score, np.linspace(0.0, 1.0, _CALIBRATION_BINS + 1)[1:-1]))
    place = np.searchsorted(edges, score, side="right")
    gaps = np.bincount(place, weights=score - target)
    return float(np.abs(gaps).sum() / len(target))


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _harmonic_mean(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0


def _value_detected(predictions: Predictions, alert: NDArray[np.bool_]) -> float | None:
    lost = int(predictions.amount[predictions.target].sum())
    return int(predictions.amount[predictions.target & alert].sum()) / lost if lost else None


def _by_pattern(predictions: Predictions, alert: NDArray[np.bool_]) -> tuple[dict[str, float], dict[str, int]]:
    names = [name or "unnamed" for name in predictions.pattern[predictions.target]]
    found = alert[predictions.target]
    frauds = {name: names.count(name) for name in sorted(set(names))}
    hits = {name: sum(hit for hit, own in zip(found, names, strict=True) if own == name) for name in frauds}
    return {name: int(hits[name]) / count for name, count in frauds.items()}, frauds
