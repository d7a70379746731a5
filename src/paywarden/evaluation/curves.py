"""A window's curves as points: precision over recall, money saved and alerts over the threshold, calibration."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from paywarden.evaluation.costs import CostMatrix
from paywarden.evaluation.measures import calibration_bins
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS

POINTS: Final = 500
"""The most points of a curve: more look the same, and weigh megabytes."""


def threshold_curve(predictions: Predictions, costs: CostMatrix) -> dict[str, NDArray[np.float64]]:
    """At most `POINTS` thresholds from the highest down, with what alerts from each of them on would find.

    Arrays of one length: `threshold` (raw score), `alerts_per_day`, `precision`, `recall` (NaN without a fraud) and
    `money_saved` (minor units over the window, every alert reviewed). Points lie evenly on a logarithmic scale of
    alerts, since what matters happens among the first; the lowest threshold is always among them.
    """
    order = np.argsort(-predictions.raw, kind="stable")
    raw, target = predictions.raw[order], predictions.target[order]
    weight = predictions.weights[order]
    ends = np.flatnonzero(np.append(raw[1:] != raw[:-1], True)[: len(raw)])
    if len(ends) > POINTS:
        place = np.unique(np.geomspace(1, len(ends), POINTS).astype(np.int64)) - 1
        ends = ends[np.append(place, len(ends) - 1) if place[-1] != len(ends) - 1 else place]
    alerts, hits = np.cumsum(weight)[ends], np.cumsum(weight * target)[ends]
    frauds = float((weight * target).sum())
    days = max(len(np.unique(predictions.occurred_at // DAY_MS)), 1)
    gain = costs.review_gain(target, predictions.amount[order]) * weight
    return {
        "threshold": raw[ends],
        "alerts_per_day": alerts / days,
        "precision": hits / alerts,
        "recall": hits / frauds if frauds else np.full(len(ends), np.nan),
        "money_saved": np.cumsum(gain)[ends],
    }


def calibration_curve(predictions: Predictions) -> dict[str, NDArray[np.float64]]:
    """By bin of about equally many transactions the mean probability `predicted` and the share of fraud `observed`.

    `rows` is the number of transactions (by weight) and `frauds` that of frauds in each. Empty bins are left out.
    """
    own = predictions.weights
    place = calibration_bins(predictions.score)
    # The upper half of the last twentieth decides about alerts: it is cut into three bins more.
    if len(predictions):
        edges = np.quantile(predictions.score, [0.98, 0.99, 0.998])
        place = place + np.searchsorted(edges, predictions.score, side="right")
    summed = np.stack([np.bincount(place, own * column) for column in (1.0, predictions.target, predictions.score)])
    rows, frauds, total = summed[:, summed[0] > 0].astype(np.float64)
    return {
        "predicted": total / rows,
        "observed": frauds / rows,
        "rows": rows,
        "frauds": frauds,
    }


def as_points(curve: dict[str, NDArray[np.float64]]) -> dict[str, list[float | None]]:
    """A curve as a JSON document: what is not defined as null."""
    return {name: [None if np.isnan(value) else value for value in values.tolist()] for name, values in curve.items()}
