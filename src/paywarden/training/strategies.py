"""Imbalance strategies side by side: each is trained, corrected for its prior, calibrated and measured alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from paywarden.errors import DataError
from paywarden.evaluation.card_precision import card_precision
from paywarden.evaluation.metrics import average_precision, calibration_error
from paywarden.scoring.calibration import Calibrator
from paywarden.training.boosters import BoosterTrainer, Fitted
from paywarden.training.calibration import CalibrationMethod, fit_calibrator, shifted
from paywarden.training.dataset import Dataset
from paywarden.training.examples import Prepared
from paywarden.training.imbalance import Resampling, Strategy, treat


@dataclass(frozen=True)
class WindowFigures:
    """One strategy on one window: ranking by the raw score, honesty of its probabilities.

    `brier` and `calibration_error` are those of the calibrated probability; the "uncalibrated" ones those of the
    log-odds after the correction for the prior and nothing else.
    """

    average_precision: float | None
    card_precision: float | None
    brier: float
    calibration_error: float | None
    uncalibrated_brier: float
    uncalibrated_calibration_error: float | None


@dataclass(frozen=True)
class StrategyFigures:
    """What a strategy costs or gives: on the selection window, which chooses, and on the test window, which reports.

    `train_rows` and `train_frauds` are those that the booster was given, `prior_offset` what corrects its log-odds,
    `chosen` whether the bundle was trained so.
    """

    strategy: Strategy
    chosen: bool
    rounds: int
    train_rows: int
    train_frauds: int
    prior_offset: float
    selection: WindowFigures
    test: WindowFigures

    def to_dict(self) -> dict[str, Any]:
        """The figures as a JSON document, None as null."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fitted booster with its raw scores (float64) by window, and the calibrator of these.

    The calibrator contains the correction for the prior.
    """

    strategy: Strategy
    fitted: Fitted
    prior_offset: float
    train_rows: int
    train_frauds: int
    raw: Mapping[str, NDArray[np.float64]]
    calibrator: Calibrator


def fit_candidate(
    strategy: Strategy,
    booster: BoosterTrainer,
    prepared: Prepared,
    calibration: CalibrationMethod,
    resampling: Resampling,
    seed: int,
) -> Candidate:
    """The booster fitted under a strategy, stopped on "selection", calibrated on "calibration".

    The strategy sees the rows of "train" only. Raises DataError where it cannot be applied to them, or its scores
    cannot be calibrated.
    """
    treated = treat(strategy, prepared.examples["train"], prepared.categories, resampling, seed)
    fitted = booster.fit(treated.examples, prepared.examples["selection"], seed)
    later = ("selection", "calibration", "test")
    raw = {name: fitted.booster.predict_margin(prepared.examples[name].features) for name in later}
    judged = prepared.rows["calibration"]
    corrected = fit_calibrator(calibration, raw["calibration"] + treated.prior_offset, judged.target, judged.weight)
    return Candidate(
        strategy=strategy,
        fitted=fitted,
        prior_offset=treated.prior_offset,
        train_rows=len(treated.examples.target),
        train_frauds=int(treated.examples.target.sum()),
        raw=raw,
        calibrator=shifted(corrected, treated.prior_offset),
    )


def selection_value(candidate: Candidate, prepared: Prepared) -> float:
    """What strategies are compared by: average precision of the raw score on the selection window."""
    return average_precision(prepared.rows["selection"].target, candidate.raw["selection"]) or 0.0


def best_candidate(candidates: Sequence[Candidate], prepared: Prepared) -> Candidate:
    """The candidate with the highest selection value, the earlier of equal ones. Raises DataError without any."""
    if not candidates:
        raise DataError("No imbalance strategy could be trained on these windows. Bring more history or labels.")
    return max(candidates, key=lambda candidate: selection_value(candidate, prepared))


def figures_of(
    candidate: Candidate, dataset: Dataset, prepared: Prepared, cards_a_day: int, *, chosen: bool
) -> StrategyFigures:
    """The figures of a candidate on the selection and the test window."""
    windows = {name: _window_figures(candidate, dataset, prepared, name, cards_a_day) for name in ("selection", "test")}
    return StrategyFigures(
        strategy=candidate.strategy,
        chosen=chosen,
        rounds=candidate.fitted.rounds,
        train_rows=candidate.train_rows,
        train_frauds=candidate.train_frauds,
        prior_offset=candidate.prior_offset,
        selection=windows["selection"],
        test=windows["test"],
    )


def _window_figures(
    candidate: Candidate, dataset: Dataset, prepared: Prepared, name: str, cards_a_day: int
) -> WindowFigures:
    rows, raw = prepared.rows[name], candidate.raw[name]
    calibrated, corrected = candidate.calibrator.apply(raw), expit(raw + candidate.prior_offset)
    card, at = dataset.card[rows.index], dataset.occurred_at[rows.index]
    return WindowFigures(
        average_precision=average_precision(rows.target, raw),
        card_precision=card_precision(rows.target, raw, card, at, cards_a_day),
        brier=float(np.mean((calibrated - rows.target) ** 2)),
        calibration_error=calibration_error(rows.target, calibrated),
        uncalibrated_brier=float(np.mean((corrected - rows.target) ** 2)),
        uncalibrated_calibration_error=calibration_error(rows.target, corrected),
    )
