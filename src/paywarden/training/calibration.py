"""Fitting a calibrator on validation scores; the scoring room applies it."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from paywarden.errors import DataError
from paywarden.scoring.calibration import Calibrator, IsotonicCalibrator, PlattCalibrator

CalibrationMethod = Literal["platt", "isotonic"]
_MAX_STEPS: Final = 100
_SETTLED: Final = 1e-10


def fit_calibrator(method: CalibrationMethod, raw: NDArray[np.float64], target: NDArray[np.bool_]) -> Calibrator:
    """The calibrator of raw scores (float64 [N]) and outcomes (bool [N]).

    "platt" needs few frauds; "isotonic" follows any monotone shape but wants some hundred of them. Raises DataError
    without both classes, or where frauds do not score above genuine transactions.
    """
    if not target.any() or target.all():
        raise DataError("Calibration needs frauds and genuine transactions in the validation window. Widen it.")
    return fit_platt(raw, target) if method == "platt" else fit_isotonic(raw, target)


def fit_platt(raw: NDArray[np.float64], target: NDArray[np.bool_]) -> PlattCalibrator:
    """Platt scaling by Newton's method with step halving, on Platt's smoothed targets.

    Source: Lin, Lin and Weng, A note on Platt's probabilistic outputs for support vector machines (2007).
    """
    frauds = int(target.sum())
    smoothed = np.where(target, (frauds + 1.0) / (frauds + 2.0), 1.0 / (len(target) - frauds + 2.0))
    design = np.column_stack([raw, np.ones(len(raw))])
    weights = np.array([0.0, np.log((frauds + 1.0) / (len(target) - frauds + 1.0))])
    loss = _cross_entropy(design @ weights, smoothed)
    for _ in range(_MAX_STEPS):
        probability = expit(design @ weights)
        gradient = design.T @ (probability - smoothed)
        curvature = (design * (probability * (1.0 - probability))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        scale, candidate = _descend(design, smoothed, weights, step, loss)
        if loss - candidate <= _SETTLED * max(loss, 1.0):
            break
        weights, loss = weights - scale * step, candidate
    if weights[0] <= 0.0:
        raise DataError(
            "On the validation window frauds do not score above genuine transactions: the model cannot be calibrated. "
            "Check the labels, or train on more history."
        )
    return PlattCalibrator(slope=float(weights[0]), intercept=float(weights[1]))


def fit_isotonic(raw: NDArray[np.float64], target: NDArray[np.bool_]) -> IsotonicCalibrator:
    """Isotonic regression (scikit-learn) reduced to its knots."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 -- slow to import, and only this option needs it

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw, target.astype(np.float64))
    knots, first = np.unique(fitted.X_thresholds_, return_index=True)
    return IsotonicCalibrator(tuple(knots.tolist()), tuple(fitted.y_thresholds_[first].tolist()))


def _descend(
    design: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    weights: NDArray[np.float64],
    step: NDArray[np.float64],
    loss: float,
) -> tuple[float, float]:
    """The largest of 1, 1/2, 1/4, … of the step that lowers the loss, and that loss; (0, loss) if none does."""
    for halvings in range(40):
        scale = 0.5**halvings
        candidate = _cross_entropy(design @ (weights - scale * step), smoothed)
        if candidate < loss:
            return scale, candidate
    return 0.0, loss


def _cross_entropy(log_odds: NDArray[np.float64], smoothed: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0.0, log_odds) - smoothed * log_odds))
