"""Fitting a calibrator on validation scores; the scoring room applies it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from paywarden.errors import DataError
from paywarden.scoring.calibration import Calibrator, IsotonicCalibrator, PlattCalibrator

CalibrationMethod = Literal["platt", "isotonic", "auto"]
_MAX_STEPS: Final = 100
_SETTLED: Final = 1e-10


def fit_calibrator(
    method: CalibrationMethod,
    raw: NDArray[np.float64],
    target: NDArray[np.bool_],
    weight: NDArray[np.float32] | None = None,
) -> Calibrator:
    """The calibrator of raw scores (float64 [N]), outcomes (bool [N]) and weights (float32 [N], None for all 1).

    "platt" needs few frauds; "isotonic" follows any monotone shape but wants some hundred of them; "auto" takes the one
    with the lower Brier score where each half of the rows is judged by what was fitted on the other, "platt" where a
    half cannot be fitted. Rows are expected in the order of time, so that the halves are. Raises DataError without both
    classes, or where frauds do not score above genuine transactions.
    """
    if not target.any() or target.all():
        raise DataError("Calibration needs frauds and genuine transactions in the calibration window. Widen it.")
    weight = np.ones(len(raw), np.float32) if weight is None else weight
    if method == "auto":
        method = _better_method(raw, target, weight)
    return _fit(method, raw, target, weight)


def shifted(calibrator: Calibrator, offset: float) -> Calibrator:
    """The calibrator of raw scores that gives what this one gives of raw scores + `offset`."""
    if isinstance(calibrator, PlattCalibrator):
        return PlattCalibrator(calibrator.slope, calibrator.intercept + calibrator.slope * offset)
    if isinstance(calibrator, IsotonicCalibrator):
        knots, first = np.unique(np.array(calibrator.raw) - offset, return_index=True)
        return IsotonicCalibrator(tuple(knots.tolist()), tuple(calibrator.probability[place] for place in first))
    raise TypeError(f"A {type(calibrator).__name__} cannot be shifted.")


def _fit(
    method: CalibrationMethod, raw: NDArray[np.float64], target: NDArray[np.bool_], weight: NDArray[np.float32]
) -> Calibrator:
    return fit_platt(raw, target, weight) if method == "platt" else fit_isotonic(raw, target, weight)


def _better_method(
    raw: NDArray[np.float64], target: NDArray[np.bool_], weight: NDArray[np.float32]
) -> CalibrationMethod:
    late = np.arange(len(raw)) >= len(raw) // 2
    if any(not target[half].any() or target[half].all() for half in (late, ~late)):
        return "platt"
    loss = dict.fromkeys(("platt", "isotonic"), 0.0)
    try:
        for method in loss:
            for half in (late, ~late):
                calibrator = _fit(method, raw[half], target[half], weight[half])  # type: ignore[arg-type]
                loss[method] += float(weight[~half] @ (calibrator.apply(raw[~half]) - target[~half]) ** 2)
    except DataError:
        return "platt"
    return "isotonic" if loss["isotonic"] < loss["platt"] else "platt"


def fit_platt(
    raw: NDArray[np.float64], target: NDArray[np.bool_], weight: NDArray[np.float32] | None = None
) -> PlattCalibrator:
    """Platt scaling by Newton's method with step halving, on Platt's smoothed targets.

    Source: Lin, Lin and Weng, A note on Platt's probabilistic outputs for support vector machines (2007).
    """
    count = np.ones(len(raw)) if weight is None else weight.astype(np.float64)
    frauds, genuine = float(count[target].sum()), float(count[~target].sum())
    smoothed = np.where(target, (frauds + 1.0) / (frauds + 2.0), 1.0 / (genuine + 2.0))
    design = np.column_stack([raw, np.ones(len(raw))])
    weights = np.array([0.0, np.log((frauds + 1.0) / (genuine + 1.0))])
    loss = _cross_entropy(design @ weights, smoothed, count)
    for _ in range(_MAX_STEPS):
        probability = expit(design @ weights)
        gradient = design.T @ (count * (probability - smoothed))
        curvature = (design * (count * probability * (1.0 - probability))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        scale, candidate = _descend(lambda some: _cross_entropy(design @ some, smoothed, count), weights, step, loss)
        if loss - candidate <= _SETTLED * max(loss, 1.0):
            break
        weights, loss = weights - scale * step, candidate
    if weights[0] <= 0.0:
        raise DataError(
            "On the calibration window frauds do not score above genuine transactions: the model cannot be calibrated. "
            "Check the labels, or train on more history."
        )
    return PlattCalibrator(slope=float(weights[0]), intercept=float(weights[1]))


def fit_isotonic(
    raw: NDArray[np.float64], target: NDArray[np.bool_], weight: NDArray[np.float32] | None = None
) -> IsotonicCalibrator:
    """Isotonic regression (scikit-learn) reduced to its knots."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 -- slow to import, and only this option needs it

    regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted = regression.fit(raw, target.astype(np.float64), None if weight is None else weight.astype(np.float64))
    knots, first = np.unique(fitted.X_thresholds_, return_index=True)
    return IsotonicCalibrator(tuple(knots.tolist()), tuple(fitted.y_thresholds_[first].tolist()))


def _descend(
    loss_at: Callable[[NDArray[np.float64]], float],
    weights: NDArray[np.float64],
    step: NDArray[np.float64],
    loss: float,
) -> tuple[float, float]:
    """The largest of 1, 1/2, 1/4, … of the step that lowers the loss, and that loss; (0, loss) if none does."""
    for halvings in range(40):
        scale = 0.5**halvings
        candidate = loss_at(weights - scale * step)
        if candidate < loss:
            return scale, candidate
    return 0.0, loss


def _cross_entropy(log_odds: NDArray[np.float64], smoothed: NDArray[np.float64], count: NDArray[np.float64]) -> float:
    return float(count @ (np.logaddexp(0.0, log_odds) - smoothed * log_odds))
