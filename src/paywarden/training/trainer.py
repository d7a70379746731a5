"""One training run: fit on train, stop on selection, calibrate and choose thresholds on calibration, report on test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paywarden.errors import DataError
from paywarden.evaluation.labels import known_compromised
from paywarden.evaluation.metrics import Metrics, evaluate
from paywarden.evaluation.predictions import Predictions
from paywarden.evaluation.splits import DAY_MS, TimeSplit, Window
from paywarden.features.catalogue import Catalogue
from paywarden.scoring.bundle import ModelBundle
from paywarden.scoring.calibration import Calibrator
from paywarden.scoring.encoding import TargetEncoder
from paywarden.scoring.reasons import ReasonBook
from paywarden.training.boosters import BoosterTrainer, Examples, Fitted, XGBoostTrainer
from paywarden.training.calibration import CalibrationMethod, fit_calibrator
from paywarden.training.dataset import Dataset
from paywarden.training.encoding import STRENGTH, encode_in_time_order, fit_encoder, overall_smoothing
from paywarden.training.thresholds import AlertBudget, choose_policy


@dataclass(frozen=True)
class TrainingSettings:
    """What may be chosen about a run.

    `compromised_days` drops, from validation and test, transactions of cards with a fraud that was already known that
    day and had occurred since so many days before the window: such a card would have been blocked, and finding it again
    is no merit. None drops nothing. 14 days are the Fraud Detection Handbook's (a week of training and one of delay).
    `encoding_strength` is how many transactions the overall rate of fraud weighs in the rate of a category.
    """

    booster: BoosterTrainer = field(default_factory=XGBoostTrainer)
    calibration: CalibrationMethod = "platt"
    budget: AlertBudget = field(default_factory=AlertBudget)
    cards_a_day: int = 100
    compromised_days: int | None = 14
    encoding_strength: float = STRENGTH
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The settings as a JSON document."""
        plain = ("calibration", "cards_a_day", "compromised_days", "encoding_strength", "seed")
        return {
            **{name: getattr(self, name) for name in plain},
            "booster": self.booster.to_dict(),
            "budget": asdict(self.budget),
        }


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The bundle with its figures and the predictions they were computed from.

    `validation` is the calibration window's and flattering, since calibrator and thresholds were chosen on it; `test`
    is the honest one. `validation_average_precision` is the selection window's curve over boosting rounds.
    """

    bundle: ModelBundle
    validation: Metrics
    test: Metrics
    validation_predictions: Predictions
    test_predictions: Predictions
    validation_average_precision: tuple[float, ...]


def train(
    dataset: Dataset,
    split: TimeSplit,
    settings: TrainingSettings | None = None,
    *,
    data_versions: Mapping[str, int | str] | None = None,
    reasons: ReasonBook | None = None,
    catalogue: Catalogue | None = None,
) -> TrainingResult:
    """A model trained, calibrated and measured on the windows of the split; equal arguments give an equal bundle.

    Training sees the labels received by `split.train_cutoff`, selection and calibration those by
    `split.validation_cutoff`, test those by `dataset.as_of`. `data_versions` names the tables' versions, `reasons` the
    words for alerts, `catalogue` what gave the features; all go into the bundle. Raises DataError where a window has
    too few frauds or genuine transactions.
    """
    settings = settings or TrainingSettings()
    days = settings.compromised_days
    windows = {
        "train": _known_rows(dataset, split.train, split.train_cutoff, None),
        "selection": _known_rows(dataset, split.selection, split.validation_cutoff, days),
        "calibration": _known_rows(dataset, split.calibration, split.validation_cutoff, days),
        "test": _known_rows(dataset, split.test, dataset.as_of, days),
    }
    for name, rows in windows.items():
        _require_both_classes(name, rows)
    encoder, examples = _encoded(dataset, windows, split.train_cutoff, settings.encoding_strength)
    fitted = settings.booster.fit(examples["train"], examples["selection"], settings.seed)
    raws = {name: fitted.booster.predict_margin(examples[name].features) for name in ("calibration", "test")}
    judged = windows["calibration"].target
    calibrator = fit_calibrator(settings.calibration, raws["calibration"], judged)
    policy = choose_policy(raws["calibration"], judged, split.calibration.days, settings.budget)
    named = {"validation": "calibration", "test": "test"}
    scored = {n: _predictions(dataset, windows[own], raws[own], calibrator) for n, own in named.items()}
    metrics = {n: evaluate(rows, policy.review_threshold, settings.cards_a_day) for n, rows in scored.items()}
    bundle = ModelBundle(
        booster_kind=fitted.booster.kind,
        booster_bytes=fitted.booster.to_bytes(),
        feature_names=dataset.feature_names,
        contract_digest=dataset.contract_digest,
        state_layout_digest=dataset.state_layout_digest,
        calibrator=calibrator,
        policy=policy,
        encoder=encoder,
        catalogue=catalogue,
        reasons=reasons or ReasonBook(),
        training=_provenance(dataset, split, settings, fitted, windows),
        data_versions=dict(data_versions or {}),
        metrics={name: figures.to_dict() for name, figures in metrics.items()},
    )
    return TrainingResult(
        bundle=bundle,
        validation=metrics["validation"],
        test=metrics["test"],
        validation_predictions=scored["validation"],
        test_predictions=scored["test"],
        validation_average_precision=fitted.validation_average_precision,
    )


@dataclass(frozen=True, eq=False)
class _KnownRows:
    """The usable rows of a window (int64 indices) with their outcome as known at the window's cut-off."""

    index: NDArray[np.int64]
    target: NDArray[np.bool_]
    pattern: NDArray[np.object_]


def _known_rows(dataset: Dataset, window: Window, cutoff: int, compromised_days: int | None) -> _KnownRows:
    """Only mature rows: of the immature ones, frauds are known earlier than the rest, and would be too many."""
    verdicts = dataset.verdicts_at(cutoff)
    usable = window.contains(dataset.occurred_at) & verdicts.mature & verdicts.known
    if compromised_days is not None:
        since = window.start - compromised_days * DAY_MS
        usable &= ~known_compromised(dataset.card, dataset.occurred_at, dataset.fraud_known_at, since)
    index = np.flatnonzero(usable)
    return _KnownRows(index, verdicts.fraud[index], verdicts.pattern[index])


def _require_both_classes(name: str, rows: _KnownRows) -> None:
    if not rows.target.any() or rows.target.all():
        raise DataError(
            f"The {name} window has {int(rows.target.sum())} frauds among {len(rows.target)} transactions whose "
            "outcome was known in time. Both kinds are needed: bring more history or labels, or move the windows."
        )


def _encoded(
    dataset: Dataset, windows: Mapping[str, _KnownRows], train_cutoff: int, strength: float
) -> tuple[TargetEncoder, dict[str, Examples]]:
    """The encoder that will serve, and the examples: the later windows as it encodes them, training in time order."""
    smoothing = overall_smoothing(dataset, train_cutoff, strength)
    encoder = fit_encoder(dataset, train_cutoff, smoothing)
    features = {
        name: encode_in_time_order(dataset, rows.index, smoothing)
        if name == "train"
        else encoder.apply(dataset.feature_names, dataset.features[rows.index])
        for name, rows in windows.items()
    }
    return encoder, {name: Examples(features[name], rows.target) for name, rows in windows.items()}


def _predictions(dataset: Dataset, rows: _KnownRows, raw: NDArray[np.float64], calibrator: Calibrator) -> Predictions:
    return Predictions(
        target=rows.target,
        raw=raw,
        score=calibrator.apply(raw),
        occurred_at=dataset.occurred_at[rows.index],
        card=dataset.card[rows.index],
        amount=dataset.amount[rows.index],
        pattern=rows.pattern,
    )


def _provenance(
    dataset: Dataset, split: TimeSplit, settings: TrainingSettings, fitted: Fitted, windows: Mapping[str, _KnownRows]
) -> dict[str, Any]:
    return {
        "as_of": dataset.as_of,
        "frauds": {name: int(rows.target.sum()) for name, rows in windows.items()},
        "rounds": fitted.rounds,
        "rows": {name: len(rows.index) for name, rows in windows.items()},
        "settings": settings.to_dict(),
        "split": split.to_dict(),
    }
